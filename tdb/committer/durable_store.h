// The durable state as a process of the server sees it: it reads the LMDB file itself, and writes through the committer.
//
// Both are opened when first needed, in the process that needs them. Main thread; not across a fork (asserted).
#pragma once

#include <memory>
#include <string>

#include "base/loop/loop.h"
#include "base/result.h"
#include "tdb/committer/client.h"
#include "tdb/database.h"
#include "tdb/lmdb/environment.h"

namespace Atoll::committer {

// Where a server keeps the durable state, and where its committer listens.
std::string database_path(const std::string& state_directory);
std::string socket_path(const std::string& lock_directory);

class DurableStore {
 public:
    // `loop` for commits().submit().
    DurableStore(const std::string& state_directory, const std::string& lock_directory, loop::Loop* loop = nullptr);

    // A Database of this name, which must not outlive the store. Reading it waits for nobody. What changes it waits for the committer, so
    // for a sync: of many records, or where nothing may wait, use commits() with a Batch.
    //
    // A record is not locked by fetch_locked: it is remembered as it was, and its store or remove fails with Code::busy if it has changed
    // since; then begin again. No transactions: that is what a Batch is for. It is made by the committer that was told of its name.
    std::unique_ptr<tdb::Database> database(const std::string& name, tdb::Rank rank = tdb::Rank::none);

    CommitClient& commits() { return client_; }
    // For reading. Code::not_found: the committer has never run.
    Result<std::shared_ptr<tdb::LmdbEnvironment>> environment();

 private:
    std::string path_;
    CommitClient client_;
    std::shared_ptr<tdb::LmdbEnvironment> environment_;
};

}  // namespace Atoll::committer

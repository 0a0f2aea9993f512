// The durable state as a process of the server sees it: it reads by itself, and writes through a committer.
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

// Where a server keeps its own durable state, and where its committer listens.
std::string database_path(const std::string& state_directory);
std::string socket_path(const std::string& lock_directory);

// How a process reads durable databases, by their names.
class DurableReader {
 public:
    virtual ~DurableReader() = default;

    // False: no such record.
    virtual Result<bool> read(const std::string& database, Bytes key, tdb::Parser parser) = 0;
    // As Database::traverse.
    virtual Result<uint64_t> traverse(const std::string& database, tdb::Visitor visitor) = 0;
    // Changes with every change of the database.
    virtual Result<uint32_t> sequence_number(const std::string& database) = 0;
};

class DurableStore {
 public:
    // The node's own: its LMDB file and the committer that writes that. `loop` for commits().submit().
    DurableStore(const std::string& state_directory, const std::string& lock_directory, loop::Loop* loop = nullptr);
    // Another: what `reader` reads, and the committer at `committer_socket` writes.
    DurableStore(std::unique_ptr<DurableReader> reader, std::string committer_socket, loop::Loop* loop);

    // A Database of this name, which must not outlive the store. Reading it waits for nobody, on one node. What changes it waits for the
    // committer, so for a sync: of many records, or where nothing may wait, use commits() with a Batch.
    //
    // A record is not locked by fetch_locked: it is remembered as it was, and its store or remove fails with Code::busy if it has changed
    // since; then begin again. No transactions: that is what a Batch is for. It is made by the committer that was told of its name.
    std::unique_ptr<tdb::Database> database(const std::string& name, tdb::Rank rank = tdb::Rank::none);

    CommitClient& commits() { return client_; }
    DurableReader& reader() { return *reader_; }

 private:
    std::unique_ptr<DurableReader> reader_;
    CommitClient client_;
};

}  // namespace Atoll::committer

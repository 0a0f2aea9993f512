// The journal of this node's own durable state: one LMDB file, one transaction and one sync for each group of batches.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tdb/committer/journal.h"
#include "tdb/committer/judge.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::committer {

struct JournalOptions {
    std::string path;                    // of the LMDB file
    std::vector<std::string> databases;  // all that can be written; made if they are not there
    uint64_t map_size = 256u << 20;      // bytes of address space to begin with
};

class FileJournal final : public Journal, private Standing {
 public:
    // Code::corrupt: what is kept of senders is not readable.
    static Result<std::unique_ptr<FileJournal>> open(const JournalOptions& options);

    // One transaction, if anything is changed; from inside. When the disk is full, smaller parts of the group are tried.
    void decide(std::span<Pending> group, std::function<void()> decided) override;
    // Frees dead readers' places too. A sync if there was a sender.
    void clean() override;

 private:
    explicit FileJournal(std::shared_ptr<tdb::LmdbEnvironment> environment) : environment_(std::move(environment)) {}
    Result<void> open_databases(const JournalOptions& options);
    Result<void> load_senders();
    bool has(const std::string& database) override { return databases_.contains(database); }
    Result<bool> look(const std::string& database, Bytes key, tdb::Parser parser) override;
    Result<void> apply(const batch& request);
    Result<bool> apply_group(std::span<Pending> group);
    Result<void> store_senders(std::span<const Pending> group);
    Result<void> try_group(std::span<Pending> group);
    void decide_all(std::span<Pending> group);
    Result<void> remove_senders(std::span<const Guid> names);

    std::shared_ptr<tdb::LmdbEnvironment> environment_;
    std::map<std::string, std::unique_ptr<tdb::Database>, std::less<>> databases_;
    std::unique_ptr<tdb::Database> senders_database_;
    Buffer encoded_;
};

}  // namespace Atoll::committer

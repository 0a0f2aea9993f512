// The persistent and the replicated databases of a node: one file each, NAME.PNN in the directory of ctdb.conf for persistent or for
// volatile ones, written by a thread of its own. A database is read only while nothing is written to it: the core sees to that
// (PersistentReplica::readable).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/loop/worker_pool.h"
#include "ctdb/core/events.h"
#include "ctdb/daemon/persistent_file.h"

namespace Atoll::ctdb {

class PersistentDatabases final : public PersistentStore {
 public:
    using Written = std::function<void(PersistentWritten)>;

    // Opens every persistent database that the directory has for this node; the directory is made if it is not there, not its parents.
    static Result<std::unique_ptr<PersistentDatabases>> open(const std::string& directory, const std::string& volatile_directory, Pnn pnn);

    ~PersistentDatabases() override;

    // True: it is new here. Errors as of RecordDatabases::attach.
    Result<bool> attach(const std::string& name, Lifetime lifetime);
    [[nodiscard]] bool knows(DatabaseId id) const { return databases_.contains(id); }
    struct Entry {
        DatabaseId id;
        std::string name;
        std::string path;
        bool replicated;
    };
    [[nodiscard]] std::vector<Entry> entries() const;  // by rising id

    // On the loop's thread, from then on. `written` is called when the disk has it, or does not take it.
    void start(loop::Loop& loop, Written written);
    void write(const WritePersistent& write);
    [[nodiscard]] const PersistentFile& file(DatabaseId id) const { return *databases_.at(id).file; }

    bool replicated(DatabaseId id) const override;
    std::vector<holding> holdings() const override;
    // A file that cannot be read ends the process: the others go on without this node.
    Writes last_writes(DatabaseId database) const override;
    void each(DatabaseId database, const std::function<void(const protocol::record_write&)>& visit) const override;

 private:
    struct Opened {
        std::string name;
        std::string path;
        Lifetime lifetime = Lifetime::persistent;
        std::unique_ptr<PersistentFile> file;
    };
    class Write;

    PersistentDatabases(std::string directory, std::string volatile_directory, Pnn pnn);

    const std::string directory_;
    const std::string volatile_directory_;
    const Pnn pnn_;
    std::map<DatabaseId, Opened> databases_;
    std::map<uint64_t, std::unique_ptr<Write>> writes_;
    Written written_;
    std::unique_ptr<loop::WorkerPool> writer_;  // last: it waits for the write that is under way
};

}  // namespace Atoll::ctdb

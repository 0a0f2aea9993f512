// The volatile databases of a node: one TDB file each, NAME.PNN in the directory of ctdb.conf. A record is stored behind the header of its
// copy (ctdb/shared/copy_format.h). Files are emptied when the daemon starts. With mutexes the processes of the node use the records beside
// the daemon; it waits for none of them: who has a chain of records locked for long stands still, and is handed to `stands_still`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "ctdb/core/shared_state.h"
#include "ctdb/protocol/node.idl.h"
#include "tdb/database.h"

namespace Atoll::ctdb {

class RecordDatabases final : public RecordStore {
 public:
    // The directory is made if it is not there, not its parents.
    static Result<std::unique_ptr<RecordDatabases>> open(const std::string& directory, Pnn pnn, bool mutexes);
    // Called, before the first attach, with a thread that has a lock in a file and keeps it.
    void on_standstill(std::function<void(pid_t thread)> told) { stands_still_ = std::move(told); }
    [[nodiscard]] bool shared() const { return mutexes_; }

    // True: it is new here. Code::invalid: no such name can be, or it is there with other flags; Code::no_space: there are too many;
    // others: the file.
    Result<bool> attach(const std::string& name, protocol::database_flags flags = protocol::database_flags::none);
    // Its records and its file go. Code::not_found; Code::busy: a process has a record of it locked.
    Result<void> detach(uint32_t id);
    // By a database's name, or its id in the form 0x12345678. 0: there is none.
    [[nodiscard]] uint32_t find(const std::string& name_or_id) const;
    // Other nodes may speak of a database that was detached.
    [[nodiscard]] bool knows(uint32_t id) const { return databases_.contains(id) || detached_.contains(id); }

    struct Entry {
        uint32_t id;
        std::string name;
        std::string path;
        bool lends;
        bool sticks;
    };
    [[nodiscard]] std::vector<Entry> entries() const;  // by rising id
    [[nodiscard]] size_t count(uint32_t id) const;     // of the copies that this node has
    [[nodiscard]] protocol::catalogue catalogue() const;
    [[nodiscard]] const std::string& path_of(uint32_t id) const { return databases_.at(id).path; }
    [[nodiscard]] bool mirrored(uint32_t id) const;
    [[nodiscard]] const std::string& name_of(uint32_t id) const { return databases_.at(id).name; }

    // Until the daemon ends. They are this node's, and not in the catalogue.
    void set_lending(uint32_t id) { databases_.at(id).lends = true; }
    void set_sticking(uint32_t id) { databases_.at(id).sticks = true; }
    [[nodiscard]] bool lends(uint32_t id) const;

    [[nodiscard]] bool lends(const RecordKey& key) const override { return lends(key.database); }
    [[nodiscard]] bool sticks(const RecordKey& key) const override;
    [[nodiscard]] Slot slot_of(const RecordKey& key) const override;
    // A database that is not attached has no records, and what is written to it is lost. A write or clear that fails, or a copy that is
    // none, ends the process: the others go on without what it holds.
    bool read(const RecordKey& key, Copy& copy) const override;
    void write(const RecordKey& key, const Copy& copy) override;
    bool replace(const RecordKey& key, const Copy& seen, const Copy& next) override;
    bool remove(const RecordKey& key, const Copy& seen) override;
    void each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const override;
    void each_mirrored(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const override;
    void clear() override;

 private:
    struct Opened {
        std::string name;
        std::string path;
        protocol::database_flags flags;
        std::unique_ptr<tdb::Database> file;
        bool lends = false;
        bool sticks = false;
    };

    RecordDatabases(std::string directory, Pnn pnn, bool mutexes)
        : directory_(std::move(directory)), pnn_(pnn), mutexes_(mutexes), keys_(protocol::SLOTS) {}

    const std::string directory_;
    const Pnn pnn_;
    const bool mutexes_;
    std::map<uint32_t, Opened> databases_;
    std::set<uint32_t> detached_;
    std::vector<std::set<RecordKey, KeyLess>> keys_;  // by slot: only this process makes records
    std::function<void(pid_t thread)> stands_still_;
    mutable Buffer buffer_;
};

}  // namespace Atoll::ctdb

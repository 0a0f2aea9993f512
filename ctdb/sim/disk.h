// A machine's disk: the persistent databases, and the vote of a node that has no cluster lock. It outlives the machine's end; what is under
// way then may or may not have been done. Replicated databases do not outlive the daemon.
#pragma once

#include <deque>
#include <map>

#include "ctdb/core/events.h"

namespace Atoll::ctdb::sim {

constexpr DatabaseId replicated_database = 103;

class Disk final : public PersistentStore {
 public:
    using Records = std::map<std::vector<uint8_t>, Value>;

    bool replicated(DatabaseId database) const override { return database == replicated_database; }
    std::vector<holding> holdings() const override {
        std::vector<holding> all;
        for (const auto& [id, database] : databases_) all.push_back(database.held);
        if (!databases_.contains(replicated_database)) all.emplace_back().database = replicated_database;
        return all;
    }
    Writes last_writes(DatabaseId database) const override { return databases_.at(database).last; }
    void each(DatabaseId database, const std::function<void(const protocol::record_write&)>& visit) const override {
        for (const auto& [key, value] : content(database)) visit(protocol::record_write{key, value});
    }

    // What clients of the node read.
    [[nodiscard]] Records content(DatabaseId database) const {
        const auto found = databases_.find(database);
        if (found == databases_.end()) return {};
        Records records = found->second.records;
        put(records, found->second.last);
        return records;
    }
    [[nodiscard]] uint64_t sequence(DatabaseId database) const {
        const auto found = databases_.find(database);
        return found != databases_.end() ? found->second.held.seqnum : 0;
    }

    void start(const WritePersistent& write) { under_way.push_back(write); }
    // Does the next.
    WritePersistent finish(bool ok) {
        WritePersistent write = std::move(under_way.front());
        under_way.pop_front();
        if (ok) apply(write);
        return write;
    }
    void sync() { synced_ = databases_; }
    // The machine's memory is gone. `synced_only`: so is what was not synced.
    void power_lost(bool synced_only) {
        under_way.clear();
        if (synced_only) databases_ = synced_;
        databases_.erase(replicated_database);
    }

    // The next ballot is there now, or was refused.
    void finish_ballot(bool ok) {
        if (ok) ballot = std::move(ballots_under_way.front());
        ballots_under_way.pop_front();
    }

    std::deque<WritePersistent> under_way;
    // The state directory is gone. What was in it counts until the node has learned: those who rest on it teach it first.
    void lose_ballot() {
        lost = ballot->stored;
        ballot.reset();
    }
    [[nodiscard]] bool has(const protocol::register_copy& copy) const { return ballot ? ballot->stored == copy : lost == copy; }

    std::optional<protocol::ballot> ballot;
    protocol::register_copy lost;
    std::deque<protocol::ballot> ballots_under_way;

 private:
    struct Database {
        holding held;
        Records records;  // without the last transaction
        Writes last;
    };

    static void put(Records& records, const Writes& writes) {
        for (const auto& write : writes) {
            if (write.value.empty()) {
                records.erase(write.key);
            } else {
                records[write.key] = write.value;
            }
        }
    }

    void apply(const WritePersistent& write) {
        Database& database = databases_[write.after.database];
        if (write.kind == PersistentWrite::add) put(database.records, database.last);
        if (write.kind == PersistentWrite::replace) database.records.clear();
        if (write.kind == PersistentWrite::replace) put(database.records, write.writes);
        database.last = write.kind == PersistentWrite::add ? write.writes : Writes();
        database.held = write.after;
    }

    std::map<DatabaseId, Database> databases_;
    std::map<DatabaseId, Database> synced_;
};

}  // namespace Atoll::ctdb::sim

// The invariants, looked at after every step. They know nothing of the protocol but what it promises.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "ctdb/sim/host.h"

namespace Atoll::ctdb::sim {

using Hosts = std::vector<std::unique_ptr<Host>>;

class Checker {
 public:
    Checker(const Hosts& hosts, const std::vector<RecordKey>& keys) : hosts_(hosts), keys_(keys) {}

    // Of a cluster in which nothing fails, and of very many records: looks at some of those that change, or it would cost more than all
    // else.
    void sample() { samples_ = true; }

    // The register's new content, which names the members.
    void view_written(const protocol::view& view, Time now);
    // A host has lost what it had.
    void host_lost(Time now);
    // A client has locked a record and read its value, 0: there is none. The number of the change that it sees.
    uint64_t locked(const Host& host, const Worker& worker, uint64_t value, Time now);
    // A client reads a copy that it has not locked.
    void read(const Host& host, const RecordKey& key, uint64_t value);
    // It changes what it has read in a copy of that RSN and sequence. The change's number: the new value.
    uint64_t committed(const Host& host, const Worker& worker, bool removes, const CopyHead& head);
    // Its store of a mirrored record counts.
    void answered(const Host& host, const Worker& worker);
    // Whether only one member has the newest value of a mirrored record that nobody has locked.
    [[nodiscard]] bool single(const RecordKey& key) const;
    // Of a cluster without a lock, which nobody can take from a leader that does not hear of it: one at a time may lead.
    void check_leaders(const Host& host, Time now);
    // After each event of the host.
    void step(Host& host, Time now);

    [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
    void violated(std::string what) {
        if (!violation_) violation_ = std::move(what);
    }

 private:
    // A value is the number of the change of its record; so is a removal, which cannot be seen in the copy: one without a value has the newest
    // that it is no older than.
    struct Removal {
        uint64_t number = 0;
        CopyHead head;  // of the copy in which it was
    };
    static constexpr size_t most_removals = 64;  // that are remembered of a record
    struct History {
        uint64_t given = 0;  // the last number
        uint64_t last = 0;   // the newest that counts
        std::deque<Removal> removals;  // that count, the newest last; any of them may be lost with its nodes
        uint64_t floor = 0;  // the newest that some member holds: less must never be read
        uint64_t twice = 0;  // the newest that two nodes have had at the same time
    };

    struct KeyHash {
        size_t operator()(const RecordKey& key) const { return slot_of(key.database, key.key, ~uint32_t{0}); }
    };

    [[nodiscard]] bool serves(const Host& host, Time now) const;
    [[nodiscard]] static bool leads(const Host& host, Time now);
    [[nodiscard]] bool is_member(const Host& host) const;
    uint64_t saw(const Host& host, const RecordKey& key, uint64_t value);
    void check_readers(const Host& host, const RecordKey& key, Time now);
    void lower_floors();
    void check_lease(const Host& host, Time now);
    void check_record(const RecordKey& key, Time now);
    [[nodiscard]] static uint64_t number_in(const History& history, const Copy& copy);
    void check_removed(const Host& host, const RecordKey& key, const Copy& copy);
    void note_copies(const RecordKey& key);
    void check_addresses(const Host& host, Time now);

    const Hosts& hosts_;
    const std::vector<RecordKey>& keys_;
    protocol::view view_;
    std::unordered_map<RecordKey, History, KeyHash> history_;
    std::optional<std::string> violation_;
    bool samples_ = false;
    uint64_t steps_ = 0;
    size_t next_ = 0;  // record that is looked at
};

// Of the records of a world.
inline uint32_t number_of(const RecordKey& key) {
    const auto& bytes = key.key;
    return key.database == 2 ? bytes[7] + 256U * bytes[6] + 65536U * bytes[5] : bytes[0] + 256U * bytes[1] + 65536U * bytes[2];
}

// One record of three.
inline bool is_mirrored(const RecordKey& key) { return number_of(key) % 3 == 0; }

// The value of a record: eight bytes, or none.
uint64_t value_of(const Copy& copy);
Value value_from(uint64_t number);

}  // namespace Atoll::ctdb::sim

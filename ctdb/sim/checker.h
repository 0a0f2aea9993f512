// The invariants, looked at after every step. They know nothing of the protocol but what it promises.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ctdb/sim/host.h"

namespace Atoll::ctdb::sim {

using Hosts = std::vector<std::unique_ptr<Host>>;

class Checker {
 public:
    Checker(const Hosts& hosts, const std::vector<RecordKey>& keys) : hosts_(hosts), keys_(keys) {}

    // The register's new content, which names the members.
    void view_written(const protocol::view& view, Time now);
    // A host has lost what it had.
    void host_lost(Time now);
    // A client has locked a record and read its value.
    void locked(const Host& host, const Worker& worker, Time now);
    // It has stored value + 1.
    void committed(const Host& host, const Worker& worker);
    // Its store of a mirrored record counts.
    void answered(const Host& host, const Worker& worker);
    // Whether only one member has the newest value of a mirrored record that nobody has locked.
    [[nodiscard]] bool single(const RecordKey& key) const;
    // After each event of the host.
    void step(Host& host, Time now);

    [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
    void violated(std::string what) {
        if (!violation_) violation_ = std::move(what);
    }

 private:
    // A value counts the changes of its record.
    struct History {
        uint64_t last = 0;   // the newest that counts
        uint64_t floor = 0;  // the newest that some member holds: less must never be read
        uint64_t twice = 0;  // the newest that two nodes have had at the same time
    };

    [[nodiscard]] bool serves(const Host& host, Time now) const;
    [[nodiscard]] bool is_member(const Host& host) const;
    void lower_floors();
    void check_lease(const Host& host, Time now);
    void check_record(const RecordKey& key, Time now);
    void note_copies(const RecordKey& key);
    void check_addresses(const Host& host, Time now);

    const Hosts& hosts_;
    const std::vector<RecordKey>& keys_;
    protocol::view view_;
    std::map<RecordKey, History, KeyLess> history_;
    std::optional<std::string> violation_;
    uint64_t steps_ = 0;
};

// One record of three.
inline bool is_mirrored(const RecordKey& key) { return key.key[0] % 3 == 0; }

// The value of a record: eight bytes, or none.
uint64_t value_of(const Copy& copy);
Value value_from(uint64_t number);

}  // namespace Atoll::ctdb::sim

// What transactions promise: one order of them all, in which each that was answered stands and none that was refused, and which every
// reader sees. Disks survive in this world, so nothing that was answered or read may ever be lost, but of a replicated database.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "ctdb/sim/host.h"

namespace Atoll::ctdb::sim {

class TransactionChecker {
 public:
    using Keys = std::set<std::vector<uint8_t>>;

    // A client asks for each of the keys to become `stamp`, a value that is written once.
    void submitted(uint64_t stamp, DatabaseId database, int64_t base, Keys keys);
    // nothing: all is well.
    std::optional<std::string> committed(uint64_t stamp, uint64_t seqnum);
    std::optional<std::string> refused(uint64_t stamp);
    // A client of some node reads the whole database.
    std::optional<std::string> observed(DatabaseId database, uint64_t seqnum, const Disk::Records& records);
    // Nobody that counts has it any more: of what was submitted up to now nothing is known.
    void lost(DatabaseId database);
    // A copy that has what was answered and read: it is of this history, and not older than what is known of it.
    [[nodiscard]] bool keeps(DatabaseId database, uint64_t seqnum, const Disk::Records& records) const;
    [[nodiscard]] uint64_t floor(DatabaseId database) const {
        const auto found = histories_.find(database);
        return found != histories_.end() ? found->second.floor : 0;
    }

 private:
    struct Submitted {
        DatabaseId database = 0;
        int64_t base = 0;
        Keys keys;
        bool refused = false;
        uint64_t placed = 0;  // the sequence number at which it was seen; 0: nowhere yet
        bool lost = false;
    };
    struct History {
        std::map<uint64_t, Disk::Records> states;  // that were seen, by sequence number
        uint64_t floor = 0;                        // answered or read: no reader sees less
    };

    std::optional<std::string> place(uint64_t stamp, uint64_t seqnum);
    std::optional<std::string> check_step(const Disk::Records& before, const Disk::Records& after, uint64_t seqnum);

    std::map<uint64_t, Submitted> submitted_;
    std::map<DatabaseId, History> histories_;
};

}  // namespace Atoll::ctdb::sim

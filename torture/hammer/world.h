// What all clients of one run share: the clock of what was seen, chance, the models, and the faults that were found.
#pragma once

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "base/time.h"
#include "libcli/auth/initiator.h"
#include "torture/hammer/claims.h"
#include "torture/hammer/notices.h"
#include "torture/hammer/register.h"

namespace Atoll::hammer {

struct Options {
    std::string host = "127.0.0.1";
    uint16_t port = 445;
    std::string share;
    auth::Credentials credentials;
    int clients = 3;
    int seconds = 10;
    uint64_t seed = 1;
    double kills_per_second = 0;  // of the servers' processes that serve our clients
    std::string local_path;       // of the share, to change files in beside the clients; empty: nobody does
    bool twice_is_fine = false;   // to be told of a change twice, as Debian's smbd tells what inotify has told it too
    std::vector<std::string> works = {"sharing", "locking", "leases", "notify"};
};

// An open of a file: which access it has and which it lets others have (MS-FSA 2.1.5.1.2.2).
struct ShareClaim {
    int client = 0;
    int file = 0;
    uint32_t access = 0, share = 0;
    [[nodiscard]] bool excludes(const ShareClaim& other) const;
};

// A byte-range lock (MS-FSA 2.1.4.10). It belongs to an open: a client that was cut off and is back meets the locks of its former one until
// the server has ended that. Clients do not lock what their open has locked.
struct LockClaim {
    int client = 0;
    uint64_t open = 0;
    uint64_t begin = 0, end = 0;
    bool exclusive = false;
    [[nodiscard]] bool excludes(const LockClaim& other) const {
        return open != other.open && begin < other.end && other.begin < end && (exclusive || other.exclusive);
    }
};

// What a client may cache of a file, as it knows it: what it must be told before others get in its way.
struct LeaseView {
    bool open = false;
    uint32_t state = 0;
    Moment since = 0;         // when the CREATE was answered that gave it
    Monotonic stale_since{};  // not zero: when somebody else wrote what may be cached here, and no break has come since
};

constexpr int sharing_files = 4;
constexpr int lease_files = 8;
constexpr int lock_slots = 16;             // of 8 bytes
constexpr size_t max_faults = 20;          // that are printed
constexpr std::chrono::seconds grace{10};  // until what the server owes must have come

struct World {
    explicit World(const Options& with) : options(with), random(with.seed) {
        for (auto& slot : slots) write_first(slot);
        for (auto& file : lease_values) write_first(file);
    }

    Moment tick() { return ++clock; }
    bool chance(double probability) { return std::uniform_real_distribution<>(0, 1)(random) < probability; }
    int below(int n) { return std::uniform_int_distribution<>(0, n - 1)(random); }
    void fault(const std::string& what);
    void count(const char* what) { counts[what]++; }

    Options options;
    loop::Loop loop;
    std::mt19937_64 random;
    Moment clock = 0;
    uint64_t next_value = 1, next_name = 1, next_open = 1;

    Claims<ShareClaim> opens;
    Claims<LockClaim> locks;
    Register slots[lock_slots];
    std::map<int, LeaseView> leases[lease_files];  // by client
    Register lease_values[lease_files];

    // Reads under way, by client. Those of one that is cut off are never answered.
    Moment read_begins(int client) { return reads_.emplace(client, tick())->second; }
    void read_ends(int client, Moment asked);
    void reads_lost(int client) { reads_.erase(client); }
    // Reads that began earlier have been answered.
    [[nodiscard]] Moment oldest_read() const;

    // Somebody who watches: the changes that are asked for from `since` on are to be told.
    struct Watcher {
        Moment since = never;
        Notices notices;
    };
    std::map<int, Watcher> watchers;
    void changed(const std::string& name, Notices::Kind kind, Moment asked);

    size_t faults = 0;
    std::map<std::string, uint64_t> counts;

 private:
    void write_first(Register& value) {
        value.begins(0, clock);
        value.done(0, clock);
    }

    std::multimap<int, Moment> reads_;
};

}  // namespace Atoll::hammer

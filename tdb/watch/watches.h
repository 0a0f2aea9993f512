// Waiting for a record: a Watch wakes its owner, on the loop, when some process changes the record. Never polling.
//
// Who waits for a record stands in a companion record, in a database apart (watches.tdb), whose key is the name of the record's
// database and the record's key; there is one only while somebody waits. So the watched databases look the same to whoever reads them,
// and a change of a record that nobody watches costs one look into shared memory: no system call, no allocation.
//
// No wake-up is lost, whoever is killed and when:
// - A watch is armed while its record is held, so nothing changes between the look at the record and the watch.
// - A process that is about to change a watched record, and holds it, first enters itself as the waker of all who wait. It sends the
//   wake-ups once it has released the record, and then strikes out whom it has woken.
// - If it is killed on the way its entries stay, and somebody else wakes them: the housekeeper (end_processes), the next process that
//   changes the record, or the next that arms a watch of it. So a wake-up may come though the record has not changed: at most one for
//   each watch and each waker that died.
//
// Every process that changes a watched database must have a Watches that observes it. Waiters are named by ServerId and reached by
// Messaging, so they may be on any node: in a cluster the companion record travels with its record.
//
// Main thread only, in whatever identity it has.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/loop/loop.h"
#include "base/result.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.idl.h"

namespace Atoll::watch {

class Watch;

// Of a record that may be watched: its key in `database`. No copies: it is kept for its capacity.
struct Companion {
    tdb::Database* database = nullptr;
    Buffer key;

    void assign(const Companion& other) {
        database = other.database;
        key.assign(other.key);
    }
    bool operator==(const Companion& other) const {
        return database == other.database && as_text(key.bytes()) == as_text(other.key.bytes());
    }
};

struct Counters {
    uint64_t armed = 0;     // watches armed
    uint64_t woken = 0;     // handlers called because of a change
    uint64_t stale = 0;     // wake-ups that came for a watch that was not armed any more
    uint64_t messages = 0;  // wake-ups sent: one a process and change, however many of its watches it wakes
    uint64_t deferred = 0;  // of them, those that a full queue made wait
    uint64_t finished = 0;  // entries taken over from dead wakers
    uint64_t gone = 0;      // entries struck out because their process had ended
};

class Watches final : private tdb::ChangeObserver {
 public:
    // `companion`: watches.tdb, of rank Rank::watches, shared by all processes. All must outlive this.
    Watches(loop::Loop& loop, messaging::Messaging& messaging, tdb::Database& companion);
    // Every Watch must be gone. Databases are observed no longer.
    ~Watches() override;
    Watches(const Watches&) = delete;
    Watches& operator=(const Watches&) = delete;

    // From now on this process's changes of `database` wake, and its records can be watched. It must live as long as this.
    // `name` is the same in all processes and on all nodes: "locking.tdb". `companion`, of the same rank: where those who wait for its
    // records stand, if not with all others; so nobody looks to other nodes for who waits for what only one node has.
    void observe(tdb::Database& database, std::string_view name, tdb::Database* companion = nullptr);

    // Wakes whom processes that have certainly ended were to wake, and strikes out their own watches. Idempotent; any process may do it.
    // Reads each companion database once, however many they are.
    void end_processes(const messaging::ServerIds& ended);

    [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
    friend class Watch;

    struct Observed {
        tdb::Database* database;
        std::string name;
        tdb::Database* companion;
    };

    // What a process does that changes a record.
    Result<bool> about_to_change(tdb::Database& database, Bytes key) override;
    void released(tdb::Database& database, Bytes key) override;

    // What a Watch does.
    void find(const tdb::LockedRecord& record, Companion& companion) const { find(record.database(), record.key(), companion); }
    Result<void> enter(const Companion& companion, uint64_t watch);
    void strike_out(const Companion& companion, uint64_t watch);
    size_t take_place(Watch& watch);

    void find(const tdb::Database& database, Bytes key, Companion& companion) const;
    static Result<tdb::LockedRecord> fetch_locked(const Companion& companion) { return companion.database->fetch_locked(companion.key); }
    void load(const tdb::LockedRecord& companion);
    Result<void> store(tdb::LockedRecord& companion);
    bool take_over_from_dead(const messaging::ServerIds* known_dead);
    void end_processes_of(tdb::Database& companions, const messaging::ServerIds& ended);
    void end_processes_in(const Companion& companion, const messaging::ServerIds& ended);
    void wake(const Companion& companion);
    void wake_known(const Companion& companion);
    bool wake_process(const waiter* first, const waiter* last);
    void strike_out_woken(const Companion& companion);
    void retry_later(const Companion& companion);
    void retry();
    void woken(Bytes watches);

    messaging::Messaging& messaging_;
    tdb::Database& companion_;
    tdb::server_id self_;
    loop::Timer retry_;
    std::vector<Observed> observed_;
    std::vector<Watch*> places_;         // a watch's place is the low half of its number; nullptr: free
    std::vector<Companion> unfinished_;  // whose waiters could not take a message
    Counters counters_;
    // Scratch, kept for its capacity.
    Companion found_;
    Buffer encoded_, payload_;
    watch_record record_;
    std::vector<waiter> waking_;
    Companion waking_for_;  // that waking_ is of; no key: of none
};

enum class Woken : uint8_t { changed, timed_out };

// One wait for one record, armed again and again for the same record or others; once armed it wakes once. In steady state nothing is
// allocated. May be armed, cancelled and destroyed inside its own handler.
class Watch {
 public:
    using Handler = std::function<void(Woken)>;

    Watch(Watches& watches, loop::Loop& loop, Handler handler);
    ~Watch();  // cancels
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    // Waits for the next change of `record`, which the caller holds and has looked at; it need not exist. An armed watch is cancelled
    // first. If nothing has changed by `deadline` the handler is called with timed_out.
    // Code::no_space: MAX_WAITERS wait for it already, or the disk is full.
    Result<void> arm(const tdb::LockedRecord& record, Monotonic deadline = Monotonic::max());
    // The handler is not called any more until the watch is armed again.
    void cancel();
    [[nodiscard]] bool is_armed() const { return armed_; }

 private:
    friend class Watches;

    [[nodiscard]] uint64_t number() const { return uint64_t{generation_} << 32 | place_; }
    void wake(Woken why);

    Watches& watches_;
    Handler handler_;
    loop::Timer timer_;
    size_t place_;
    uint32_t generation_ = 0;  // counts its arms: wake-ups for former ones are stale
    bool armed_ = false;
    bool* destroyed_ = nullptr;  // while the handler runs
    Companion companion_;
};

}  // namespace Atoll::watch

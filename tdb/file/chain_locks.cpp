#include "tdb/file/chain_locks.h"

#include <fcntl.h>
#include <time.h>

#include <cerrno>

#include "base/limits.h"

namespace Atoll::tdb {

static_assert(sizeof(pthread_mutex_t) == 40 && offsetof(MutexArea, all_mutex) == 168 && offsetof(MutexArea, all_state) == 208 &&
                  offsetof(MutexArea, locks) == 216,
              "the mutex area must be laid out as others do it");

bool lock_bytes(int fd, short type, uint64_t start, uint64_t length, bool wait) {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(start);
    range.l_len = static_cast<off_t>(length);
    // The kernel sees a deadlock where one process upgrades its lock of all chains while another waits for one; it passes by itself.
    for (unsigned tries = 0;; tries++) {
        if (::fcntl(fd, wait ? F_SETLKW : F_SETLK, &range) == 0) return true;
        if (errno == EDEADLK && tries < limits::max_lock_deadlock_retries) {
            const timespec pause{0, 1000000};
            ::nanosleep(&pause, nullptr);
        } else if (errno != EINTR) {
            return false;
        }
    }
}

bool is_locked_by_other(int fd, uint64_t start) {
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(start);
    range.l_len = 1;
    return ::fcntl(fd, F_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

Result<void> init_mutex_area(MutexArea& area, uint32_t hash_size, const std::string& name) {
    pthread_mutexattr_t attributes;
    int outcome = ::pthread_mutexattr_init(&attributes);
    if (outcome == 0) outcome = ::pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    if (outcome == 0) outcome = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (outcome == 0) outcome = ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (outcome == 0) outcome = ::pthread_mutex_init(&area.all_mutex, &attributes);
    area.all_state = F_UNLCK;
    area.settled = 0;
    for (uint64_t i = 0; outcome == 0 && i <= hash_size; i++) outcome = ::pthread_mutex_init(area.locks + i, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
    if (outcome != 0) return fail_errno(outcome, name, "cannot make robust mutexes");
    return {};
}

void ChainLocks::use(const Mapping& mapping, uint32_t hash_size, Kind kind) {
    mapping_ = &mapping;
    hash_size_ = hash_size;
    kind_ = kind;
    area_ = kind == Kind::mutex ? reinterpret_cast<MutexArea*>(mapping.mutex_area()) : nullptr;
}

bool ChainLocks::lock_byte(short type, uint64_t byte, bool wait) const {
    return kind_ == Kind::none || lock_bytes(mapping_->fd(), type, byte, 1, wait);
}

namespace {

#ifdef __SANITIZE_THREAD__
// ThreadSanitizer sees no pthread_mutex_clocklock, and of pthread_mutex_timedlock not that it takes a dead owner's mutex.
int wait_a_while(pthread_mutex_t& mutex) {
    for (long milliseconds = 0; milliseconds < limits::mutex_wait_milliseconds; milliseconds++) {
        const int outcome = ::pthread_mutex_trylock(&mutex);
        if (outcome != EBUSY) return outcome;
        const timespec pause{0, 1000000};
        ::nanosleep(&pause, nullptr);
    }
    return ETIMEDOUT;
}
#else
int wait_a_while(pthread_mutex_t& mutex) {
    timespec until{};
    ::clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += limits::mutex_wait_milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return ::pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until);
}
#endif

}  // namespace

// A wake-up is lost when the waiter that gets it is killed before it takes the mutex and a third process takes it meanwhile: nobody then
// remembers that more are waiting. So nobody waits for a wake-up alone.
int ChainLocks::wait_for_mutex(pthread_mutex_t& mutex) const {
    for (;;) {
        const int outcome = wait_a_while(mutex);
        if (outcome != ETIMEDOUT && outcome != EINTR) return outcome;
        if (outcome == ETIMEDOUT && on_long_wait_) on_long_wait_(std::atomic_ref(mutex.__data.__owner).load(std::memory_order_relaxed));
    }
}

Taken ChainLocks::lock_mutex(pthread_mutex_t& mutex, bool wait) { return settle_mutex(mutex, wait, ::pthread_mutex_trylock(&mutex)); }

// After trying to lock it, with this outcome.
Taken ChainLocks::settle_mutex(pthread_mutex_t& mutex, bool wait, int outcome) {
    if (outcome == EBUSY && wait) outcome = wait_for_mutex(mutex);
    if (outcome == 0) return Taken::yes;
    if (outcome == EOWNERDEAD) {
        ::pthread_mutex_consistent(&mutex);
        return Taken::from_dead;
    }
    if (outcome == EBUSY) return Taken::busy;
    errno = outcome;
    return Taken::failed;
}

// Waits until nobody locks all chains.
Taken ChainLocks::wait_for_all(bool wait) {
    const Taken taken = lock_mutex(area_->all_mutex, wait);
    if (taken == Taken::busy || taken == Taken::failed) return taken;
    // Its owner resets the state before it unlocks: one that is still there says that the owner died. A writer may have died anywhere.
    if (all_state() == F_WRLCK) {
        set_settled(1);  // the whole file is to be repaired, by this process or the next
        if (wait) return Taken::all_from_dead;
        ::pthread_mutex_unlock(&area_->all_mutex);
        return Taken::busy;
    }
    set_settled(0);
    set_all_state(F_UNLCK);
    ::pthread_mutex_unlock(&area_->all_mutex);
    return Taken::yes;
}

Taken ChainLocks::settle_chain_mutex(uint32_t chain, Intent intent, bool wait, int outcome) {
    pthread_mutex_t& mutex = area_->locks[chain + 1];
    for (;;) {
        const Taken taken = settle_mutex(mutex, wait, outcome);
        // Who takes over from a dead owner goes in to repair even while somebody locks all chains, who waits for it: the damage must not be
        // handed on. But not once that is settled: then the dead one has written nothing, and who locks all chains may be writing.
        if (taken != Taken::yes && !(taken == Taken::from_dead && is_settled())) return taken;
        const int16_t all = all_state();
        if (all == F_UNLCK || (all == F_RDLCK && intent == Intent::read)) return Taken::yes;
        ::pthread_mutex_unlock(&mutex);
        const Taken waited = wait_for_all(wait);
        if (waited != Taken::yes) return waited;
        outcome = ::pthread_mutex_trylock(&mutex);
    }
}

Taken ChainLocks::lock_chain_byte_of(uint32_t chain, Intent intent, bool wait) {
    if (kind_ == Kind::none) return Taken::yes;
    const short type = intent == Intent::read ? F_RDLCK : F_WRLCK;
    if (lock_bytes(mapping_->fd(), type, lock_chain_byte(chain), 1, wait)) return Taken::yes;
    return errno == EAGAIN || errno == EACCES ? Taken::busy : Taken::failed;
}

Taken ChainLocks::lock_free_list() {
    if (suspended_) return Taken::yes;
    if (area_) {
        // Once that of all chains is settled only repairers of chains come here, who find nothing to do: who died has done nothing. And the
        // free list must not be rebuilt beside a transaction, which has a copy of it that it will write.
        const Taken taken = lock_mutex(area_->locks[0], true);
        return taken == Taken::from_dead && is_settled() ? Taken::yes : taken;
    }
    return lock_byte(F_WRLCK, lock_free_list_byte, true) ? Taken::yes : Taken::failed;
}

void ChainLocks::unlock_free_list() {
    if (suspended_) return;
    if (area_) {
        ::pthread_mutex_unlock(&area_->locks[0]);
    } else {
        lock_byte(F_UNLCK, lock_free_list_byte, true);
    }
}

// All chains, and behind them the first bytes of records, on which traverses of other programs stand.
Taken ChainLocks::lock_range(short type, bool wait) {
    if (kind_ == Kind::none || lock_bytes(mapping_->fd(), type, lock_chain_byte(0), 0, wait)) return Taken::yes;
    return errno == EAGAIN || errno == EACCES ? Taken::busy : Taken::failed;
}

// Locks and unlocks each chain, so that those who were in have left. Who comes after sees all_state. A mutex that nobody has, nor has died
// with, need not be locked for that: its first word is 0, and whoever changes that looks at all_state afterwards.
Taken ChainLocks::pass_chains(bool wait, FunctionRef<void(uint32_t chain)> repair) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        pthread_mutex_t& mutex = area_->locks[chain + 1];
        if (std::atomic_ref(mutex.__data.__lock).load(std::memory_order_acquire) == 0) continue;
        const Taken held = lock_mutex(mutex, wait);
        if (held == Taken::failed || held == Taken::busy) return held;
        if (held == Taken::from_dead) repair(chain);
        ::pthread_mutex_unlock(&mutex);
    }
    return Taken::yes;
}

Taken ChainLocks::lock_all(Intent intent, bool wait, FunctionRef<void(uint32_t chain)> repair) {
    if (!area_) return lock_range(intent == Intent::read ? F_RDLCK : F_WRLCK, wait);
    const Taken taken = lock_mutex(area_->all_mutex, wait);
    if (taken == Taken::failed || taken == Taken::busy) return taken;
    if (all_state() == F_WRLCK) {
        set_settled(1);
        return Taken::all_from_dead;
    }
    set_settled(0);
    set_all_state(intent == Intent::read ? F_RDLCK : F_WRLCK);
    const Taken passed = pass_chains(wait, repair);
    if (passed != Taken::yes) unlock_all();
    return passed;
}

// Who took a chain from a dead owner before may still be in it, if that one died only after lock_all had passed: it finds nothing to do,
// but must have left before anything is written.
void ChainLocks::settle(Intent intent) {
    if (!area_) return;
    set_settled(1);
    if (intent == Intent::write) wait_for_holders();
}

Taken ChainLocks::upgrade_all() {
    if (!area_) return lock_range(F_WRLCK, true);
    set_all_state(F_WRLCK);
    const Taken passed = pass_chains(true, [](uint32_t) {});
    if (passed != Taken::yes) set_all_state(F_RDLCK);
    return passed;
}

void ChainLocks::wait_for_holders() {
    (void)pass_chains(true, [](uint32_t) {});
}

void ChainLocks::unlock_all() {
    if (area_) {
        set_settled(0);
        set_all_state(F_UNLCK);
        ::pthread_mutex_unlock(&area_->all_mutex);
    } else if (kind_ == Kind::fcntl) {
        lock_bytes(mapping_->fd(), F_UNLCK, lock_chain_byte(0), 0, true);
    }
}

}  // namespace Atoll::tdb

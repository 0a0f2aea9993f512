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
    for (uint64_t i = 0; outcome == 0 && i <= hash_size; i++) outcome = ::pthread_mutex_init(area.locks + i, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
    if (outcome != 0) return fail_errno(outcome, name, "cannot make robust mutexes");
    return {};
}

void ChainLocks::use(const Mapping& mapping, uint32_t hash_size, bool mutexes) {
    mapping_ = &mapping;
    hash_size_ = hash_size;
    area_ = mutexes ? reinterpret_cast<MutexArea*>(mapping.mutex_area()) : nullptr;
}

Taken ChainLocks::lock_mutex(pthread_mutex_t& mutex, bool wait) {
    int outcome;
    do {
        outcome = wait ? ::pthread_mutex_lock(&mutex) : ::pthread_mutex_trylock(&mutex);
    } while (outcome == EINTR);
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
    // Who locks all chains only reads (check), here and in other programs: its death leaves nothing to repair but the state.
    if (taken == Taken::from_dead) std::atomic_ref(area_->all_state).store(F_UNLCK);
    ::pthread_mutex_unlock(&area_->all_mutex);
    return Taken::yes;
}

Taken ChainLocks::lock_chain_mutex(uint32_t chain, Intent intent, bool wait) {
    pthread_mutex_t& mutex = area_->locks[chain + 1];
    for (;;) {
        const Taken taken = lock_mutex(mutex, wait);
        // Who takes over from a dead owner goes in even past a reader of all chains, to repair: the damage must not be handed on.
        if (taken != Taken::yes) return taken;
        const int16_t all = std::atomic_ref(area_->all_state).load(std::memory_order_acquire);
        if (__builtin_expect(all == F_UNLCK, 1) || (all == F_RDLCK && intent == Intent::read)) return Taken::yes;
        ::pthread_mutex_unlock(&mutex);
        const Taken waited = wait_for_all(wait);
        if (waited != Taken::yes) return waited;
    }
}

Taken ChainLocks::lock_chain(uint32_t chain, Intent intent, bool wait) {
    if (area_) return lock_chain_mutex(chain, intent, wait);
    const short type = intent == Intent::read ? F_RDLCK : F_WRLCK;
    if (lock_bytes(mapping_->fd(), type, lock_chain_byte(chain), 1, wait)) return Taken::yes;
    return errno == EAGAIN || errno == EACCES ? Taken::busy : Taken::failed;
}

void ChainLocks::unlock_chain(uint32_t chain) {
    if (area_) {
        ::pthread_mutex_unlock(&area_->locks[chain + 1]);
    } else {
        lock_bytes(mapping_->fd(), F_UNLCK, lock_chain_byte(chain), 1, true);
    }
}

Taken ChainLocks::lock_free_list() {
    if (area_) return lock_mutex(area_->locks[0], true);
    return lock_bytes(mapping_->fd(), F_WRLCK, lock_free_list_byte, 1, true) ? Taken::yes : Taken::failed;
}

void ChainLocks::unlock_free_list() {
    if (area_) {
        ::pthread_mutex_unlock(&area_->locks[0]);
    } else {
        lock_bytes(mapping_->fd(), F_UNLCK, lock_free_list_byte, 1, true);
    }
}

Taken ChainLocks::lock_all_for_reading(FunctionRef<void(uint32_t chain)> repair) {
    if (!area_) {
        if (lock_bytes(mapping_->fd(), F_RDLCK, lock_chain_byte(0), 0, true)) return Taken::yes;
        return Taken::failed;
    }
    const Taken taken = lock_mutex(area_->all_mutex, true);
    if (taken == Taken::failed) return taken;
    std::atomic_ref(area_->all_state).store(F_RDLCK);
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        pthread_mutex_t& mutex = area_->locks[chain + 1];
        const Taken held = lock_mutex(mutex, true);
        if (held == Taken::failed) {
            unlock_all();
            return held;
        }
        if (held == Taken::from_dead) repair(chain);
        ::pthread_mutex_unlock(&mutex);
    }
    return Taken::yes;
}

void ChainLocks::unlock_all() {
    if (!area_) {
        lock_bytes(mapping_->fd(), F_UNLCK, lock_chain_byte(0), 0, true);
        return;
    }
    std::atomic_ref(area_->all_state).store(F_UNLCK);
    ::pthread_mutex_unlock(&area_->all_mutex);
}

}  // namespace Atoll::tdb

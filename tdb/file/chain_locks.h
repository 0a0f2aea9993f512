// The locks inside a TDB file: one for each chain, one for the free list; by fcntl or by robust mutexes in the file.
//
// Order: chains by the rules of tdb/database.h, then the free list, for which nobody waits while holding only it. All chains are locked
// while no chain is held; then neither chains nor the free list are locked any more (suspend()).
// In mutex mode an uncontended lock is no system call. A lock whose owner died while holding it is reported as taken_from_dead: the
// caller repairs what the lock guards before it goes on (docs/formats/tdb.md, "When a process dies").
// fcntl locks of one process do not exclude each other and do not nest: the owner counts its own.
#pragma once

#include <fcntl.h>
#include <pthread.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "base/result.h"
#include "tdb/function_ref.h"
#include "tdb/file/mapping.h"

namespace Atoll::tdb {

enum class Intent : uint8_t { read, write };
enum class Taken : uint8_t {
    yes,
    from_dead,      // repair what the lock guards
    all_from_dead,  // the lock of all chains, for writing, is held instead: its owner died; repair the file and unlock_all()
    busy,
    failed  // errno tells
};

// fcntl on one byte or, with length 0, from there to the end. False with errno set.
bool lock_bytes(int fd, short type, uint64_t start, uint64_t length, bool wait);
// True if another process holds a lock that excludes a write lock of this byte.
bool is_locked_by_other(int fd, uint64_t start);

// The mutex area of a file, after its copy of the FileHeader. The layout is that of glibc's pthread_mutex_t on this architecture.
struct MutexArea {
    FileHeader header;
    pthread_mutex_t all_mutex;  // held by who locks all chains, for as long
    int16_t all_state;          // F_RDLCK, F_WRLCK: somebody locks all chains; F_UNLCK: nobody. F_WRLCK without an owner: the owner died
    int16_t settled;            // 1: whoever locks all chains has repaired what the dead left, or will; others need not, and must not
    int16_t unused[2];
    pthread_mutex_t locks[1];  // the free list, then the chains
};
constexpr uint64_t mutex_area_size(uint32_t hash_size) {
    const uint64_t used = offsetof(MutexArea, locks) + sizeof(pthread_mutex_t) * (uint64_t{hash_size} + 1);
    return (used + 4095) / 4096 * 4096;
}
// Makes every mutex of a zeroed area new.
Result<void> init_mutex_area(MutexArea& area, uint32_t hash_size, const std::string& name);

class ChainLocks {
 public:
    enum class Kind : uint8_t { none, fcntl, mutex };

    void use(const Mapping& mapping, uint32_t hash_size, Kind kind);
    // See FileOptions::on_long_wait.
    void on_long_wait(std::function<void(pid_t thread)> told) { on_long_wait_ = std::move(told); }
    [[nodiscard]] bool mutexes() const { return area_ != nullptr; }

    Taken lock_chain(uint32_t chain, Intent intent, bool wait) {
        if (!area_) return lock_chain_byte_of(chain, intent, wait);
        const int outcome = ::pthread_mutex_trylock(area_->locks + chain + 1);
        if (__builtin_expect(outcome == 0 && all_state() == F_UNLCK, 1)) return Taken::yes;
        return settle_chain_mutex(chain, intent, wait, outcome);
    }
    void unlock_chain(uint32_t chain) {
        if (area_) {
            ::pthread_mutex_unlock(area_->locks + chain + 1);
        } else if (kind_ == Kind::fcntl) {
            lock_bytes(mapping_->fd(), F_UNLCK, lock_chain_byte(chain), 1, true);
        }
    }
    // To be called a little before lock_chain.
    void prefetch_chain(uint32_t chain) const {
        if (!area_) return;
        const auto* mutex = reinterpret_cast<const uint8_t*>(area_->locks + chain + 1);
        __builtin_prefetch(mutex, 1);
        __builtin_prefetch(mutex + sizeof(pthread_mutex_t) - 1, 1);  // half of them lie in two lines
    }
    Taken lock_free_list();
    bool lock_free_list_for_reading() { return suspended_ || lock_byte(F_RDLCK, lock_free_list_byte, true); }
    void unlock_free_list();

    // All chains, once their present holders are done. `repair` is called for a chain whose owner died, with the chain locked.
    Taken lock_all(Intent intent, bool wait, FunctionRef<void(uint32_t chain)> repair);
    // With all chains locked and their owners' damage repaired, that of the free list too: from now on nobody else repairs anything.
    void settle(Intent intent);
    // From reading to writing: waits for those who read. They may have died in a chain meanwhile, and have left nothing.
    Taken upgrade_all();
    // With all_from_dead: waits for those who had a chain when its owner died.
    void wait_for_holders();
    void unlock_all();
    // While true the free list is taken as locked: the caller holds all chains.
    void suspend(bool suspended) { suspended_ = suspended; }

    // Bytes lock_open, lock_active and lock_transaction.
    bool lock_byte(short type, uint64_t byte, bool wait) const;

 private:
    Taken lock_mutex(pthread_mutex_t& mutex, bool wait);
    int wait_for_mutex(pthread_mutex_t& mutex) const;
    Taken settle_mutex(pthread_mutex_t& mutex, bool wait, int outcome);
    Taken settle_chain_mutex(uint32_t chain, Intent intent, bool wait, int outcome);
    Taken lock_chain_byte_of(uint32_t chain, Intent intent, bool wait);
    Taken wait_for_all(bool wait);
    Taken pass_chains(bool wait, FunctionRef<void(uint32_t chain)> repair);
    Taken lock_range(short type, bool wait);
    void set_settled(int16_t settled) { std::atomic_ref(area_->settled).store(settled, std::memory_order_seq_cst); }
    [[nodiscard]] bool is_settled() const {
        return std::atomic_ref(area_->settled).load(std::memory_order_acquire) != 0 && all_state() != F_UNLCK;
    }
    void set_all_state(int16_t state) { std::atomic_ref(area_->all_state).store(state, std::memory_order_seq_cst); }
    [[nodiscard]] int16_t all_state() const { return std::atomic_ref(area_->all_state).load(std::memory_order_acquire); }

    const Mapping* mapping_ = nullptr;
    MutexArea* area_ = nullptr;
    uint32_t hash_size_ = 0;
    Kind kind_ = Kind::none;
    bool suspended_ = false;
    std::function<void(pid_t thread)> on_long_wait_;
};

}  // namespace Atoll::tdb

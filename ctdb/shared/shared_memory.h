// What ctdbd and the node's processes that lock records share besides the records themselves, in a file of run/: the node lease, the gates
// of the slots, the format level, and for each process a place where it notes the records that it has locked, so that ctdbd finds them when
// it dies.
//
// ctdbd writes lease and gates, and a process sees them read-only. Each word is atomic; what belongs together is ordered by the chain lock
// of the record in question (ctdb/core/shared_state.h): a gate is closed before copies are read under their locks, and a process looks at
// the gate under the lock under which it changes the copy.
#pragma once

#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "ctdb/core/shared_state.h"
#include "ctdb/shared/limits.h"

namespace Atoll::ctdb {

// Database and slot of a record that the process has locked, is about to, or waits for: it is written before the record's holder is, and
// taken away after. 0: none.
using Hold = uint64_t;
constexpr Hold make_hold(uint32_t database, Slot slot) { return Hold{database} << 32 | (slot + 1); }
constexpr uint32_t database_of_hold(Hold hold) { return static_cast<uint32_t>(hold >> 32); }
constexpr Slot slot_of_hold(Hold hold) { return static_cast<Slot>(hold & 0xFFFFFFFF) - 1; }

struct ProcessPlace {
    // ctdbd writes both: the process as the kernel names it, and its name as holder of records. 0: its connection has ended, or nobody has
    // the place. A process looks at it each time, so that it locks nothing once its locks have been cleared.
    Shared<uint64_t> pid;
    Shared<Client> client;
    std::array<Shared<Hold>, limits::max_client_holds> holds;
};

class SharedMemory {
 public:
    SharedMemory() = default;
    ~SharedMemory();
    SharedMemory(SharedMemory&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
    SharedMemory& operator=(SharedMemory&& other) noexcept {
        std::swap(memory_, other.memory_);
        return *this;
    }

    // As ctdbd starts. The file of a former one is taken over, its lease ended first: processes that still see it serve no longer. One of
    // another format is replaced, after the same.
    static Result<SharedMemory> create(const std::string& path, uint64_t incarnation);
    // For another process, after ctdbd has told it the path. Code::unsupported: another format.
    static Result<SharedMemory> attach(const std::string& path);
    // For the supervisor, when its ctdbd has ended: lease and places can be written. Code::not_found: there never was any.
    static Result<SharedMemory> take_over(const std::string& path);

    [[nodiscard]] bool mapped() const { return memory_ != nullptr; }
    [[nodiscard]] uint64_t incarnation() const;  // of the ctdbd that writes it
    [[nodiscard]] NodeLease& lease() const;
    [[nodiscard]] Shared<uint32_t>& level() const;  // the format level at which the node writes
    [[nodiscard]] std::span<SlotGate> gates() const;
    [[nodiscard]] std::span<ProcessPlace> places() const;

 private:
    struct Layout;
    explicit SharedMemory(Layout* memory) : memory_(memory) {}
    static Result<SharedMemory> map(const std::string& path, bool writes);

    Layout* memory_ = nullptr;
};

}  // namespace Atoll::ctdb

// FILETIME (MS-DTYP 2.3.3: 100 ns units since 1601-01-01 UTC), its conversion from and to the system's timespec, and the clocks.
#pragma once

#include <ctime>

#include <chrono>
#include <cstdint>

namespace Atoll::inline base {

struct NtTime {
    uint64_t ticks = 0;  // 100 ns since 1601; 0 means "not set"

    auto operator<=>(const NtTime&) const = default;

    // Special values of the times in FILE_BASIC_INFORMATION (MS-FSCC 2.4.7).
    static constexpr uint64_t keep = 0;                         // leave as it is
    static constexpr uint64_t freeze = 0xFFFFFFFFFFFFFFFF;      // -1: stop updating it on this handle
    static constexpr uint64_t thaw = 0xFFFFFFFFFFFFFFFE;        // -2: update it again
    static constexpr uint64_t unix_epoch = 116444736000000000;  // 1970-01-01

    static NtTime now();
    static NtTime from(const timespec& t);  // rounds down to 100 ns; before 1601 becomes 0
    [[nodiscard]] timespec to_timespec() const;
};

using Monotonic = std::chrono::steady_clock::time_point;
inline Monotonic monotonic_now() { return std::chrono::steady_clock::now(); }

}  // namespace Atoll::inline base

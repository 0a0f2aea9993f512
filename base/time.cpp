#include "base/time.h"

namespace Atoll::inline base {
namespace {
constexpr int64_t ticks_per_second = 10'000'000;
constexpr int64_t epoch_seconds = static_cast<int64_t>(NtTime::unix_epoch) / ticks_per_second;
}  // namespace

NtTime NtTime::now() {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return from(t);
}

NtTime NtTime::from(const timespec& t) {
    if (t.tv_sec < -epoch_seconds) return {0};
    constexpr int64_t last_second = INT64_MAX / ticks_per_second - epoch_seconds - 1;
    if (t.tv_sec > last_second) return {static_cast<uint64_t>(INT64_MAX)};
    return {static_cast<uint64_t>((t.tv_sec + epoch_seconds) * ticks_per_second + t.tv_nsec / 100)};
}

timespec NtTime::to_timespec() const {
    const int64_t seconds = static_cast<int64_t>(ticks / ticks_per_second) - epoch_seconds;
    return {.tv_sec = seconds, .tv_nsec = static_cast<long>(ticks % ticks_per_second) * 100};
}

}  // namespace Atoll::inline base

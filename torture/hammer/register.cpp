#include "torture/hammer/register.h"

#include <algorithm>

namespace Atoll::hammer {

void Register::done(uint64_t value, Moment now) {
    for (Write& write : writes_) {
        if (write.value == value) write.done = std::min(write.done, now);
    }
}

void Register::undone(uint64_t value) {
    for (Write& write : writes_) {
        if (write.value == value) write.done = never;
    }
}

bool Register::may_read(uint64_t value, Moment from, Moment to) const {
    const auto found = std::ranges::find(writes_, value, &Write::value);
    if (found == writes_.end() || found->begun > to) return false;
    return std::ranges::none_of(writes_, [&](const Write& other) { return other.begun > found->done && other.done < from; });
}

void Register::forget(Moment oldest_read) {
    Moment newest = 0;  // begin of a write that was done by then
    for (const Write& write : writes_) {
        if (write.done < oldest_read) newest = std::max(newest, write.begun);
    }
    std::erase_if(writes_, [&](const Write& write) { return write.done < newest; });
}

}  // namespace Atoll::hammer

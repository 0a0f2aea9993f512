// MS-FSA 2.1.1.1, Volume.TunnelCacheList: a file that was opened by its 8.3 name and deleted, and is soon made again under that name, gets
// its long name back, so that programs which know only short names keep the long ones. Of this process: its client made both.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "base/utf.h"

namespace Atoll::fsa {

class TunnelCache {
 public:
    // `directory`: any name of it that is the same at both times.
    void add(std::string_view share, std::string_view directory, std::string_view name, std::string_view short_name) {
        Entry& e = entries_[next_++ % entries_.size()];
        e.share = share;
        e.directory = directory;
        e.name = name;
        e.short_name = short_name;
        e.since = Clock::now();
    }
    // The long name, once; "" if there is none.
    std::string take(std::string_view share, std::string_view directory, std::string_view short_name) {
        for (Entry& e : entries_) {
            if (e.name.empty() || Clock::now() - e.since > life || e.share != share || e.directory != directory) continue;
            if (equal_ignoring_case(e.short_name, short_name)) return std::exchange(e.name, {});
        }
        return {};
    }

 private:
    using Clock = std::chrono::steady_clock;
    static constexpr auto life = std::chrono::seconds(15);
    struct Entry {
        std::string share, directory, name, short_name;
        Clock::time_point since;
    };
    std::array<Entry, 8> entries_;
    size_t next_ = 0;
};

}  // namespace Atoll::fsa

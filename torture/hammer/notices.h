// What one watcher of a directory tree must be told: that each name came, and that it went, once each and in time.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "base/time.h"

namespace Atoll::hammer {

class Notices {
 public:
    enum class Kind { added, removed };

    // The change has happened, while the watcher was watching.
    void expect(const std::string& name, Kind kind, Monotonic deadline);
    // "": fine; else what is wrong with it (told twice). What is told before expect() counts too: answers overtake each other.
    std::string told(const std::string& name, Kind kind);
    // The server said that it could not tell all.
    void overflowed() { owed_.clear(); }
    // The first thing that should have been told by now, or "".
    [[nodiscard]] std::string overdue(Monotonic now) const;
    [[nodiscard]] bool complete() const { return owed_.empty(); }
    void clear();

 private:
    using Change = std::pair<std::string, Kind>;
    std::set<Change> told_;
    std::map<Change, Monotonic> owed_;  // until when
};

}  // namespace Atoll::hammer

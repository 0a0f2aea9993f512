#include "torture/hammer/notices.h"

#include <algorithm>

namespace Atoll::hammer {

namespace {
const char* text(Notices::Kind kind) { return kind == Notices::Kind::added ? "ADDED " : "REMOVED "; }
}  // namespace

void Notices::expect(const std::string& name, Kind kind, Monotonic deadline) {
    Change& change = changes_[{name, kind}];
    change.expected = true;
    change.deadline = deadline;
}

std::string Notices::told(const std::string& name, Kind kind) {
    Change& change = changes_[{name, kind}];
    if (change.told) return text(kind) + name + " was told twice";
    change.told = true;
    return {};
}

void Notices::overflowed() {
    for (auto& [key, change] : changes_) change.excused = true;
}

std::string Notices::overdue(Monotonic now) const {
    for (const auto& [key, change] : changes_) {
        if (change.expected && !change.told && !change.excused && change.deadline < now) return text(key.second) + key.first;
    }
    return {};
}

bool Notices::complete() const {
    return std::ranges::all_of(changes_,
                               [](const auto& entry) { return !entry.second.expected || entry.second.told || entry.second.excused; });
}

}  // namespace Atoll::hammer

#include "torture/hammer/notices.h"

namespace Atoll::hammer {

namespace {
const char* text(Notices::Kind kind) { return kind == Notices::Kind::added ? "ADDED " : "REMOVED "; }
}  // namespace

void Notices::expect(const std::string& name, Kind kind, Monotonic deadline) {
    const Change change{name, kind};
    if (!told_.contains(change)) owed_[change] = deadline;
}

std::string Notices::told(const std::string& name, Kind kind) {
    const Change change{name, kind};
    owed_.erase(change);
    return told_.insert(change).second ? "" : text(kind) + name + " was told twice";
}

std::string Notices::overdue(Monotonic now) const {
    for (const auto& [change, deadline] : owed_) {
        if (deadline < now) return text(change.second) + change.first;
    }
    return {};
}

void Notices::clear() {
    told_.clear();
    owed_.clear();
}

}  // namespace Atoll::hammer

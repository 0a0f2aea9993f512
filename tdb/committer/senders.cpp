#include "tdb/committer/senders.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"

namespace Atoll::committer {
namespace {

constexpr size_t max_senders = 2 * size_t{limits::max_client_processes};
// After it a sender that has not come back has given up.
constexpr auto return_time = 2 * std::chrono::seconds(limits::committer_patience_seconds);

bool has_ended(uint32_t pid) { return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

}  // namespace

Result<void> Senders::load(Bytes name, Bytes state) {
    Guid guid;
    if (name.size() != guid.bytes.size()) return fail(Code::corrupt, senders_database, "a key is no sender's name");
    std::copy(name.begin(), name.end(), guid.bytes.begin());
    Sender sender;
    if (auto decoded = decode(state, sender.state); !decoded) return decoded;
    sender.arrived = sender.state.decided;
    sender.left = monotonic_now();
    all_.emplace(guid, std::move(sender));
    return {};
}

bool Senders::enter(const Guid& name, pid_t pid, uint64_t answered) {
    const auto found = all_.find(name);
    if (found == all_.end()) {
        if (all_.size() >= max_senders) return false;
        Sender sender;
        sender.state.pid = static_cast<uint32_t>(pid);
        sender.state.decided = sender.arrived = answered;
        sender.is_here = true;
        all_.emplace(name, std::move(sender));
        return true;
    }
    Sender& sender = found->second;
    if (sender.is_here || sender.state.pid != static_cast<uint32_t>(pid) || answered > sender.state.decided) return false;
    sender.is_here = true;
    sender.arrived = sender.state.decided;
    return true;
}

void Senders::leave(const Guid& name) {
    const auto found = all_.find(name);
    ATOLL_ASSERT(found != all_.end());
    found->second.is_here = false;
    found->second.left = monotonic_now();
}

Senders::Known Senders::recall(const Guid& name, const batch& arrived, answer& out) {
    const auto found = all_.find(name);
    ATOLL_ASSERT(found != all_.end() && found->second.is_here);
    Sender& sender = found->second;
    if (arrived.answered >= arrived.number || arrived.number - arrived.answered > MAX_UNANSWERED) return Known::out_of_order;
    if (arrived.number <= sender.state.decided) {
        for (const answer& former : sender.state.answers) {
            if (former.number != arrived.number) continue;
            out = former;
            return Known::decided;
        }
        return Known::out_of_order;
    }
    if (arrived.number != sender.arrived + 1) return Known::out_of_order;
    sender.arrived = arrived.number;
    return Known::is_new;
}

void Senders::note(const Pending& pending) {
    sender_state& state = all_.at(pending.sender).state;
    ATOLL_ASSERT(pending.request.number == state.decided + 1);
    state.decided = pending.request.number;
    std::erase_if(state.answers, [&](const answer& former) { return former.number <= pending.request.answered; });
    state.answers.push_back(pending.reply);
    ATOLL_ASSERT(state.answers.size() <= MAX_UNANSWERED);
}

void Senders::unnote(const Pending& pending) {
    sender_state& state = all_.at(pending.sender).state;
    ATOLL_ASSERT(pending.request.number == state.decided && !state.answers.empty());
    state.decided--;
    state.answers.pop_back();
}

std::vector<Guid> Senders::gone() const {
    std::vector<Guid> out;
    const Monotonic now = monotonic_now();
    for (const auto& [name, sender] : all_) {
        if (!sender.is_here && (has_ended(sender.state.pid) || now - sender.left > return_time)) out.push_back(name);
    }
    return out;
}

}  // namespace Atoll::committer

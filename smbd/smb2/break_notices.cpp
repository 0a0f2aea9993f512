#include "smbd/smb2/break_notices.h"

#include <algorithm>

#include "base/log.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/limits.h"

namespace Atoll::smb2 {

BreakNotices::BreakNotices(Client& client) : client_(client), timer_(client.loop(), [this] { tick(); }) {}

// The oldest that has not been tried. Null: none is left.
Connection* BreakNotices::choose(const BreakNotice& notice) const {
    for (const auto& connection : client_.connections()) {
        bool theirs =
            notice.session ? connection->sessions.contains(notice.session->id) : connection->channel().client_guid == notice.client;
        if (notice.sealer) theirs = theirs && connection->sessions.contains(notice.sealer->id);
        if (theirs && !connection->ended() && std::ranges::find(notice.tried, connection->id()) == notice.tried.end())
            return connection.get();
    }
    return nullptr;
}

bool BreakNotices::try_next(BreakNotice& notice) {
    Connection* connection = choose(notice);
    if (connection == nullptr) return false;
    notice.tried.push_back(connection->id());
    notice.sent = monotonic_now();
    Reply* reply = connection->get_reply();
    reply->out().append(notice.message);
    connection->notify(*reply, notice.sealer.get());
    return true;
}

bool BreakNotices::send(BreakNotice notice) {
    notice.began = monotonic_now();
    if (!try_next(notice)) return false;
    if (unsettled_.size() >= limits::max_unsettled_breaks) return true;
    unsettled_.push_back(std::move(notice));
    if (!timer_.is_set()) timer_.set_in(tick_interval);
    return true;
}

void BreakNotices::connection_ended(const Connection& connection) {
    std::erase_if(unsettled_, [&](BreakNotice& notice) { return notice.tried.back() == connection.id() && !try_next(notice); });
}

// The peer has it: what it makes of it is its own business, and fsa's time-out's.
bool BreakNotices::is_settled(BreakNotice& notice) {
    const auto& all = client_.connections();
    const auto connection = std::ranges::find_if(all, [&](const auto& one) { return one->id() == notice.tried.back(); });
    if (connection != all.end() && !(*connection)->ended()) {
        if ((*connection)->unacknowledged() == 0) return true;
        if (monotonic_now() - notice.sent < patience) return false;
    }
    if (try_next(notice)) {
        log_info("a break is sent again on another channel");
    } else if (monotonic_now() - notice.began >= last_patience) {
        end_silent(notice);
    }
    return false;
}

// Whose peers are there, but too busy for the break, have until fsa's time-out.
void BreakNotices::end_silent(const BreakNotice& notice) {
    for (const auto& connection : client_.connections()) {
        const bool tried = std::ranges::find(notice.tried, connection->id()) != notice.tried.end();
        if (!tried || connection->ended() || connection->unacknowledged() == 0 || connection->silence() < patience) continue;
        connection->close("its client cannot be told of a break");
    }
}

void BreakNotices::tick() {
    std::erase_if(unsettled_, [this](BreakNotice& notice) { return is_settled(notice); });
    if (!unsettled_.empty()) timer_.set_in(tick_interval);
}

}  // namespace Atoll::smb2

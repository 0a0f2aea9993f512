#include "smbd/smb2/previous_session.h"

#include <array>
#include <chrono>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/xsrv/message_types.h"

namespace Atoll::smb2 {

PreviousSession::PreviousSession(Request& request, uint64_t session_id, const messaging::ServerId& holder)
    : request_(request),
      session_id_(session_id),
      deadline_(monotonic_now() + std::chrono::seconds(limits::previous_session_timeout_seconds)),
      watch_(request.connection().client().tables().watches(), request.connection().client().loop(), [this](watch::Woken why) {
          loop::take_root();
          if (why == watch::Woken::timed_out) log_warning("the previous session of a client does not end");
          if (why == watch::Woken::timed_out || !wait()) done();
      }) {
    if (!wait()) return;
    std::array<uint8_t, 8> payload;
    store_le(payload.data(), session_id);
    const auto told = request.connection().client().messaging().send(holder, xsrv::message_end_session, payload);
    // Of a process that has died the housekeeper ends the sessions.
    if (!told) log_info("{}", told.error().message());
}

bool PreviousSession::wait() {
    const auto waits = request_.connection().client().tables().watch_session(session_id_, watch_, deadline_);
    if (!waits) log_error("{}", waits.error().message());
    return waits && *waits;
}

// The request's completion ends this object.
void PreviousSession::done() {
    watch_.cancel();
    Request& request = request_;
    auto& waiting = request.connection().previous_sessions;
    std::erase_if(waiting, [this](const auto& one) { return one.get() == this; });
    request.abandon = nullptr;
    request.complete(NtStatus::SUCCESS);
}

namespace {

void abandon(Request& request) { static_cast<PreviousSession*>(request.context)->give_up(); }

}  // namespace

NtStatus end_previous_session(Request& request, uint64_t previous_id) {
    if (previous_id == 0 || previous_id == request.session->id) return NtStatus::SUCCESS;
    Client& client = request.connection().client();
    const auto holder = client.tables().find_session(previous_id);
    if (!holder || holder->user != request.session->token.user_sid) return NtStatus::SUCCESS;
    if (client.end_session(previous_id)) return NtStatus::SUCCESS;
    auto previous = std::make_unique<PreviousSession>(request, previous_id, holder->process);
    if (!previous->waits()) return NtStatus::SUCCESS;
    request.context = previous.get();
    request.abandon = abandon;
    request.connection().previous_sessions.push_back(std::move(previous));
    return NtStatus::PENDING;
}

}  // namespace Atoll::smb2

#include "smbd/server/preauth_connection.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/handover.h"

namespace Atoll::server {

namespace {

constexpr size_t transport_header = 4;
constexpr size_t max_received = limits::max_preauth_frame + transport_header;

}  // namespace

PreauthConnection::PreauthConnection(PreauthHost& host, UniqueFd socket, smb2::ChannelState channel)
    : host_(host),
      socket_(std::move(socket)),
      session_(host.policy(), std::move(channel)),
      watch_(host.loop(), socket_.get(), [this] { readable(); }),
      deadline_(host.loop(), [this] { end("the log-on took too long"); }),
      answer_(host.loop(), [this] { ask_again(); }) {}

void PreauthConnection::start() {
    deadline_.set_in(std::chrono::seconds(limits::preauth_timeout_seconds));
    watch_.watch_read(true);
}

void PreauthConnection::end(const char* reason) {
    if (state_ == State::ended) return;
    state_ = State::ended;
    watch_.watch_read(false);
    host_.end(*this, reason);
}

void PreauthConnection::readable() {
    const size_t held = received_.size();
    received_.reserve(max_received);
    received_.resize(max_received);
    const ssize_t n = recv(socket_.get(), received_.data() + held, max_received - held, MSG_DONTWAIT);
    const int error = errno;
    received_.resize(held + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n == 0) return end("closed by the client");
    if (n < 0) {
        if (error != EAGAIN && error != EINTR) end(strerror(error));
        return;
    }
    take_frames();
}

void PreauthConnection::consume(size_t n) {
    std::memmove(received_.data(), received_.data() + n, received_.size() - n);
    received_.resize(received_.size() - n);
}

void PreauthConnection::take_frames() {
    while (state_ == State::reading) {
        const FramePeek found = peek_frame(received_, session_.channel().netbios);
        if (found.kind == FramePeek::Kind::incomplete) break;
        if (!take(found)) return;
        if (state_ == State::reading) consume(found.size);
    }
    // What comes while authd is asked stays in the kernel.
    if (state_ != State::ended) watch_.watch_read(state_ == State::reading);
}

bool PreauthConnection::take(const FramePeek& found) {
    switch (found.kind) {
        case FramePeek::Kind::keep_alive: return true;
        case FramePeek::Kind::session_request: return take_session_request(found.frame);
        case FramePeek::Kind::message: frame_size_ = found.size; return take_message(found.frame);
        default: end("not a frame"); return false;
    }
}

bool PreauthConnection::take_session_request(Bytes names) {
    const SessionAnswer answer = answer_to(names);
    if (!send(answer.response, false)) return false;
    if (!answer.positive) end("a session request without two names");
    return answer.positive;
}

bool PreauthConnection::take_message(Bytes frame) {
    response_.clear();
    const PreauthSession::Action action = session_.take(frame, response_);
    switch (action) {
        case PreauthSession::Action::respond: return response_.empty() || send(response_, true);
        case PreauthSession::Action::verify:
        case PreauthSession::Action::bind:
            binds_ = action == PreauthSession::Action::bind;
            frame_.assign(frame);
            attempts_ = 0;
            ask();
            return state_ != State::ended;
        case PreauthSession::Action::end: break;
    }
    end("a message that may not come before log-on");
    return false;
}

// A client that does not even take the few answers before log-on is none worth keeping.
bool PreauthConnection::send(Bytes message, bool with_header) {
    uint8_t header[transport_header];
    store_be32(header, static_cast<uint32_t>(message.size()));
    iovec parts[2] = {{header, with_header ? sizeof header : 0}, {const_cast<uint8_t*>(message.data()), message.size()}};
    msghdr out{};
    out.msg_iov = parts;
    out.msg_iovlen = 2;
    const ssize_t n = sendmsg(socket_.get(), &out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == static_cast<ssize_t>(parts[0].iov_len + parts[1].iov_len)) return true;
    end("the client does not take its answers");
    return false;
}

void PreauthConnection::ask() {
    state_ = State::verifying;
    ++attempts_;
    answer_.set_in(send_question() ? std::chrono::seconds(limits::handover_timeout_seconds) : std::chrono::seconds(1));
}

bool PreauthConnection::send_question() {
    if (binds_) return host_.ask_for_holder(*this, session_.bound_session_id());
    verify_request request;
    request.session_id = session_.session_id();
    request.dialect = session_.channel().dialect;
    request.client_guid = session_.channel().client_guid;
    request.peer_address = session_.channel().peer_address;
    request.proof = session_.proof();
    return host_.ask(*this, std::move(request));
}

void PreauthConnection::ask_again() {
    taker_watch_.reset();
    taker_.close();
    answer_.cancel();
    if (attempts_ >= limits::max_handover_attempts) return end("nobody takes the client");
    ask();
}

void PreauthConnection::verified(NtStatus status, UniqueFd taker, const auth::LogonContinuation* continuation) {
    if (state_ != State::verifying) return;
    answer_.cancel();
    if (status == NtStatus::SUCCESS && taker) {
        taker_ = PacketSocket(std::move(taker));
        return hand_over();
    }
    if (continuation == nullptr) return refused(is_error(status) ? status : NtStatus::INSUFFICIENT_RESOURCES);
    response_.clear();
    session_.go_on(*continuation, response_);
    respond();
}

void PreauthConnection::refused(NtStatus status) {
    response_.clear();
    if (binds_) {
        session_.refuse_binding(status, response_);
    } else {
        session_.refuse(status, response_);
    }
    respond();
}

// The client's turn.
void PreauthConnection::respond() {
    frame_.clear();
    state_ = State::reading;
    if (!send(response_, true)) return;
    consume(frame_size_);
    take_frames();
}

void PreauthConnection::hand_over() {
    state_ = State::handing_over;
    channel_handover record;
    record.channel = to_record(session_.channel());
    if (!binds_) record.session_preauth_hash = session_.session_preauth_hash();
    record.frame.assign(frame_.bytes().begin(), frame_.bytes().end());
    const Bytes unread = received_.bytes().subspan(frame_size_);
    record.unread.assign(unread.begin(), unread.end());
    const int client = socket_.get();
    const auto sent = taker_.send(PacketKind::handover, encode_record(record), {&client, 1});
    if (!sent) {
        log_warning("{}: cannot hand over: {}", peer(), sent.error().text);
        return ask_again();
    }
    answer_.set_in(std::chrono::seconds(limits::handover_timeout_seconds));
    taker_watch_.emplace(host_.loop(), taker_.fd(), [this] { taker_spoke(); });
    taker_watch_->watch_read(true);
}

void PreauthConnection::taker_spoke() {
    Packet packet;
    const auto received = taker_.receive(packet);
    if (received == PacketSocket::Received::nothing) return;
    if (received == PacketSocket::Received::packet && packet.kind == PacketKind::taken) return end("handed over");
    if (received == PacketSocket::Received::packet && packet.kind == PacketKind::refused && binds_) return binding_refused(packet);
    log_notice("{}: the process that was to take the client has not", peer());
    ask_again();
}

void PreauthConnection::binding_refused(const Packet& packet) {
    bind_refusal refusal;
    const bool known = bool(decode(packet.payload, refusal)) && is_error(nt_status(refusal.status));
    taker_watch_.reset();
    taker_.close();
    answer_.cancel();
    refused(known ? nt_status(refusal.status) : NtStatus::INSUFFICIENT_RESOURCES);
}

}  // namespace Atoll::server

#include "torture/bench/connection.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/limits.h"

namespace Atoll::bench {

namespace {

constexpr size_t transport_header = 4;
constexpr size_t receive_capacity = 512 * 1024;
constexpr unsigned large_sample = 8;  // of signed large frames, one in so many is verified: the generator must not be what is measured

Failure<Error> broken(std::string text) { return fail(Code::io, "smbbench", std::move(text)); }

}  // namespace

Connection::Connection(const Target& target) : target_(target) { in_.reserve(receive_capacity); }

Result<void> Connection::connect_socket() {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target_.port);
    if (inet_pton(AF_INET, target_.host.c_str(), &address.sin_addr) != 1) return broken("not an IPv4 address: " + target_.host);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, "smbbench", "connect");
    const int on = 1;
    setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return {};
}

// --- Requests

void Connection::begin_frame() {
    frame_at_ = out_.size();
    out_.append_zeros(transport_header + (sealer_ ? smb::TransformHeader::size : 0));
    frame_payload_ = {};
    message_at_ = 0;
}

ByteWriter& Connection::begin_message(smb::Command command, uint16_t charge, bool related) {
    if (message_at_ != 0) {  // the one before gets its NextCommand, and ends on a multiple of 8 (MS-SMB2 2.2.1)
        const size_t size = out_.size() - message_at_;
        out_.append_zeros((8 - size % 8) % 8);
        store_le<uint32_t>(out_.data() + message_at_ + 20, static_cast<uint32_t>(out_.size() - message_at_));
        sign();
    }
    message_at_ = out_.size();
    message_id_ = next_message_id_;
    next_message_id_ += charge;
    ATOLL_ASSERT(credits_ >= charge);
    credits_ -= charge;
    smb::Header header;
    header.command = command;
    header.credit_charge = charge;
    header.credits = static_cast<uint16_t>(std::min<size_t>(charge + (credits_ < wanted_credits_ ? wanted_credits_ - credits_ : 0), 8192));
    header.message_id = message_id_;
    header.session_id = session_id_;
    header.tree_id = tree_id_;
    if (related) header.flags |= smb::header_flags::related_operations;
    if ((sign_all_ || sign_next_) && !sealer_) header.flags |= smb::header_flags::is_signed;
    counters_.requests[static_cast<size_t>(command)]++;
    writer_.emplace(out_);
    header.encode(*writer_);
    return *writer_;
}

void Connection::end_message(Bytes payload) {
    if (sealer_ && !payload.empty()) {
        out_.append(payload);
        payload = {};
    }
    frame_payload_ = payload;
}

// When nothing of the message changes any more: its padding and NextCommand are covered.
void Connection::sign() {
    if ((!sign_all_ && !sign_next_) || sealer_) return;
    const Bytes rest[] = {frame_payload_};
    signer_->sign(out_.mutable_bytes().subspan(message_at_), std::span<const Bytes>(rest, frame_payload_.empty() ? 0 : 1));
}

void Connection::end_frame() {
    sign();
    if (sealer_) {
        const std::span<uint8_t, smb::TransformHeader::size> header(out_.data() + frame_at_ + transport_header, smb::TransformHeader::size);
        const MutableBytes parts[] = {out_.mutable_bytes().subspan(frame_at_ + transport_header + smb::TransformHeader::size)};
        sealer_->seal(header, parts);
    }
    const size_t size = out_.size() - frame_at_ - transport_header + frame_payload_.size();
    ATOLL_ASSERT(size <= limits::max_frame);
    store_be32(out_.data() + frame_at_, static_cast<uint32_t>(size));
    if (!frame_payload_.empty()) payloads_.push_back({out_.size(), frame_payload_});
    sign_next_ = false;
}

Result<void> Connection::flush() {
    pieces_.clear();
    size_t at = 0;
    const auto add = [&](const uint8_t* data, size_t size) { pieces_.push_back({const_cast<uint8_t*>(data), size}); };
    for (const Payload& payload : payloads_) {
        add(out_.data() + at, payload.at - at);
        add(payload.bytes.data(), payload.bytes.size());
        at = payload.at;
    }
    if (at < out_.size()) add(out_.data() + at, out_.size() - at);
    for (size_t first = 0; first < pieces_.size();) {
        msghdr message{};
        message.msg_iov = &pieces_[first];
        message.msg_iovlen = std::min<size_t>(pieces_.size() - first, 64);
        const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return fail_errno(errno, "smbbench", "send");
        auto left = static_cast<size_t>(sent);
        while (first < pieces_.size() && left >= pieces_[first].iov_len) left -= pieces_[first++].iov_len;
        if (left > 0) {
            pieces_[first].iov_base = static_cast<uint8_t*>(pieces_[first].iov_base) + left;
            pieces_[first].iov_len -= left;
        }
    }
    out_.clear();
    payloads_.clear();
    return {};
}

// --- Responses

Result<void> Connection::receive() {
    if (in_at_ > 0) {  // what is left of the last receive moves to the front
        const size_t left = in_.size() - in_at_;
        std::memmove(in_.data(), in_.data() + in_at_, left);
        in_.resize(left);
        in_at_ = 0;
    }
    const size_t old = in_.size();
    in_.resize(old + std::min(chunk_, receive_capacity - old));
    ssize_t got = 0;
    do {
        got = ::recv(socket_.get(), in_.data() + old, in_.size() - old, 0);
    } while (got < 0 && errno == EINTR);
    in_.resize(old + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got < 0) return fail_errno(errno, "smbbench", "receive");
    if (got == 0) return broken("the server closed the connection");
    return {};
}

Result<Bytes> Connection::take() {
    const size_t there = in_.size() - in_at_;
    if (there < transport_header) return Bytes();
    const size_t size = load_be32(in_.data() + in_at_) & 0xFFFFFF;
    const bool large = transport_header + size > chunk_;
    if (there < transport_header + size && !large) return Bytes();
    MutableBytes frame;
    if (large) {
        auto whole = take_large(size);
        if (!whole) return whole.failure();
        frame = large_.mutable_bytes();
    } else {
        frame = in_.mutable_bytes().subspan(in_at_ + transport_header, size);
        in_at_ += transport_header + size;
    }
    if (opener_ && smb::frame_kind(frame) == smb::FrameKind::transform) {
        auto plain = opener_->open(frame);
        if (!plain) return broken("a response cannot be decrypted");
        return Bytes(*plain);
    }
    if (auto r = check(frame, large); !r) return r.failure();
    return Bytes(frame);
}

// A frame that is larger than what is received at once: its rest is received straight into its own buffer.
Result<Bytes> Connection::take_large(size_t size) {
    const size_t there = std::min(in_.size() - in_at_ - transport_header, size);
    large_.resize(size);
    std::memcpy(large_.data(), in_.data() + in_at_ + transport_header, there);
    in_at_ += transport_header + there;
    for (size_t at = there; at < size;) {
        const ssize_t got = ::recv(socket_.get(), large_.data() + at, size - at, MSG_WAITALL);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return broken("the server closed the connection inside a frame");
        at += static_cast<size_t>(got);
    }
    return Bytes(large_);
}

// What is not encrypted must be signed if the session is: of the large ones a sample is verified.
Result<void> Connection::check(Bytes frame, bool large) {
    if (sealer_) return broken("a plain response on a sealed session");
    if (!sign_all_ || !logged_on_) return {};
    if (large && ++large_frames_ % large_sample != 0) return {};
    smb::CompoundReader reader(frame);
    while (const auto part = reader.next()) {
        if (part->header.status == NtStatus::PENDING && part->header.is_async()) continue;
        if (!signer_->verify(part->message)) return broken("a response's signature is wrong");
    }
    return {};
}

void Connection::account(const smb::Header& header) {
    credits_ += header.credits;
    if (header.status == NtStatus::PENDING && header.is_async())
        counters_.interim++;
    else
        counters_.responses++;
}

Result<Bytes> Connection::call(smb::Header& header) {
    if (auto r = flush(); !r) return r.failure();
    for (;;) {
        auto frame = take();
        if (!frame) return frame.failure();
        if (frame->empty()) {
            if (auto r = receive(); !r) return r.failure();
            continue;
        }
        auto decoded = smb::Header::decode(*frame);
        if (!decoded) return broken("a response without a header");
        header = *decoded;
        account(header);
        if (header.status == NtStatus::PENDING && header.is_async()) continue;
        return *frame;
    }
}

}  // namespace Atoll::bench

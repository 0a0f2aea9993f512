#include "libcli/client/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "libcli/client/session.h"

namespace Atoll::client {

namespace {

constexpr size_t transport_header_size = 4;
constexpr size_t receive_step = 256 * 1024;
constexpr uint64_t unsolicited_id = ~uint64_t{0};  // of OPLOCK_BREAK notifications (MS-SMB2 2.2.23)

struct AddressList {
    addrinfo* first = nullptr;
    AddressList() = default;
    AddressList(const AddressList&) = delete;
    AddressList& operator=(const AddressList&) = delete;
    ~AddressList() {
        if (first != nullptr) freeaddrinfo(first);
    }
};

// A connected, non-blocking socket, or the errno of the failure.
Result<UniqueFd, int> connect_to(const addrinfo& address, int timeout_ms) {
    UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return errno;
    if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
        if (errno != EINPROGRESS) return errno;
        pollfd p{fd.get(), POLLOUT, 0};
        if (::poll(&p, 1, timeout_ms) <= 0) return ETIMEDOUT;
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
        if (error != 0) return error;
    }
    const int on = 1;
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(loop::Loop& loop, const std::string& host, uint16_t port,
                                                     std::chrono::milliseconds timeout) {
    const std::string where = host + ":" + std::to_string(port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    AddressList list;
    if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list.first); error != 0) {
        return fail(Code::not_found, where, gai_strerror(error));
    }
    int last_error = ENOENT;
    for (const addrinfo* a = list.first; a != nullptr; a = a->ai_next) {
        auto fd = connect_to(*a, static_cast<int>(timeout.count()));
        if (fd) return std::make_unique<Connection>(loop, std::move(*fd));
        last_error = fd.error();
    }
    return fail_errno(last_error, where, "cannot connect");
}

Connection::Connection(loop::Loop& loop, UniqueFd socket) : loop_(loop), socket_(std::move(socket)) {
    watch_ = std::make_unique<loop::FdWatch>(
        loop_, socket_.get(), [this] { readable(); }, [this] { flush(); });
    watch_->watch_read(true);
}

Connection::~Connection() { close(); }

uint16_t Connection::local_port() const {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (!socket_ || ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
    if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    return address.ss_family == AF_INET ? ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port) : uint16_t{0};
}

void Connection::close() {
    if (!socket_) return;
    watch_.reset();
    socket_.reset();
    auto unsent = std::exchange(waiting_, {});
    auto open = std::exchange(exchanges_, {});
    for (auto& compound : unsent) {
        for (auto& part : compound->parts_) part.exchange->complete(NtStatus::CONNECTION_DISCONNECTED);
    }
    for (auto& [id, exchange] : open) {
        if (!exchange->done_) exchange->complete(NtStatus::CONNECTION_DISCONNECTED);
    }
}

Session* Connection::find_session(uint64_t id) const {
    auto it = sessions_.find(id);
    return it == sessions_.end() ? nullptr : it->second;
}

bool Connection::wait_until(const std::function<bool()>& condition, std::chrono::milliseconds timeout) {
    const Monotonic deadline = monotonic_now() + timeout;
    while (!condition()) {
        if (!loop_.run_once(deadline)) return condition();
    }
    return true;
}

NtStatus Connection::wait(const ExchangePtr& exchange) { return wait(exchange, timeout_); }

NtStatus Connection::wait(const ExchangePtr& exchange, std::chrono::milliseconds timeout) {
    if (!wait_until([&] { return exchange->done(); }, timeout)) return NtStatus::IO_TIMEOUT;
    return exchange->status();
}

void Connection::send_bytes(Bytes bytes) {
    if (!socket_) return;
    outgoing_.append(bytes);
    flush();
}

void Connection::send_frame(Bytes frame) {
    uint8_t length[transport_header_size];
    store_be32(length, static_cast<uint32_t>(frame.size()));
    outgoing_.append(length);
    send_bytes(frame);
}

void Connection::flush() {
    while (socket_ && sent_ < outgoing_.size()) {
        const ssize_t n = ::send(socket_.get(), outgoing_.data() + sent_, outgoing_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) {
                watch_->watch_write(true);
                return;
            }
            // What the server still had to say is read before the connection counts as ended.
            watch_->watch_write(false);
            outgoing_.clear();
            sent_ = 0;
            return;
        }
        sent_ += static_cast<size_t>(n);
    }
    if (!socket_) return;
    watch_->watch_write(false);
    outgoing_.clear();
    sent_ = 0;
}

void Connection::readable() {
    const size_t old = received_.size();
    MutableBytes room = received_.extend(receive_step);
    const ssize_t n = ::recv(socket_.get(), room.data(), room.size(), 0);
    received_.resize(old + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close();
        return;
    }
    take_frames();
}

void Connection::take_frames() {
    size_t at = 0;
    while (received_.size() - at >= transport_header_size) {
        const size_t length = load_be32(received_.data() + at);
        if (length > limits::max_frame) {
            close();
            return;
        }
        if (received_.size() - at - transport_header_size < length) break;
        take_frame(received_.mutable_bytes().subspan(at + transport_header_size, length));
        if (!socket_) return;
        at += transport_header_size + length;
    }
    const size_t rest = received_.size() - at;
    if (at > 0 && rest > 0) std::memmove(received_.data(), received_.data() + at, rest);
    received_.resize(rest);
}

void Connection::take_frame(MutableBytes frame) {
    if (on_frame) on_frame(frame);
    if (smb::frame_kind(frame) != smb::FrameKind::transform) {
        take_messages(frame, false);
        return;
    }
    auto header = smb::TransformHeader::decode(frame);
    Session* session = header ? find_session(header->session_id) : nullptr;
    if (session == nullptr || session->opener() == nullptr) {
        close();
        return;
    }
    auto plain = session->opener()->open(frame);
    if (!plain) {
        close();  // MS-SMB2 3.2.5.1.1.1
        return;
    }
    take_messages(*plain, true);
}

void Connection::take_messages(MutableBytes frame, bool sealed) {
    smb::CompoundReader reader(frame);
    while (auto part = reader.next()) {
        take_message(part->header, part->message, sealed);
        if (!socket_) return;
    }
    if (reader.malformed()) close();
}

NtStatus Connection::verify(const smb::Header& header, Bytes message, bool sealed) const {
    const Session* session = sealed ? nullptr : find_session(header.session_id);
    if (session == nullptr || session->signer() == nullptr) return NtStatus::SUCCESS;
    // MS-SMB2 3.2.5.1.3: an interim response is not signed, and a server that lost the session has no key to sign with: all that such an
    // answer can do is end the session.
    const bool lost = header.status == NtStatus::USER_SESSION_DELETED || header.status == NtStatus::NETWORK_SESSION_EXPIRED;
    if (header.status == NtStatus::PENDING || lost) return NtStatus::SUCCESS;
    if (session->should_seal()) return NtStatus::INVALID_SIGNATURE;
    if (!header.is_signed()) return session->should_sign() ? NtStatus::INVALID_SIGNATURE : NtStatus::SUCCESS;
    return session->signer()->verify(message) ? NtStatus::SUCCESS : NtStatus::INVALID_SIGNATURE;
}

void Connection::take_message(const smb::Header& header, Bytes message, bool sealed) {
    if (header.message_id == unsolicited_id) {
        if (on_break) on_break(message);
        return;
    }
    credits_ += header.credits;
    auto it = exchanges_.find(header.message_id);
    if (it == exchanges_.end() || !header.is_response()) {
        send_queued();
        return;
    }
    ExchangePtr exchange = it->second;
    const NtStatus verified = verify(header, message, sealed);
    if (header.status == NtStatus::PENDING && header.is_async()) {
        exchange->async_id_ = header.async_id;
    } else {
        exchanges_.erase(it);
        exchange->header_ = header;
        exchange->message_.assign(message);
        exchange->complete(is_error(verified) ? verified : header.status);
    }
    if (socket_) send_queued();
}

}  // namespace Atoll::client

#include "smbd/transport/tcp.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::transport {
namespace {

constexpr uint8_t session_message = 0x00;  // RFC 1002 4.3.1; also the zero byte of the direct TCP header
constexpr uint8_t session_keep_alive = 0x85;
constexpr size_t netbios_max_length = 0x1FFFF;
constexpr size_t large_front = 116;  // bytes: a transport header and a WRITE up to its payload (MS-SMB2 2.2.21)

}  // namespace

TcpTransport::TcpTransport(loop::Loop& loop, UniqueFd socket, size_t max_frame, bool netbios)
    : loop_(loop), socket_(std::move(socket)), max_frame_(max_frame), netbios_(netbios) {
    ATOLL_ASSERT(max_frame_ <= limits::max_frame);
    watch_.emplace(
        loop_, socket_.get(), [this] { on_readable(); }, [this] { on_writable(); });
}

TcpTransport::~TcpTransport() {
    *alive_ = false;
    drop_queue();
}

void TcpTransport::start(Handler& handler, Bytes unread) {
    handler_ = &handler;
    if (!unread.empty()) {
        room_for(unread.size());
        std::memcpy(chunk_->data() + end_, unread.data(), unread.size());
        end_ += unread.size();
        if (!take_frames()) return;
        handler_->on_drained();
    }
    if (!end_reason_) watch_->watch_read(!paused_);
}

// Drains the socket: serves frame after frame while the kernel has bytes, then lets the handler flush.
void TcpTransport::on_readable() {
    if (end_reason_ || paused_) return;
    constexpr int max_rounds = 16;  // then other descriptors get their turn
    for (int round = 0; round < max_rounds && !paused_; round++) {
        if (chunk_ && begin_ == end_ && !chunk_->shared()) begin_ = end_ = 0;
        if (!room_for(header_size)) return end_later("out of receive memory");
        // Behind a large frame comes another one, as a rule: only its front is read here, and the rest straight to where it stays.
        const size_t space = chunk_->capacity() - end_;
        const size_t room = last_was_large_ && begin_ == end_ ? std::min(space, large_front) : space;
        const ssize_t n = ::recv(socket_.get(), chunk_->data() + end_, room, 0);
        if (n == 0) return end_later("closed by the client");
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (n < 0) return end_later(std::strerror(errno));
        end_ += static_cast<size_t>(n);
        if (!take_frames()) return;
        if (static_cast<size_t>(n) < room) break;
    }
    handler_->on_drained();
}

bool TcpTransport::take_frames() {
    for (;;) {
        switch (take_one_frame()) {
            case Step::frame: break;
            case Step::more: return true;
            case Step::ended: return false;
        }
    }
}

// Gives the handler the frame at the front if it is whole; otherwise makes room for the rest of it.
TcpTransport::Step TcpTransport::take_one_frame() {
    const size_t available = end_ - begin_;
    if (available < header_size) return Step::more;
    uint8_t* const at = chunk_->data() + begin_;
    const uint32_t word = load_be32(at);
    const uint8_t type = at[0];
    const size_t length = netbios_ ? word & netbios_max_length : word & limits::max_frame;
    if (type == session_keep_alive && length == 0) {
        begin_ += header_size;
        return Step::frame;
    }
    if (type != session_message || length > max_frame_) {
        end_later(type != session_message ? "not a session message" : "a frame larger than was negotiated");
        return Step::ended;
    }
    if (available < header_size + length) {
        room_for(header_size + length);
        return Step::more;
    }
    begin_ += header_size + length;
    last_was_large_ = length > ChunkPool::standard_capacity;
    const ChunkRef memory(chunk_);
    const auto alive = alive_;
    const bool go_on = handler_->on_frame({at + header_size, length}, memory);
    if (!*alive) return Step::ended;
    if (!go_on) end_later("a frame that ends the connection");
    return end_reason_ ? Step::ended : Step::frame;
}

// Makes chunk_ able to hold `size` contiguous bytes from begin_ on, moving what is there if need be. Bytes that a request still refers
// to are never moved: a fresh chunk is taken.
bool TcpTransport::room_for(size_t size) {
    const size_t held = end_ - begin_;
    if (chunk_ && begin_ + size <= chunk_->capacity() && end_ < chunk_->capacity()) return true;
    if (chunk_ && !chunk_->shared() && size <= chunk_->capacity() && chunk_->capacity() <= ChunkPool::standard_capacity) {
        std::memmove(chunk_->data(), chunk_->data() + begin_, held);
    } else {
        Chunk* fresh = pool_->get(size);
        if (held > 0) std::memcpy(fresh->data(), chunk_->data() + begin_, held);
        chunk_ref_ = ChunkRef(fresh);
        chunk_ = fresh;
    }
    begin_ = 0;
    end_ = held;
    return true;
}

void TcpTransport::send(OutgoingFrame& frame) {
    MutableBytes head = frame.head();
    ATOLL_ASSERT(head.size() >= header_size);
    const size_t length = head.size() - header_size + frame.payload().size();
    ATOLL_ASSERT(length <= limits::max_frame);
    if (end_reason_) return frame.sent();
    store_be32(head.data(), static_cast<uint32_t>(length));
    frame.next = nullptr;
    (last_ ? last_->next : first_) = &frame;
    last_ = &frame;
    queued_bytes_ += header_size + length;
}

size_t TcpTransport::gather(std::array<iovec, max_gather>& parts) {
    size_t count = 0;
    size_t skip = first_written_;
    const auto add = [&](Bytes bytes) {
        const size_t skipped = skip < bytes.size() ? skip : bytes.size();
        skip -= skipped;
        bytes = bytes.subspan(skipped);
        if (!bytes.empty()) parts[count++] = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
    };
    for (OutgoingFrame* frame = first_; frame && count + 2 <= max_gather; frame = frame->next) {
        add(frame->head());
        add(frame->payload());
    }
    return count;
}

void TcpTransport::written(size_t n) {
    queued_bytes_ -= n;
    first_written_ += n;
    while (first_) {
        const size_t size = first_->head().size() + first_->payload().size();
        if (first_written_ < size) return;
        first_written_ -= size;
        OutgoingFrame* done = first_;
        first_ = first_->next;
        if (!first_) last_ = nullptr;
        done->sent();
    }
}

void TcpTransport::flush() {
    while (first_ && !writing_ && !end_reason_) {
        std::array<iovec, max_gather> parts;
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = gather(parts);
        const ssize_t n = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            writing_ = true;
            watch_->watch_write(true);
            return;
        }
        if (n < 0) return end_later(std::strerror(errno));
        written(static_cast<size_t>(n));
    }
}

void TcpTransport::on_writable() {
    writing_ = false;
    watch_->watch_write(false);
    flush();
    if (handler_ && !end_reason_ && !first_) handler_->on_drained();
}

size_t TcpTransport::unacknowledged() const {
    int written = 0;
    const bool known = socket_.valid() && ioctl(socket_.get(), SIOCOUTQ, &written) == 0 && written > 0;
    return queued_bytes_ + (known ? static_cast<size_t>(written) : 0);
}

std::chrono::milliseconds TcpTransport::silence() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (!socket_.valid() || getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
    return std::chrono::milliseconds(info.tcpi_last_ack_recv);
}

void TcpTransport::pause(bool paused) {
    paused_ = paused;
    if (!end_reason_) watch_->watch_read(!paused);
}

void TcpTransport::close(const char* reason) {
    flush();
    end_later(reason);
}

// The handler hears of the end from the loop, never from inside one of its own calls.
void TcpTransport::end_later(const char* reason) {
    if (end_reason_) return;
    end_reason_ = reason;
    watch_->watch_read(false);
    watch_->watch_write(false);
    ::shutdown(socket_.get(), SHUT_RDWR);
    loop_.post([this, alive = alive_] {
        if (!*alive) return;
        drop_queue();
        if (handler_) handler_->on_end(end_reason_);
    });
}

void TcpTransport::drop_queue() {
    while (first_) {
        OutgoingFrame* done = first_;
        first_ = first_->next;
        done->sent();
    }
    last_ = nullptr;
    first_written_ = 0;
    queued_bytes_ = 0;
}

}  // namespace Atoll::transport

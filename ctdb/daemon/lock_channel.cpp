#include "ctdb/daemon/lock_channel.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {

LockChannel::LockChannel(loop::Loop& loop, UniqueFd supervisor, Deliver deliver, std::function<void(const std::string&)> ended)
    : fd_(std::move(supervisor)),
      deliver_(std::move(deliver)),
      ended_(std::move(ended)),
      watch_(
          loop, fd_.get(), [this] { readable(); }, [this] { flush(); }) {
    watch_.watch_read(true);
}

void LockChannel::take() { send({protocol::lock_step::TAKE, 0, 0, {}}); }

// One that would have to wait says nothing when its turn comes.
void LockChannel::check(const CheckLock& check) {
    if (waiting_.empty()) send({protocol::lock_step::CHECK, check.term, check.asked, {}});
}

void LockChannel::release() { send({protocol::lock_step::RELEASE, 0, 0, {}}); }

void LockChannel::relist() { send({protocol::lock_step::RELIST, 0, 0, {}}); }

void LockChannel::write(const WriteRegister& write) {
    Buffer view;
    encode(write.view, view, write.view.level);
    send({protocol::lock_step::WRITE, write.term, 0, std::vector<uint8_t>(view.data(), view.data() + view.size())});
}

void LockChannel::write(const WriteBallot& write) {
    Buffer ballot;
    encode(write.ballot, ballot, idl::first_level);
    send({protocol::lock_step::BALLOT, 0, 0, std::vector<uint8_t>(ballot.data(), ballot.data() + ballot.size())});
}

void LockChannel::send(const protocol::lock_request& request) {
    if (waiting_.size() >= limits::max_lock_requests) {
        return ended_("its supervisor does not take what it is asked");
    }
    waiting_.emplace_back();
    encode(request, waiting_.back(), protocol::lock_request::newest_version);
    flush();
}

void LockChannel::flush() {
    while (!waiting_.empty()) {
        const ssize_t sent = ::send(fd_.get(), waiting_.front().data(), waiting_.front().size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) break;
        waiting_.pop_front();
    }
    watch_.watch_write(!waiting_.empty());
}

void LockChannel::readable() {
    packet_.resize(limits::max_register_file);
    const ssize_t size = ::recv(fd_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    protocol::lock_reply reply;
    if (size <= 0 || !decode(Bytes(packet_.data(), static_cast<size_t>(size)), reply)) {
        watch_.watch_read(false);
        return ended_("its supervisor has ended");
    }
    if (!reply.text.empty()) log_error("cluster lock: {}", reply.text);
    answered(reply);
}

void LockChannel::answered(const protocol::lock_reply& reply) {
    switch (reply.step) {
        case protocol::lock_step::TAKE: {
            if (reply.too_new) return ended_("the cluster writes at a newer format level than this ctdbd reads: start a newer one");
            if (!reply.ok) return deliver_(LockRefused{});
            LockTaken taken;
            taken.term = reply.term;
            auto stored = idl::decode<protocol::view>(Bytes(reply.stored));
            if (!reply.stored.empty() && stored) taken.stored = std::move(*stored);
            return deliver_(std::move(taken));
        }
        case protocol::lock_step::CHECK: return deliver_(LockChecked{reply.term, reply.asked, reply.ok});
        case protocol::lock_step::WRITE: return deliver_(RegisterWritten{reply.view, reply.ok});
        case protocol::lock_step::BALLOT: return deliver_(BallotWritten{reply.ok});
        case protocol::lock_step::RELEASE:
        case protocol::lock_step::RELIST: return;
    }
}

}  // namespace Atoll::ctdb

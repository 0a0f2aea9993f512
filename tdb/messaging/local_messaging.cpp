#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <deque>
#include <map>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "base/time.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::messaging {

namespace {

constexpr auto retry_interval = std::chrono::milliseconds(2);
constexpr int messages_per_turn = 64;  // then the loop looks at its other descriptors
constexpr int turns_alone = 8;         // of one message each; then it is seen whether more wait

// A message for a receiver that is behind.
struct Waiting {
    uint32_t type;
    bool is_broadcast;
    Buffer payload;
    std::vector<UniqueFd> descriptors;
};

struct Failed {
    ServerId to;
    uint32_t type;
    Code why;
};

class LocalMessaging final : public Messaging {
 public:
    LocalMessaging(loop::Loop& loop, MessageSocket socket)
        : socket_(std::move(socket)), watch_(loop, socket_.fd(), [this] { readable(); }), retry_(loop, [this] { send_waiting(); }) {
        watch_.watch_read(true);
    }

    const ServerId& self() const override { return socket_.self(); }
    bool exists(const ServerId& id) const override { return socket_.exists(id); }
    void forget(const ServerId& id) override { socket_.forget(id); }

    Result<void> send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) override {
        return send_or_keep(to, type, payload, descriptors, false);
    }

    Result<void> send_at_once(const ServerId& to, uint32_t type, Bytes payload) override {
        // Not past what waits already: the order holds.
        if (waiting_.contains(to)) return fail(Code::busy, to_string(to), "messages wait for it");
        return socket_.send(to, type, payload);
    }

    size_t broadcast(ProcessClass to, uint32_t type, Bytes payload) override {
        size_t taken = 0;
        for (const ServerId& id : socket_.processes()) {
            if (id.process_class() != to || id == self()) continue;
            const auto sent = send_or_keep(id, type, payload, {}, true);
            if (sent) ++taken;
            passed_over_ = passed_over_ || (!sent && sent.error().code == Code::busy);
        }
        return taken;
    }

    bool flush(std::chrono::milliseconds at_most) override {
        const Monotonic deadline = monotonic_now() + at_most;
        for (send_waiting(); !waiting_.empty() && monotonic_now() < deadline; send_waiting()) std::this_thread::sleep_for(retry_interval);
        return waiting_.empty() && !passed_over_;
    }

    void receive(uint32_t type, Receiver receiver) override {
        if (receiver) {
            receivers_[type] = std::make_shared<Receiver>(std::move(receiver));
        } else {
            receivers_.erase(type);
        }
    }
    void failed(uint32_t type, FailureReceiver receiver) override {
        if (receiver) {
            failure_receivers_[type] = std::make_shared<FailureReceiver>(std::move(receiver));
        } else {
            failure_receivers_.erase(type);
        }
    }

 private:
    // A message that comes alone is the only one that is asked for: that no other waits costs a system call to find out, and if one does
    // the loop tells so again. Where they come in numbers they are taken until there are no more.
    void readable() {
        const bool many = ++turns_ >= turns_alone;
        int taken = 0;
        while (taken < (many ? messages_per_turn : 1) && take_one()) taken++;
        if (many) turns_ = taken > 1 ? turns_alone : 0;
    }

    bool take_one() {
        auto message = socket_.receive();
        if (!message) return false;
        const auto found = receivers_.find(message->type);
        if (found == receivers_.end()) {
            log_debug("messages: nobody here receives type {} of {}", message->type, to_string(message->from));
            return true;
        }
        const std::shared_ptr<Receiver> receiver = found->second;  // lives though it may end itself
        (*receiver)(*message);
        return true;
    }

    Result<void> send_or_keep(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors, bool is_broadcast) {
        if (!waiting_.contains(to)) {
            auto sent = socket_.send(to, type, payload, descriptors);
            if (sent || sent.error().code != Code::busy) return sent;
        }
        return keep(to, type, payload, descriptors, is_broadcast);
    }

    Result<void> keep(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors, bool is_broadcast) {
        if (payload.size() > limits::max_message || descriptors.size() > limits::max_message_descriptors) {
            return fail(Code::invalid, to_string(to), "the message is too large");
        }
        const auto queue = waiting_.find(to);
        if ((queue != waiting_.end() && queue->second.size() >= limits::max_queued_messages) ||
            waiting_bytes_ + payload.size() > limits::max_queued_bytes)
            return fail(Code::busy, to_string(to), "too many messages wait for it");
        Waiting message{type, is_broadcast, {}, {}};
        message.payload.assign(payload);
        for (const int fd : descriptors) {
            UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
            if (!copy) return fail_errno(errno, to_string(to), "cannot keep a descriptor for a message");
            message.descriptors.push_back(std::move(copy));
        }
        waiting_[to].push_back(std::move(message));
        waiting_bytes_ += payload.size();
        if (!retry_.is_set()) retry_.set_in(retry_interval);
        return {};
    }

    // Gives each receiver what it takes.
    void send_waiting() {
        std::vector<Failed> failures;
        for (auto it = waiting_.begin(); it != waiting_.end();) {
            auto& [to, queue] = *it;
            while (!queue.empty()) {
                const Waiting& message = queue.front();
                const auto sent = send_one(to, message);
                if (!sent && sent.error().code == Code::busy) break;
                if (!sent && !message.is_broadcast) failures.push_back({to, message.type, sent.error().code});
                waiting_bytes_ -= message.payload.size();
                queue.pop_front();
            }
            it = queue.empty() ? waiting_.erase(it) : std::next(it);
        }
        if (!waiting_.empty()) retry_.set_in(retry_interval);
        for (const Failed& one : failures) tell(one);
    }

    void tell(const Failed& one) {
        log_debug("messages: one of type {} did not reach {}", one.type, to_string(one.to));
        const auto found = failure_receivers_.find(one.type);
        if (found == failure_receivers_.end()) return;
        const std::shared_ptr<FailureReceiver> receiver = found->second;  // lives though it may end itself
        (*receiver)(one.to, one.type, one.why);
    }

    Result<void> send_one(const ServerId& to, const Waiting& message) {
        std::array<int, limits::max_message_descriptors> fds;
        std::transform(message.descriptors.begin(), message.descriptors.end(), fds.begin(), [](const UniqueFd& fd) { return fd.get(); });
        return socket_.send(to, message.type, message.payload, {fds.data(), message.descriptors.size()});
    }

    MessageSocket socket_;
    loop::FdWatch watch_;
    loop::Timer retry_;
    std::map<uint32_t, std::shared_ptr<Receiver>> receivers_;
    std::map<uint32_t, std::shared_ptr<FailureReceiver>> failure_receivers_;
    std::map<ServerId, std::deque<Waiting>> waiting_;
    size_t waiting_bytes_ = 0;
    bool passed_over_ = false;
    int turns_ = 0;  // since messages came in numbers
};

}  // namespace

std::unique_ptr<Messaging> make_local_messaging(loop::Loop& loop, MessageSocket socket) {
    return std::make_unique<LocalMessaging>(loop, std::move(socket));
}

}  // namespace Atoll::messaging

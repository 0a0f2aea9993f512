#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <map>

#include "base/limits.h"
#include "base/log.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::messaging {

namespace {

constexpr auto retry_interval = std::chrono::milliseconds(2);
constexpr int messages_per_turn = 64;  // then the loop looks at its other descriptors

struct Waiting {
    uint32_t type;
    Buffer payload;
    std::vector<UniqueFd> descriptors;
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
        // Behind what waits already, so that the order holds.
        if (!waiting_.contains(to)) {
            auto sent = socket_.send(to, type, payload, descriptors);
            if (sent || sent.error().code != Code::busy) return sent;
        }
        return enqueue(to, type, payload, descriptors);
    }

    size_t broadcast(ProcessClass to, uint32_t type, Bytes payload) override {
        size_t taken = 0;
        for (const ServerId& id : socket_.processes()) {
            if (id.process_class() != to || id == self()) continue;
            if (send(id, type, payload, {})) ++taken;
        }
        return taken;
    }

    void receive(uint32_t type, Receiver receiver) override {
        if (receiver) {
            receivers_[type] = std::make_shared<Receiver>(std::move(receiver));
        } else {
            receivers_.erase(type);
        }
    }

 private:
    void readable() {
        for (int i = 0; i < messages_per_turn; ++i) {
            auto message = socket_.receive();
            if (!message) return;
            const auto found = receivers_.find(message->type);
            if (found == receivers_.end()) {
                log_debug("messages: nobody here receives type {} of {}", message->type, to_string(message->from));
                continue;
            }
            const std::shared_ptr<Receiver> receiver = found->second;  // lives though it may end itself
            (*receiver)(*message);
        }
    }

    Result<void> enqueue(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) {
        if (waiting_count_ >= limits::max_queued_messages)
            return fail(Code::busy, to_string(to), "too many messages wait for slow receivers");
        if (payload.size() > limits::max_message || descriptors.size() > limits::max_message_descriptors) {
            return fail(Code::invalid, to_string(to), "the message is too large");
        }
        Waiting message{type, {}, {}};
        message.payload.assign(payload);
        for (const int fd : descriptors) {
            UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
            if (!copy) return fail_errno(errno, to_string(to), "cannot keep a descriptor for a message");
            message.descriptors.push_back(std::move(copy));
        }
        waiting_[to].push_back(std::move(message));
        ++waiting_count_;
        if (!retry_.is_set()) retry_.set_in(retry_interval);
        return {};
    }

    // Gives each receiver what it takes; what is for the dead is dropped.
    void send_waiting() {
        for (auto it = waiting_.begin(); it != waiting_.end();) {
            auto& [to, queue] = *it;
            while (!queue.empty()) {
                auto sent = send_one(to, queue.front());
                if (!sent && sent.error().code == Code::busy) break;
                if (!sent) log_debug("messages: {}", sent.error().message());
                queue.pop_front();
                --waiting_count_;
            }
            it = queue.empty() ? waiting_.erase(it) : std::next(it);
        }
        if (!waiting_.empty()) retry_.set_in(retry_interval);
    }

    Result<void> send_one(const ServerId& to, const Waiting& message) {
        std::vector<int> fds;
        for (const UniqueFd& fd : message.descriptors) fds.push_back(fd.get());
        return socket_.send(to, message.type, message.payload, fds);
    }

    MessageSocket socket_;
    loop::FdWatch watch_;
    loop::Timer retry_;
    std::map<uint32_t, std::shared_ptr<Receiver>> receivers_;
    std::map<ServerId, std::deque<Waiting>> waiting_;
    size_t waiting_count_ = 0;
};

}  // namespace

std::unique_ptr<Messaging> make_local_messaging(loop::Loop& loop, MessageSocket socket) {
    return std::make_unique<LocalMessaging>(loop, std::move(socket));
}

}  // namespace Atoll::messaging

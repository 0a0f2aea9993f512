#include "ctdb/client/cluster_messaging.h"

#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <map>

#include "base/log.h"
#include "ctdb/client/limits.h"
#include "ctdb/core/types.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using messaging::ProcessClass;
using messaging::ServerId;
using protocol::operation;
using protocol::outcome;

protocol::process_id to_process(const ServerId& id) { return {id.node, id.pid, id.unique_id}; }
ServerId to_server(const protocol::process_id& id) { return {id.node, id.pid, id.unique_id}; }

template <class Record>
void put_data(protocol::request& request, const Record& record) {
    Buffer encoded;
    encode(record, encoded, idl::written_level());
    request.data.assign(encoded.data(), encoded.data() + encoded.size());
}

class ClusterMessaging final : public messaging::Messaging {
 public:
    // `mailbox` gets messages and the outcome of those sent; `questions` is for what this process waits for.
    ClusterMessaging(loop::Loop& loop, std::unique_ptr<Messaging> local, DaemonConnection mailbox, DaemonConnection questions,
                     std::vector<Pnn> nodes, MessagingEvents events)
        : local_(std::move(local)),
          mailbox_(std::move(mailbox)),
          questions_(std::move(questions)),
          nodes_(std::move(nodes)),
          events_(std::move(events)),
          watch_(
              loop, mailbox_.fd(), [this] { readable(); }, [this] { send_waiting(); }) {
        watch_.watch_read(true);
    }

    const ServerId& self() const override { return local_->self(); }
    void forget(const ServerId& id) override {
        if (is_here(id)) local_->forget(id);
    }

    Result<void> send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) override {
        if (is_here(to)) return local_->send(to, type, payload, descriptors);
        if (!descriptors.empty()) return fail(Code::invalid, to_string(to), "descriptors do not go to another node");
        return post(to, type, payload, to.node);
    }
    Result<void> send_at_once(const ServerId& to, uint32_t type, Bytes payload) override {
        if (is_here(to)) return local_->send_at_once(to, type, payload);
        if (!waiting_.empty()) return fail(Code::busy, to_string(to), "ctdbd is behind");
        return post(to, type, payload, to.node);
    }
    size_t broadcast(ProcessClass to, uint32_t type, Bytes payload) override {
        for (const Pnn node : nodes_) (void)post(ServerId(node, 0, static_cast<uint64_t>(to)), type, payload, node);
        return local_->broadcast(to, type, payload);
    }
    bool flush(std::chrono::milliseconds at_most) override {
        send_waiting();
        return local_->flush(at_most) && waiting_.empty();
    }

    void receive(uint32_t type, Receiver receiver) override {
        receivers_[type] = receiver ? std::make_shared<Receiver>(receiver) : nullptr;
        local_->receive(type, std::move(receiver));
    }
    void failed(uint32_t type, FailureReceiver receiver) override {
        failure_receivers_[type] = receiver ? std::make_shared<FailureReceiver>(receiver) : nullptr;
        local_->failed(type, std::move(receiver));
    }

    bool exists(const ServerId& id) const override {
        if (is_here(id)) return local_->exists(id);
        protocol::request request;
        request.node = id.node;
        request.op = operation::PROCESS_EXISTS;
        put_data(request, to_process(id));
        const auto reply = questions_.call(request, limits::daemon_patience);
        return !reply || reply->result != outcome::NO_PROCESS;
    }

 private:
    struct Sent {
        ServerId to;
        uint32_t type;
    };

    // Tools of this node give no node.
    bool is_here(const ServerId& id) const { return id.node == self().node || id.node == ServerId::this_node; }

    Result<void> post(const ServerId& to, uint32_t type, Bytes payload, Pnn node) {
        if (payload.size() > limits::max_cluster_message) return fail(Code::invalid, to_string(to), "too large for another node");
        if (cut_off_) return fail(Code::dead, to_string(to), "this node serves no longer");
        if (sent_.size() >= limits::max_unanswered) return fail(Code::busy, to_string(to), "too many messages are on their way");
        protocol::process_message message{to_process(self()), to_process(to), type, {payload.begin(), payload.end()}};
        protocol::request request;
        request.number = ++last_;
        request.node = node;
        request.op = operation::SEND_MESSAGE;
        put_data(request, message);
        waiting_.emplace_back();
        encode(request, waiting_.back(), idl::written_level());
        if (to.pid != 0) sent_[last_] = Sent{to, type};
        send_waiting();
        return {};
    }

    void send_waiting() {
        while (!waiting_.empty()) {
            const ssize_t size = ::send(mailbox_.fd(), waiting_.front().data(), waiting_.front().size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (size < 0 && errno == EINTR) continue;
            if (size < 0) break;  // that the connection has ended is seen where it is read
            waiting_.pop_front();
        }
        watch_.watch_write(!waiting_.empty() && !cut_off_);
    }

    void readable() {
        packet_.resize(protocol::MAX_REQUEST);
        const ssize_t size = ::recv(mailbox_.fd(), packet_.data(), packet_.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        protocol::reply reply;
        if (size <= 0 || !decode(Bytes(packet_.data(), static_cast<size_t>(size)), reply)) return end();
        if (reply.number == 0) return delivered(Bytes(reply.data));
        answered(reply);
    }

    void delivered(Bytes data) {
        const auto delivery = idl::decode<protocol::delivery>(data);
        if (!delivery) return end();
        if (delivery->lost_node && events_.node_lost) events_.node_lost(*delivery->lost_node);
        if (delivery->level_rose && events_.level_rose) events_.level_rose();
        if (!delivery->message) return;
        messaging::Message message;
        message.from = to_server(delivery->message->from);
        message.type = delivery->message->type;
        message.payload = Bytes(delivery->message->payload);
        const auto found = receivers_.find(message.type);
        if (found == receivers_.end() || !found->second) return;
        const std::shared_ptr<Receiver> receiver = found->second;  // lives though it may end itself
        (*receiver)(message);
    }

    void answered(const protocol::reply& reply) {
        const auto found = sent_.find(reply.number);
        if (found == sent_.end()) return;
        const Sent sent = found->second;
        sent_.erase(found);
        if (reply.result != outcome::DONE) tell_failed(sent, reply.result == outcome::NO_PROCESS ? Code::dead : Code::busy);
    }

    void tell_failed(const Sent& sent, Code why) {
        const auto found = failure_receivers_.find(sent.type);
        if (found == failure_receivers_.end() || !found->second) return;
        const std::shared_ptr<FailureReceiver> receiver = found->second;
        (*receiver)(sent.to, sent.type, why);
    }

    void end() {
        log_error("the connection to ctdbd has ended: no message reaches another node");
        cut_off_ = true;
        watch_.watch_read(false);
        watch_.watch_write(false);
        waiting_.clear();
        for (const auto& [number, sent] : std::exchange(sent_, {})) tell_failed(sent, Code::dead);
        if (events_.cut_off) events_.cut_off();
    }

    std::unique_ptr<Messaging> local_;
    DaemonConnection mailbox_;
    mutable DaemonConnection questions_;
    const std::vector<Pnn> nodes_;  // the others
    const MessagingEvents events_;
    std::map<uint32_t, std::shared_ptr<Receiver>> receivers_;
    std::map<uint32_t, std::shared_ptr<FailureReceiver>> failure_receivers_;
    std::deque<Buffer> waiting_;  // encoded, that the socket did not take
    std::map<uint64_t, Sent> sent_;
    uint64_t last_ = 0;
    bool cut_off_ = false;
    Buffer packet_;
    loop::FdWatch watch_;
};

}  // namespace

bool process_exists(Node& node, const ServerId& id) {
    protocol::request request;
    request.node = id.node;
    request.op = operation::PROCESS_EXISTS;
    put_data(request, to_process(id));
    const auto reply = node.ask(request);
    return !reply || reply->result != outcome::NO_PROCESS;
}

Result<std::unique_ptr<messaging::Messaging>> make_cluster_messaging(loop::Loop& loop, std::unique_ptr<messaging::Messaging> local,
                                                                     const std::string& socket_path, MessagingEvents events) {
    auto questions = DaemonConnection::connect(socket_path);
    if (!questions) return questions.failure();
    protocol::request request;
    request.node = no_node;
    request.op = operation::STATE;
    const auto state = questions->call(request, limits::daemon_patience);
    if (!state) return state.failure();
    if (!state->state || state->state->pnn != local->self().node)
        return fail(Code::invalid, socket_path, "the process is not of this ctdbd's node");
    std::vector<Pnn> others;
    for (const auto& node : state->state->nodes) {
        if (node.pnn != state->state->pnn) others.push_back(node.pnn);
    }
    auto mailbox = DaemonConnection::connect(socket_path);
    if (!mailbox) return mailbox.failure();
    request.op = operation::OPEN_MAILBOX;
    put_data(request, to_process(local->self()));
    const auto opened = mailbox->call(request, limits::daemon_patience);
    if (!opened) return opened.failure();
    if (opened->result != outcome::DONE) return fail(Code::denied, socket_path, "ctdbd opens no mailbox");
    return std::unique_ptr<messaging::Messaging>(
        new ClusterMessaging(loop, std::move(local), std::move(*mailbox), std::move(*questions), std::move(others), std::move(events)));
}

}  // namespace Atoll::ctdb

#include "ctdb/daemon/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "ctdb/daemon/cluster_lock.h"
#include "ctdb/daemon/end_of_service.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/sockets.h"
#include "ctdb/protocol/packet.h"

namespace Atoll::ctdb {
namespace {

class Supervisor {
 public:
    Supervisor(Settings settings, Fence fence, UniqueFd ctdbd, std::optional<Votes> votes)
        : settings_(std::move(settings)),
          fence_(fence),
          ctdbd_(std::move(ctdbd)),
          votes_(std::move(votes)),
          lock_(settings_.conf.cluster_lock, settings_.conf.cluster_register, settings_.me) {}

    void run() {
        asked_ = monotonic_now();
        while (serve()) {
            if (lock_.holding() && monotonic_now() - asked_ > limits::lock_patience) {
                log_error("ctdbd stands still: the cluster lock is released");
                lock_.release();
            }
        }
        lock_.release();
        const bool down = !fence_.any_up() || fence_.drop();
        if (end_service(settings_.paths.shared_memory(), limits::ending_time) && down) {
            tell_everybody();
        } else {
            log_error("a process or an address of this node goes on: the others have to wait for the end of its lease");
        }
    }

 private:
    // One request, if there is one. False: ctdbd has ended.
    bool serve() {
        pollfd readable{ctdbd_.get(), POLLIN, 0};
        if (::poll(&readable, 1, 100) <= 0) return true;
        packet_.resize(limits::max_register_file);
        const ssize_t size = ::recv(ctdbd_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        protocol::lock_request request;
        if (size == 0 || !decode(Bytes(packet_.data(), static_cast<size_t>(size)), request)) return false;
        asked_ = monotonic_now();
        const protocol::lock_reply reply = answer(request);
        if (request.step == protocol::lock_step::RELEASE || request.step == protocol::lock_step::RELIST) return true;
        Buffer bytes;
        encode(reply, bytes, protocol::lock_reply::newest_version);
        return ::send(ctdbd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
    }

    protocol::lock_reply answer(const protocol::lock_request& request) {
        protocol::lock_reply reply;
        reply.step = request.step;
        reply.term = request.term;
        reply.asked = request.asked;
        if (request.step == protocol::lock_step::TAKE) take(reply);
        if (request.step == protocol::lock_step::CHECK) reply.ok = lock_.term() == request.term && lock_.held();
        if (request.step == protocol::lock_step::RELEASE) lock_.release();
        if (request.step == protocol::lock_step::RELIST) relist();
        if (request.step == protocol::lock_step::WRITE) write(request, reply);
        if (request.step == protocol::lock_step::BALLOT) vote(request, reply);
        return reply;
    }

    void relist() {
        auto nodes = conf::load_nodes(settings_.paths);
        if (nodes) settings_.set_nodes(std::move(*nodes));
    }

    void take(protocol::lock_reply& reply) {
        const auto taken = lock_.take();
        reply.ok = taken.ok();
        if (!taken) {
            const Error& error = taken.error();
            if (error.code != Code::busy) reply.text = error.message().substr(0, 512);
            reply.too_new = error.code == Code::unsupported;
            return;
        }
        reply.term = taken->term;
        if (!taken->last) return;
        Buffer stored;
        encode(*taken->last, stored, taken->last->level);
        reply.stored.assign(stored.data(), stored.data() + stored.size());
    }

    void write(const protocol::lock_request& request, protocol::lock_reply& reply) {
        const auto view = idl::decode<protocol::view>(Bytes(request.view));
        if (!view || lock_.term() != request.term) return;
        reply.view = view->id;
        const auto written = lock_.write(*view);
        reply.ok = written.ok();
        if (!written) reply.text = written.error().message().substr(0, 512);
    }

    void vote(const protocol::lock_request& request, protocol::lock_reply& reply) const {
        const auto ballot = idl::decode<protocol::ballot>(Bytes(request.view));
        if (!ballot || !votes_) return;
        const auto written = votes_->write(*ballot);
        reply.ok = written.ok();
        if (!written) reply.text = written.error().message().substr(0, 512);
    }

    // Nothing of this node serves any more: ctdbd's sockets went with it, and the processes that used its records have been ended.
    void tell_everybody() {
        std::vector<UniqueFd> connections;
        std::vector<Buffer> words;
        for (const auto& node : settings_.nodes) {
            if (node.pnn == settings_.me) continue;
            auto connection = start_connecting(settings_.address, node.address, node_port, protocol::connection_kind::BULK);
            if (!connection) continue;
            connections.push_back(std::move(*connection));
            const protocol::hello hello{settings_.me,          node.pnn,
                                        settings_.incarnation, protocol::connection_kind::BULK,
                                        settings_.cluster,     idl::newest_known_level(),
                                        idl::first_level};
            words.emplace_back();
            append_packet(words.back(), PacketKind::hello, hello);
            append_packet(words.back(), PacketKind::ended, protocol::ended{settings_.me, settings_.incarnation});
        }
        send_all(connections, words);
    }

    static void send_all(const std::vector<UniqueFd>& connections, const std::vector<Buffer>& words) {
        const Monotonic deadline = monotonic_now() + limits::telling_time;
        std::vector<pollfd> waiting;
        for (const UniqueFd& connection : connections) waiting.push_back({connection.get(), POLLOUT, 0});
        for (size_t left = waiting.size(); left > 0 && monotonic_now() < deadline;) {
            if (::poll(waiting.data(), waiting.size(), 20) <= 0) continue;
            for (size_t index = 0; index < waiting.size(); index++) {
                if (waiting[index].fd < 0 || waiting[index].revents == 0) continue;
                (void)::send(waiting[index].fd, words[index].data(), words[index].size(), MSG_NOSIGNAL);
                waiting[index].fd = -1;
                left--;
            }
        }
    }

    Settings settings_;
    Fence fence_;
    UniqueFd ctdbd_;
    std::optional<Votes> votes_;
    ClusterLock lock_;
    Buffer packet_;
    Monotonic asked_{};
};

}  // namespace

void run_supervisor(Settings settings, Fence fence, UniqueFd ctdbd, std::optional<Votes> votes) {
    log_set_process("ctdbd supervisor");
    // What ends ctdbd ends this process too, but after it.
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    Supervisor(std::move(settings), fence, std::move(ctdbd), std::move(votes)).run();
    std::_Exit(EXIT_SUCCESS);
}

}  // namespace Atoll::ctdb

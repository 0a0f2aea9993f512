#include "smbd/server/committer_process.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/loop/loop.h"
#include "ctdb/durable/common_database.h"
#include "ctdb/durable/durable_keys.h"
#include "ctdb/durable/shared_journal.h"
#include "smbd/accounts/activity.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/process_packets.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/persistent.h"
#include "tdb/committer/committer.h"
#include "tdb/committer/durable_store.h"
#include "tdb/committer/file_journal.h"

namespace Atoll::server {

namespace {

constexpr auto drain_patience = std::chrono::seconds(2);  // of each; less than the listener's

std::vector<std::string> handle_databases() {
    return {xsrv::persistent_open_database, xsrv::persistent_lock_database, xsrv::persistent_file_database, xsrv::create_intent_database};
}

class CommitterProcess {
 public:
    CommitterProcess(PacketSocket control, messaging::MessageSocket mailbox)
        : control_(std::move(control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          messaging_(messaging::make_local_messaging(loop_, std::move(mailbox))) {
        control_watch_.watch_read(true);
        receive_common_messages(*messaging_, [] {});
    }

    Result<void> open(const conf::GlobalConf& conf) {
        committer::JournalOptions options;
        options.path = committer::database_path(conf.state_directory);
        options.databases = handle_databases();
        options.databases.insert(options.databases.end(), {xsrv::version_database, accounts::activity_database});
        auto journal = committer::FileJournal::open(options);
        if (!journal) return journal.failure();
        auto opened = committer::Committer::open(loop_, committer::socket_path(conf.lock_directory), std::move(*journal));
        if (!opened) return opened.failure();
        committer_ = std::move(*opened);
        committer_->on_broken = [this] { broken(); };
        return control_.send(PacketKind::ready, {});
    }

    // Waits until this node is a member. What belongs to one session of it: processes of another find no committer at that socket.
    Result<void> join(const ClusterNode& node, const conf::GlobalConf& conf) {
        auto attending = Membership::attend(node, control_.fd());
        if (!attending) return attending.failure();
        membership_ = std::move(*attending);
        auto common = ctdb::open_common_database(loop_, node.socket, ctdb::durable_database);
        if (!common) return common.failure();
        if (auto attached = membership_->attach_durable_state(); !attached) return attached;
        // Both connections live, so they are of this one.
        const uint64_t session = membership_->session();
        membership_->end_with_service(loop_);
        auto journal = ctdb::SharedJournal::open(loop_, std::move(*common), node.number, handle_databases());
        if (!journal) return journal.failure();
        ctdb::remove_other_durable_sockets(conf.lock_directory, session);
        auto opened = committer::Committer::open(loop_, ctdb::durable_socket_path(conf.lock_directory, session), std::move(*journal));
        if (!opened) return opened.failure();
        common_committer_ = std::move(*opened);
        common_committer_->on_broken = [this] { broken(); };
        return {};
    }

    // False: it has to be started again.
    bool run() {
        loop_.run();
        if (!is_broken_ && common_committer_) common_committer_->drain(drain_patience);
        if (!is_broken_) committer_->drain(drain_patience);
        return !is_broken_;
    }

 private:
    void control_spoke() {
        Packet packet;
        for (;;) {
            const auto received = control_.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) return loop_.stop();
            if (packet.kind == PacketKind::process_ended) committer_->process_ended();
            if (packet.kind == PacketKind::format_level) take_format_level(packet);
        }
    }

    void broken() {
        log_error("the durable state cannot be written any more; opening it anew");
        is_broken_ = true;
        loop_.stop();
    }

    loop::Loop loop_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<committer::Committer> committer_;
    std::unique_ptr<Membership> membership_;                  // null: no cluster
    std::unique_ptr<committer::Committer> common_committer_;  // of what all nodes have in common
    bool is_broken_ = false;
};

bool serve(CommitterStart& start) {
    const conf::GlobalConf& conf = start.configuration->global();
    auto mailbox = messaging::MessageSocket::open(conf.lock_directory, start.self);
    if (!mailbox) {
        log_error("{}", mailbox.error().message());
        return false;
    }
    CommitterProcess process(std::move(start.control), std::move(mailbox).value());
    if (const auto opened = process.open(conf); !opened) {
        log_error("{}", opened.error().message());
        return false;
    }
    if (start.cluster) {
        if (const auto joined = process.join(*start.cluster, conf); !joined) {
            log_error("{}", joined.error().message());
            return false;
        }
    }
    return process.run();
}

}  // namespace

void run_committer(CommitterStart start) {
    log_set_process("committer");
    ::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error as a full disk is
    _exit(serve(start) ? 0 : 1);
}

}  // namespace Atoll::server

#include "smbd/server/housekeeper.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>

#include "base/bytes.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "base/loop/loop.h"
#include "idl/level.h"
#include "smbd/fsa/fsa.h"
#include "smbd/fsa/local_changes.h"
#include "smbd/fsa/notify_index.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/limits.h"
#include "smbd/server/persistent_opens.h"
#include "smbd/server/process_packets.h"
#include "smbd/server/scavenger.h"
#include "smbd/xsrv/message_types.h"
#include "smbd/xsrv/tables.h"
#include "tdb/committer/durable_store.h"

namespace Atoll::server {

namespace {

fsa::Holder holder_of(const messaging::ServerId& id) { return {id.node, id.pid, id.unique_id}; }

// All that report what they change, for they have a mailbox before they serve anybody.
std::set<uint64_t> processes_with_mailbox(const std::string& lock_directory) {
    std::set<uint64_t> pids;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(lock_directory + "/msg.sock", error)) {
        if (const auto id = messaging::parse_server_id(entry.path().filename().string())) pids.insert(id->pid);
    }
    return pids;
}

// In the node's own durable state, also where it is one of a cluster.
Result<idl::Level> settle_format_level(const conf::GlobalConf& conf, idl::Level level) {
    committer::DurableStore durable(conf.state_directory, conf.lock_directory);
    return xsrv::settle_format_level(*durable.database(xsrv::version_database, tdb::Rank::version), level);
}

// This process breaks others' caching for other nodes, and has no open itself.
class NoOpens final : public fsa::BreakSink {
 public:
    bool oplock_break(fsa::Open&, fsa::OplockLevel, bool) override { return false; }
    bool lease_break(fsa::Open&, const fsa::LeaseBreak&) override { return false; }
    void unanswered(fsa::Open&, std::function<void()> then) override { then(); }
};

class Housekeeper {
 public:
    Housekeeper(HousekeeperStart start, messaging::MessageSocket mailbox, std::unique_ptr<Membership> membership)
        : control_(std::move(start.control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          membership_(std::move(membership)),
          messaging_(membership_->begin(loop_, std::move(mailbox),
                                        {.node_lost = [this](uint32_t node) { node_lost(node); }, .level_rose = [this] { level_rose(); }})),
          grants_(membership_->take_grants()),
          tables_(xsrv::Tables::on(std::move(start.databases), loop_, *messaging_)),
          configuration_(std::move(start.configuration)),
          file_system_(fsa::FileSystem::create({
              .locking = tables_->locking(),
              .brlock = tables_->brlock(),
              .self = holder_of(messaging_->self()),
              .holder_exists = [this](const fsa::Holder& holder) { return exists(holder); },
              .leases = &tables_->leases(),
              .messaging = messaging_.get(),
              .watches = grants_ ? &tables_->watches() : nullptr,
              .loop = &loop_,
              .breaks = grants_ ? &no_opens_ : nullptr,
              .node_grants = node_grants(),
              .directories = grants_ ? &grants_->directories() : nullptr,
              .share_at = [this](const std::string& path) { return share_at(path); },
              .open_ended = [this](uint64_t open_id) { tables_->remove_disconnected_open(open_id); },
              .notify_index = &tables_->notify_index(),
          })),
          durable_(membership_->durable_store(configuration_->global(), loop_)) {
        control_watch_.watch_read(true);
        receive_common_messages(*messaging_, [] {});
        messaging_->receive(xsrv::message_open_disconnected, [this](messaging::Message& message) {
            ByteReader in(message.payload);
            while (in.remaining() >= sizeof(uint64_t)) scavenger_.mind(in.u64());
        });
        messaging_->receive(xsrv::message_close_open, [this](messaging::Message& message) { scavenger_.end(id_in(message)); });
    }

    // Before clients are served: other nodes' recalls are heard from then on.
    Result<void> join_grants() { return grants_ ? grants_->begin(file_system_->recalls()) : Result<void>(); }
    void mind_opens() { scavenger_.begin(); }
    // Those that stand in the tables and have ended: of a node that was lost, or before this node's server started. Other nodes may do the
    // same at the same time.
    void end_the_dead() {
        const auto holders = tables_->holders();
        if (!holders) return log_error("{}", holders.error().message());
        messaging::ServerIds dead;
        std::ranges::copy_if(*holders, std::inserter(dead, dead.end()), [this](const auto& id) { return !messaging_->exists(id); });
        // Opens whose clients are away were told of when they left; it may be that only the lost node had heard it.
        dead.empty() ? scavenger_.begin() : processes_ended(dead);
    }
    // In a cluster, then: persistent opens that are on the disks of all nodes and in nobody's tables are put back.
    Result<void> restore_lost() {
        return persistent_.restore_lost([this](const messaging::ServerId& id) { return messaging_->exists(id); },
                                        [this](uint64_t persistent_id) { scavenger_.mind(persistent_id); });
    }
    Result<void> drop_unused() { return persistent_.drop_unused(); }
    // Of a server that has ended: what outlives it goes on as if its processes had just been killed.
    Result<void> take_up(const xsrv::Leftover* leftover, const xsrv::Leftover::Targets& targets) {
        if (auto wiped = tables_->wipe_volatile(); !wiped) return wiped;
        if (leftover != nullptr) {
            if (auto put = leftover->put_back(targets); !put) return put;
        }
        persistent_.restore();
        if (leftover != nullptr) processes_ended({leftover->holders().begin(), leftover->holders().end()});
        return {};
    }
    void watch_local_changes() {
        const conf::GlobalConf& conf = configuration_->global();
        if (!conf.kernel_change_notify || !conf.change_notify) return;
        local_changes_ = fsa::LocalChanges::start(
            {loop_, *messaging_, tables_->notify_index(), [path = conf.lock_directory] { return processes_with_mailbox(path); }});
    }
    Result<void> tell_ready() { return send_format_level(control_, PacketKind::ready, idl::written_level()); }
    void run() { loop_.run(); }
    // Of a cluster's node: that the node's server starts without the cluster, and is too old for what stands in its durable databases, is
    // refused.
    void note_level() {
        const auto noted = settle_format_level(configuration_->global(), idl::written_level());
        if (!noted) log_error("{}", noted.error().message());
    }

 private:
    grants::NodeGrants* node_grants() {
        if (!grants_) return nullptr;
        grants_->join(*messaging_, tables_->watches(), &loop_);
        return &grants_->node_grants();
    }

    static uint64_t id_in(const messaging::Message& message) {
        ByteReader in(message.payload);
        const uint64_t id = in.u64();
        return in.ok() ? id : 0;
    }

    // Those whose end has been told meanwhile end together. A listener tells of its last client, and ends.
    void control_spoke() {
        messaging::ServerIds ended;
        Packet packet;
        auto received = control_.receive(packet);
        for (; received == PacketSocket::Received::packet; received = control_.receive(packet)) {
            const auto process = process_of(packet);
            if (packet.kind == PacketKind::process_ended && process) ended.insert(*process);
        }
        these_ended(ended);
        if (received == PacketSocket::Received::ended) loop_.stop();
    }

    // A process of this node that was killed may have closed an open and not yet written that, or have lost its record with a former
    // session of the node. Which, nobody knows: in a cluster it is put back, and its client, who was not answered, closes it again.
    void these_ended(const messaging::ServerIds& ended) {
        processes_ended(ended);
        if (membership_->clustered() && !ended.empty()) end_what_is_lost();
    }

    void node_lost(uint32_t node) {
        log_notice("node {} has left the cluster: what its processes held ends", node);
        if (grants_) grants_->node_lost();
        end_the_dead();
        end_what_is_lost();
    }

    // An open that its record was lost of may be on the disk.
    void end_what_is_lost() {
        if (const auto restored = restore_lost(); !restored) {
            log_warning("persistent handles cannot be restored yet: {}", restored.error().message());
            return restore_timer_.set_in(limits::restore_again);
        }
        scavenger_.end_those_without_record();
    }

    // Whoever is started from now on begins at it too.
    void level_rose() {
        note_level();
        if (const auto told = tell_ready(); !told) log_warning("{}", told.error().message());
    }

    // All of them in one walk through each table: a node that is lost had thousands.
    void processes_ended(const messaging::ServerIds& ended) {
        if (ended.empty()) return;
        ending_.clear();
        for (const messaging::ServerId& id : ended) ending_.insert(holder_of(id));
        file_system_->end_holders(ending_, [this](const std::string& path) { return share_at(path); });
        scavenger_.processes_ended(ended);
        share_.reset();
        loop::take_root();
        tables_->end_holders(ended);
        if (!membership_->clustered()) persistent_.processes_ended(ended);
        if (local_changes_) {
            local_changes_->processes_ended(ended);
        } else {
            (void)fsa::NotifyIndex(&tables_->notify_index()).end_processes(ended);
        }
        for (const messaging::ServerId& id : ended) tell_ended(id);
    }

    // Until it hears this the listener keeps the id, for the next housekeeper if this one ends.
    void tell_ended(const messaging::ServerId& id) {
        messaging_->forget(id);
        const auto told = send_process(control_, PacketKind::process_ended, id);
        if (!told) log_warning("{}", told.error().message());
    }

    [[nodiscard]] bool exists(const fsa::Holder& holder) const {
        return !ending_.contains(holder) && messaging_->exists({holder.node, holder.pid, holder.unique_id});
    }

    // What smb.conf says of the share whose path that is; of one whose path has macros, or that is gone, nothing is said.
    [[nodiscard]] std::shared_ptr<const conf::ShareConf> conf_at(const std::string& path) const {
        for (const auto& share : configuration_->shares()) {
            if (share->path == path) return share;
        }
        return std::make_shared<conf::ShareConf>();
    }

    fsa::Share* share_at(const std::string& path) {
        const auto conf = conf_at(path);
        fsa::ShareParams params;
        params.conf = conf;
        params.path = path;
        params.veto_files = conf->veto_files;
        params.hide_files = conf->hide_files;
        auto connected = file_system_->connect(std::move(params));
        if (!connected) log_notice("what an ended client left in {} stays: {}", path, connected.error().message());
        share_ = connected ? std::move(*connected) : nullptr;
        return share_.get();
    }

    loop::Loop loop_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<DirectoryGrants> grants_;
    std::unique_ptr<xsrv::Tables> tables_;
    std::shared_ptr<const conf::Configuration> configuration_;
    NoOpens no_opens_;
    std::unique_ptr<fsa::FileSystem> file_system_;
    std::unique_ptr<fsa::Share> share_;  // in which is deleted
    committer::DurableStore durable_;
    PersistentOpens persistent_{loop_, *tables_, *file_system_, durable_};
    Scavenger scavenger_{loop_, *tables_, *file_system_,
                         [this](const xsrv::open_global& record, Scavenger::Then then) { persistent_.end(record, std::move(then)); }};
    loop::Timer restore_timer_{loop_, [this] { end_what_is_lost(); }};
    fsa::Holders ending_;
    std::unique_ptr<fsa::LocalChanges> local_changes_;  // null: nobody looks at them
};

Result<std::unique_ptr<Housekeeper>> make_housekeeper(HousekeeperStart& start) {
    auto mailbox = messaging::MessageSocket::open(start.configuration->global().lock_directory, start.self);
    if (!mailbox) return mailbox.failure();
    const conf::GlobalConf& conf = start.configuration->global();
    auto membership = Membership::join(start.cluster, conf, start.control.fd(), start.databases);
    if (!membership) return membership.failure();
    // A server that starts alone on its node has it to itself. One that takes over from another keeps to what that one's processes read.
    const bool alone = start.first && !start.cluster;
    const auto level = settle_format_level(conf, alone ? idl::newest_known_level() : idl::written_level());
    if (!level) return level.failure();
    if (!start.cluster) idl::set_written_level(*level);
    if (start.first) {
        for (const messaging::ServerId& id : mailbox->processes()) {
            if (!mailbox->exists(id)) mailbox->forget(id);
        }
    }
    const bool first = start.first;
    const auto leftover = start.leftover;
    const auto targets = xsrv::Leftover::targets_of(start.databases);
    const bool watches = start.watches;
    const bool clustered = start.cluster.has_value();
    if (clustered) {
        if (auto attached = (*membership)->attach_durable_state(); !attached) return attached.failure();
    }
    auto housekeeper = std::make_unique<Housekeeper>(std::move(start), std::move(mailbox).value(), std::move(*membership));
    if (clustered) {
        housekeeper->note_level();  // it may have risen before this process was told of such things
        if (auto joined = housekeeper->join_grants(); !joined) return joined.failure();
        housekeeper->end_the_dead();
        if (auto restored = housekeeper->restore_lost(); !restored) return restored.failure();
        if (auto dropped = housekeeper->drop_unused(); !dropped) return dropped.failure();
    } else if (first) {
        if (auto taken = housekeeper->take_up(leftover.get(), targets); !taken) return taken.failure();
    }
    housekeeper->mind_opens();
    if (watches) housekeeper->watch_local_changes();
    if (auto told = housekeeper->tell_ready(); !told) return told.failure();
    return housekeeper;
}

}  // namespace

void run_housekeeper(HousekeeperStart start) {
    log_set_process("housekeeper");
    {
        auto housekeeper = make_housekeeper(start);
        if (!housekeeper) {
            log_error("{}", housekeeper.error().message());
            _exit(exit_status_after(housekeeper.error()));
        }
        (*housekeeper)->run();
    }
    _exit(0);
}

}  // namespace Atoll::server

#include "ctdb/daemon/daemon.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/shared/node_clock.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

// The core wants an event at least every Config::tick.
constexpr std::chrono::milliseconds tick_interval{40};

template <class Nodes>
std::string names_of(const Nodes& nodes) {
    std::string names;
    for (const Pnn pnn : nodes) names += (names.empty() ? "" : ", ") + std::to_string(pnn);
    return names;
}

Config core_config(const Settings& settings) {
    Config config;
    config.me = settings.me;
    config.incarnation = settings.incarnation;
    config.level = settings.level;
    config.newest_level = idl::newest_known_level();
    config.by_majority = settings.by_majority();
    config.ballot = settings.ballot;
    for (const auto& node : settings.nodes) config.nodes.push_back(node.pnn);
    return config;
}

}  // namespace

Daemon::Daemon(loop::Loop& loop, Settings& settings, Fence fence, UniqueFd supervisor, std::unique_ptr<RecordDatabases> databases,
               std::unique_ptr<PersistentDatabases> persistent, SharedMemory memory)
    : loop_(loop),
      settings_(settings),
      tunables_(settings.tunables),
      statistics_(wall_now()),
      databases_(std::move(databases)),
      persistent_databases_(std::move(persistent)),
      memory_(std::move(memory)),
      shared_(memory_.lease(), memory_.gates(), *databases_),
      core_(core_config(settings), shared_, *persistent_databases_),
      persistent_(*persistent_databases_, core_, [this](Event event) { deliver(std::move(event)); }),
      links_(loop, settings, statistics_, *this),
      clients_(loop, statistics_, *this),
      record_clients_({settings.me, settings.incarnation, settings.paths.shared_memory()}, memory_, *databases_, clients_, statistics_,
                      [this](Event event) { deliver(std::move(event)); }),
      mailboxes_(clients_),
      lock_(
          loop, std::move(supervisor),
          [this](Event event) {
              if (const auto* checked = std::get_if<LockChecked>(&event)) note_lock_check(node_now() - checked->asked);
              deliver(std::move(event));
          },
          [this](const std::string& why) { fail_now(why); }),
      fence_(fence),
      node_events_(loop, settings, tunables_, fence, [this](bool healthy) { deliver(Monitored{healthy}); }),
      tickles_(loop, tunables_,
               [this](const protocol::connections& list) {
                   for (const auto& node : settings_.nodes) {
                       if (node.pnn != settings_.me) links_.send_bulk(node.pnn, PacketKind::connections, list);
                   }
               }),
      addresses_(loop, settings, fence, node_events_, tickles_, [this](Event event) { deliver(std::move(event)); }),
      ticker_(loop, [this] { tick(); }),
      once_more_(loop, [this] { deliver(Ticked{}); }),
      startup_again_(loop, [this] { started(); }),
      started_(wall_now()) {}

Result<void> Daemon::start() {
    persistent_databases_->start(loop_, [this](PersistentWritten written) { deliver(written); });
    idl::set_written_level(settings_.level);
    memory_.level() = settings_.level;
    deliver(LevelRead{idl::newest_known_level()});
    deliver(Monitored{false});
    set_policy();
    if (!settings_.conf.lmaster_capability) deliver(AdministratorSet{node_flags::NODE_NO_SLOTS, true});
    if (!settings_.conf.leader_capability) deliver(AdministratorSet{node_flags::NODE_NO_LEAD, true});
    if (settings_.conf.start_as_stopped) deliver(AdministratorSet{node_flags::NODE_STOPPED, true});
    if (settings_.conf.start_as_disabled) deliver(AdministratorSet{node_flags::NODE_DISABLED, true});
    if (auto listening = clients_.listen(settings_.paths.socket); !listening) return listening;
    if (auto linked = links_.start(); !linked) return linked;
    addresses_.start();
    watch_links();
    node_events_.notify("init");
    node_events_.run("init", {}, [this](const EventOutcome& init) {
        if (!init.ok()) return fail_now("the event init has failed");
        runs_ = protocol::run_state::SETUP;
        node_events_.notify("setup");
        node_events_.run("setup", {}, [this](const EventOutcome& setup) {
            if (!setup.ok()) return fail_now("the event setup has failed");
            first_recovery();
        });
    });
    return {};
}

void Daemon::fail_now(const std::string& why) {
    log_error("ctdbd ends: {}", why);
    failed_ = true;
    loop_.stop();
}

// While one event is handled others may come up; they are handled after it.
void Daemon::deliver(Event event) {
    events_.push_back(std::move(event));
    if (handling_) return;
    handling_ = true;
    while (!events_.empty()) {
        Event next = std::move(events_.front());
        events_.pop_front();
        for (const Action& action : core_.handle(std::move(next), node_now())) perform(action);
        note_level();
        fence_.set_deadline(core_.session() != 0 ? static_cast<Time>(shared_.lease.deadline) : 0);
    }
    handling_ = false;
    if (core_.has_more() && !once_more_.is_set()) once_more_.set_in({});
    persistent_.serve();
}

// From now on this node writes at the level that the cluster has, and so do its processes. One that has come meanwhile and cannot read
// that is ended.
void Daemon::note_level() {
    const uint32_t level = core_.level();
    if (level <= idl::written_level()) return;
    log_notice("the cluster's format level is {}", level);
    if (auto noted = note_format_level(settings_, level); !noted) log_error("{}", noted.error().message());
    memory_.level() = level;
    idl::set_written_level(level);
    record_clients_.end_older(level);
    mailboxes_.note_level();
}

void Daemon::perform(const Action& action) {
    if (const auto* send = std::get_if<Send>(&action)) {
        links_.send(send->message);
    } else if (std::holds_alternative<TakeLock>(action)) {
        lock_.take();
    } else if (const auto* check = std::get_if<CheckLock>(&action)) {
        lock_.check(*check);
    } else if (std::holds_alternative<ReleaseLock>(action)) {
        lock_.release();
    } else if (const auto* write = std::get_if<WriteRegister>(&action)) {
        lock_.write(*write);
    } else if (const auto* ballot = std::get_if<WriteBallot>(&action)) {
        lock_.write(*ballot);
    } else if (const auto* grant = std::get_if<GrantRecord>(&action)) {
        if (!record_clients_.granted(*grant)) granted(*grant);
    } else if (const auto* may_read = std::get_if<RecordReadable>(&action)) {
        if (!record_clients_.readable(*may_read)) readable(*may_read);
    } else if (const auto* store = std::get_if<WritePersistent>(&action)) {
        persistent_databases_->write(*store);
    } else if (const auto* done = std::get_if<TransactionDone>(&action)) {
        persistent_.done(*done);
    } else if (const auto* has_mirror = std::get_if<RecordMirrored>(&action)) {
        if (!record_clients_.mirrored(*has_mirror)) mirrored(*has_mirror);
    } else if (std::holds_alternative<EndClients>(action)) {
        session_ended();
    } else if (const auto* take = std::get_if<TakeAddress>(&action)) {
        addresses_.take(take->address);
    } else if (const auto* release = std::get_if<ReleaseAddress>(&action)) {
        addresses_.release(release->address);
    }
}

// The client's whole operation happens here, under the lock that it has just been given; but a store in a mirrored database waits.
void Daemon::granted(const GrantRecord& grant) {
    Copy copy;
    if (!databases_->read(grant.key, copy) || copy.holder != grant.client) return;
    const auto found = operations_.find(grant.client);
    if (found == operations_.end()) return release_record(grant.key, copy);
    if (!may_commit(copy, grant.client, core_.session(), shared_.lease, node_now())) {
        release_record(grant.key, copy);
        return deliver(ClientWants{grant.client, grant.key});
    }
    Operation& operation = found->second;
    if (operation.request.op != protocol::operation::WRITE_KEY) {
        read_record(operation, copy);
    } else {
        copy.value = operation.request.data;
        operation.stored = databases_->mirrored(grant.key.database);
        if (operation.stored) {
            copy.sequence++;
            databases_->write(grant.key, copy);
            return deliver(ClientStored{grant.client, grant.key});
        }
        answer_operation(operation, {});
    }
    operations_.erase(found);
    release_record(grant.key, copy);
}

// Without a copy to be read the operation waits for the record.
void Daemon::readable(const RecordReadable& readable) {
    const auto found = operations_.find(readable.client);
    if (found == operations_.end()) return;
    Copy copy;
    const SlotGate& gate = shared_.gates[databases_->slot_of(readable.key)];
    if (!databases_->read(readable.key, copy) || !may_read_locally(copy, gate, shared_.lease, node_now()))
        return deliver(ClientWants{readable.client, readable.key});
    read_record(found->second, copy);
    operations_.erase(found);
}

void Daemon::mirrored(const RecordMirrored& mirrored) {
    Copy copy;
    if (!databases_->read(mirrored.key, copy) || copy.holder != mirrored.client) return;
    const auto found = operations_.find(mirrored.client);
    const bool counts = may_commit(copy, mirrored.client, core_.session(), shared_.lease, node_now());
    release_record(mirrored.key, copy);
    if (found == operations_.end()) return;
    if (!counts) return deliver(ClientWants{mirrored.client, mirrored.key});
    answer_operation(found->second, {});
    operations_.erase(found);
}

// Processes end; what the daemon does for others begins again.
void Daemon::session_ended() {
    record_clients_.end_all();
    for (auto& [client, operation] : operations_) {
        if (std::exchange(operation.stored, false)) deliver(ClientWants{client, operation.key});
    }
}

void Daemon::release_record(const RecordKey& key, Copy& copy) {
    copy.holder = 0;
    databases_->write(key, copy);
    if (release_is_awaited(copy, shared_.gates[databases_->slot_of(key)])) deliver(ClientReleased{key});
}

void Daemon::read_record(const Operation& operation, const Copy& copy) {
    protocol::reply reply;
    if (copy.value.size() > protocol::MAX_DATA) {
        reply.result = protocol::outcome::NO_SPACE;
        reply.text = "the value is larger than a reply can be";
    } else {
        reply.data = copy.value;
    }
    answer_operation(operation, std::move(reply));
}

void Daemon::answer_operation(const Operation& operation, protocol::reply reply) {
    reply.number = operation.request.number;
    statistics_.called(operation.key.database);
    statistics_.lasted(&protocol::statistics::call, node_now() - operation.since);
    operation.answer(std::move(reply));
}

void Daemon::tick() {
    ticker_.set_in(tick_interval);
    if (std::exchange(relist_, false)) links_.relist();
    statistics_.tick(wall_now(), tunables_.stat_history_interval);
    deliver(Ticked{});
    note_state();
    note_lending();
    if (settings_.by_majority()) note_votes();
    addresses_.tick(serving());
    note_placement();
    if (leave_until_ != 0 && ((may_leave() && addresses_.all_down()) || node_now() >= leave_until_)) leave();
}

// Its records are with others, or there is nobody who would take them. A leader that shuts down is without a lease until another leads.
bool Daemon::may_leave() const {
    if (core_.session() == 0 || serving()) return core_.session() == 0;
    constexpr node_flags kept_out = node_flags::NODE_STOPPED | node_flags::NODE_BANNED;
    return std::none_of(settings_.nodes.begin(), settings_.nodes.end(), [&](const auto& node) {
        return node.pnn != settings_.me && core_.hears(node.pnn) && !any(core_.peer(node.pnn).last.flags & kept_out);
    });
}

bool Daemon::serving() const { return core_.session() != 0 && lease_holds(shared_.lease, node_now()); }

bool Daemon::recovering() const {
    if (core_.session() == 0) return true;
    const Phase phase = core_.phase();
    return phase == Phase::collecting || phase == Phase::frozen || phase == Phase::without_lease || !core_.settled();
}

// What the log and `ctdb uptime` say of recoveries and leaders, and the way from the start to RUNNING.
void Daemon::note_state() {
    const bool now_recovering = recovering();
    if (now_recovering && !was_recovering_) {
        recovery_started_ = wall_now();
        node_events_.run("startrecovery");
    }
    if (!now_recovering && was_recovering_) {
        recovery_finished_ = wall_now();
        statistics_.count(&protocol::statistics::num_recoveries);
        node_events_.run("recovered");
    }
    was_recovering_ = now_recovering;
    if (core_.session() != 0) mailboxes_.note_members(core_.view());
    if (core_.session() != noted_session_) {
        noted_session_ = core_.session();
        log_notice("node {} {}", settings_.me, noted_session_ != 0 ? "is a member of the cluster" : "is no member of the cluster any more");
    }
    if (core_.leader() != noted_leader_) {
        noted_leader_ = core_.leader();
        log_notice("the leader is {}", noted_leader_ == no_node ? "not known" : "node " + std::to_string(noted_leader_));
    }
    if (runs_ == protocol::run_state::FIRST_RECOVERY && serving() && !now_recovering) started();
}

void Daemon::note_lending() {
    const uint64_t delegations = core_.transitions().count(Transition::delegated);
    const uint64_t revokes = core_.transitions().count(Transition::delegations_revoked);
    statistics_.count(&protocol::statistics::ro_delegations, delegations - std::exchange(noted_delegations_, delegations));
    statistics_.count(&protocol::statistics::ro_revokes, revokes - std::exchange(noted_revokes_, revokes));
}

// Who votes, and for whom a node waits that has nothing to vote by.
void Daemon::note_votes() {
    const Voter& voter = core_.voter();
    const auto soon = static_cast<Time>(std::chrono::microseconds(limits::votes_notice).count());
    if (std::set<Pnn> unlearned = voter.unlearned(); unlearned != noted_unlearned_ && (unlearned.empty() || wall_now() > started_ + soon)) {
        noted_unlearned_ = std::move(unlearned);
        if (!noted_unlearned_.empty())
            log_notice("this node has no vote on its disk, and has none before it has heard from all others: it waits for {}",
                       names_of(noted_unlearned_));
    }
    const protocol::register_copy* copy = voter.copy();
    if (copy == nullptr || copy->voters == noted_voters_) return;
    noted_voters_ = copy->voters;
    log_notice("nodes with a vote: {}", names_of(noted_voters_));
}

void Daemon::note_lock_check(Time lasted) {
    statistics_.lasted(&protocol::statistics::lock_check, lasted);
    const uint32_t limit = tunables_.rec_lock_latency_ms;
    if (limit != 0 && lasted > limit * millisecond) log_notice("a look at the cluster lock has taken {} ms", lasted / millisecond);
}

void Daemon::shut_down() {
    if (leave_until_ != 0) return;
    log_notice("node {} shuts down", settings_.me);
    runs_ = protocol::run_state::SHUTTING_DOWN;
    leave_until_ = node_now() + static_cast<Time>(std::chrono::microseconds(limits::leaving_time).count());
    deliver(AdministratorSet{node_flags::NODE_STOPPED, true});
    if (!ticker_.is_set()) tick();
}

}  // namespace Atoll::ctdb

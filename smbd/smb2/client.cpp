#include "smbd/smb2/client.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/smb2/limits.h"
#include "smbd/smb2/session_binding.h"
#include "smbd/xsrv/message_types.h"

namespace Atoll::smb2 {
namespace {

// Requests, responses and payloads live in chunks and pools of the connection; a session that ends takes its opens with it as the user
// that it was, so that delete-on-close has that user's rights and no others.
void act_as(const xsrv::Tcon& tcon) {
    if (!loop::take_identity(tcon.identity)) log_error("cannot act as uid {} for the end of a tree connect", tcon.identity.uid);
}

fsa::Holder holder_of(const messaging::ServerId& id) { return {id.node, id.pid, id.unique_id}; }

}  // namespace

std::unique_ptr<ClientProcess> ClientProcess::create(ProcessContext context) { return std::make_unique<Client>(std::move(context)); }

Client::Client(ProcessContext context) : context_(std::move(context)), ids_(context_.ask_ids) {
    messaging::Messaging& messaging = context_.messaging;
    services_ = std::make_unique<services::Services>(services::ServicesContext{
        [this] { return shared_configuration(); },
        context_.loop,
        tables(),
        messaging,
        [this](const xsrv::open_global& open) {
            const fsa::FileId file{open.id.volume, open.id.inode, open.id.generation};
            return static_cast<uint32_t>(file_system_->locks_of(file, open.stream, open.persistent_id));
        },
    });
    file_system_ = fsa::FileSystem::create({
        .locking = tables().locking(),
        .brlock = tables().brlock(),
        .self = holder_of(messaging.self()),
        .holder_exists =
            [&messaging](const fsa::Holder& holder) {
                return messaging.exists({holder.node, holder.pid, holder.unique_id});
            },
        .ids = &ids_,
        .leases = context_.configuration->global().smb2_leases ? &tables().leases() : nullptr,
        .messaging = &messaging,
        .watches = &tables().watches(),
        .loop = &context_.loop,
        .breaks = this,
        .node_grants = context_.node_grants,
        .directories = context_.directories,
        .share_at = [this](const std::string& path) { return share_at(path); },
        .open_ended = [this](uint64_t open_id) { open_ended(open_id); },
        .object_ids = [this] { return object_ids(); },
        .notify_index = &tables().notify_index(),
    });
    receive_messages();
}

Client::~Client() {
    context_.messaging.receive(xsrv::message_end_session, {});
    context_.messaging.receive(xsrv::message_close_open, {});
    *alive_ = false;
}

tdb::Database* Client::object_ids() {
    if (object_ids_) return object_ids_.get();
    auto opened = xsrv::open_object_ids(context_.configuration->global().state_directory);
    if (opened.ok()) {
        object_ids_ = std::move(*opened);
    } else {
        log_error("object ids are not compared: {}", opened.error().message());
    }
    return object_ids_.get();
}

void Client::receive_messages() {
    const auto id_in = [](const messaging::Message& message) {
        ByteReader in(message.payload);
        const uint64_t id = in.u64();
        return in.ok() ? id : 0;
    };
    context_.messaging.receive(xsrv::message_end_session, [this, id_in](messaging::Message& message) { end_session(id_in(message)); });
    context_.messaging.receive(xsrv::message_close_open, [this, id_in](messaging::Message& message) {
        const uint64_t id = id_in(message);
        opens_.for_each([&](const xsrv::Ref<xsrv::Open>& open) {
            if (open->persistent_id == id) end_open(*open);
        });
        loop::take_root();
    });
}

uint32_t Client::max_credits() const { return configuration().global().smb2_max_credits; }

Result<void, NtStatus> Client::take_channel(UniqueFd socket, ChannelState channel, const PreauthHash& session_preauth_hash,
                                            LogonGrant grant, Bytes frame, Bytes unread) {
    if (connections_.size() >= limits::max_connections_per_client) return NtStatus::INSUFFICIENT_RESOURCES;
    auto connection = std::make_unique<Connection>(*this, std::move(channel), std::move(socket));
    Connection& taken = *connection;
    connections_.push_back(std::move(connection));
    if (!taken.finish_handed_over(frame, {std::move(grant), session_preauth_hash})) {
        connections_.pop_back();
        return NtStatus::INVALID_PARAMETER;
    }
    taken.start(unread);
    return {};
}

Result<void, NtStatus> Client::bind_channel(UniqueFd& socket, ChannelState channel, Bytes frame, Bytes unread) {
    const auto header = smb::Header::decode(frame);
    if (!header.ok()) return header.error();
    if (header->command != smb::Command::session_setup || header->next_command != 0) return NtStatus::INVALID_PARAMETER;
    const auto session = find_session(header->session_id);
    if (const NtStatus status = verify_binding(session.get(), *header, frame); status != NtStatus::SUCCESS) return status;
    constexpr size_t most = limits::max_connections_per_client + limits::max_refused_channels;
    if (connections_.size() >= most) return NtStatus::INSUFFICIENT_RESOURCES;
    connections_.push_back(std::make_unique<Connection>(*this, std::move(channel), std::move(socket)));
    Connection& taken = *connections_.back();
    const bool begun = taken.begin_binding(frame);
    ATOLL_ASSERT(begun);
    taken.start(unread);
    return {};
}

void Client::shutdown() {
    for (const auto& connection : connections_) connection->close("the server ends");
}

Result<void, NtStatus> Client::close_open(xsrv::Open& open, fsa::FileInfo* info) {
    const xsrv::Ref<xsrv::Open> keep(&open);
    ATOLL_ASSERT(open.is_open());
    create_replays_.forget(open);
    persistence_.closed(open);
    Result<void, NtStatus> closed;
    if (fsa::Open* file = std::exchange(open.file, nullptr)) closed = file_system_->close(*file, info);
    if (const auto pipe = std::exchange(open.pipe, nullptr)) pipe->close();
    open.quota_index.reset();
    tables().remove_open(open);
    open.tcon->open_count--;
    opens_.remove(open);
    end_lock_waits(open);
    return closed;
}

// Their chains go on, under other identities.
void Client::end_lock_waits(const xsrv::Open& open) {
    for (;;) {
        const auto waiting = std::ranges::find_if(lock_waits_, [&](const Request* one) { return one->open.get() == &open; });
        if (waiting == lock_waits_.end()) return;
        (*waiting)->lock_wait.open_closed();
    }
}

void Client::end_open(xsrv::Open& open) {
    if (open.file) act_as(*open.tcon);
    if (const auto closed = close_open(open); !closed.ok()) log_warning("closing a file: {}", to_string(closed.error()));
}

void Client::close_opens(const xsrv::Session& session, const xsrv::Tcon& tcon) {
    opens_.for_each([&](const xsrv::Ref<xsrv::Open>& open) {
        if (open->session.get() == &session && open->tcon.get() == &tcon) end_open(*open);
    });
}

// MS-SMB2 3.3.7.1. False: it does not outlive its connection.
bool Client::disconnect_open(xsrv::Open& open) {
    if (!open.durable || !open.file) return false;
    const xsrv::Ref<xsrv::Open> keep(&open);
    act_as(*open.tcon);
    fsa::RemainingOpen remains;
    if (!file_system_->disconnect(*open.file, remains)) return false;
    open.file = nullptr;
    create_replays_.forget(open);
    persistence_.forget(open);
    loop::take_root();
    xsrv::note_remains(remains, *open.durable);
    open.durable->lock_sequences = open.lock_sequences;
    open.durable->step_begun.reset();
    note_open_away(open.persistent_id, remains.name, *open.durable);
    open.tcon->open_count--;
    opens_.remove(open);
    end_lock_waits(open);
    return true;
}

void Client::open_is_away(uint64_t persistent_id, const std::string& name, const xsrv::durable_open& state) {
    note_open_away(persistent_id, name, state);
    tell_of_opens_away();
}

void Client::note_open_away(uint64_t persistent_id, const std::string& name, const xsrv::durable_open& state) {
    const auto noted = tables().disconnect_open(persistent_id, context_.messaging.self(), name, state);
    if (!noted) log_error("{}", noted.error().message());
    ByteWriter(away_).u64(persistent_id);
    if (away_.size() >= limits::opens_away_in_message * sizeof persistent_id) tell_of_opens_away();
}

// If the housekeeper cannot be told it looks for them at the end of this process.
void Client::tell_of_opens_away() {
    if (away_.empty()) return;
    context_.messaging.broadcast(messaging::ProcessClass::housekeeper, xsrv::message_open_disconnected, away_);
    away_.clear();
}

void Client::open_ended(uint64_t open_id) {
    const auto record = tables().find_open(open_id);
    if (record && xsrv::is_persistent(*record) && persistence_.is_there()) {
        const auto known = persistence_.state().find_open(open_id);
        committer::Batch batch;
        xsrv::remove_open(batch, open_id, known ? xsrv::buckets_of(*known) : 0);
        persistence_.submit(batch);
    }
    tables().remove_disconnected_open(open_id);
}

// For what ends while its client is away.
fsa::Share* Client::share_at(const std::string& path) {
    for (const auto& connection : connections_) {
        for (const auto& [id, bound] : connection->sessions) {
            for (const auto& [tree_id, tcon] : bound.session->tcons) {
                if (tcon->share && tcon->share_path == path) return tcon->share.get();
            }
        }
    }
    return nullptr;
}

void Client::end_tcon(xsrv::Session& session, xsrv::Tcon& tcon) {
    const xsrv::Ref<xsrv::Tcon> keep(&tcon);
    close_opens(session, tcon);
    loop::take_root();
    tables().remove_tcon(session.id, tcon.id);
    session.tcons.erase(tcon.id);
}

void Client::end_tcons(xsrv::Session& session) {
    for (const auto& [id, tcon] : std::map(session.tcons)) end_tcon(session, *tcon);
}

void Client::end_session(xsrv::Session& session) {
    const xsrv::Ref<xsrv::Session> keep(&session);
    opens_.for_each([&](const xsrv::Ref<xsrv::Open>& open) {
        if (open->session.get() == &session && !disconnect_open(*open)) end_open(*open);
    });
    tell_of_opens_away();
    loop::take_root();
    for (const auto& [id, tcon] : session.tcons) tables().remove_tcon(session.id, id);
    session.tcons.clear();
    session.ended = true;
    tables().remove_session(session.id);
    for (const auto& connection : connections_) {
        connection->forget_session(session.id);
        connection->end_logon(session.id);
    }
    end_unanswered_creates(session);
}

// Those whose channel is gone: nobody may replay them any more.
void Client::end_unanswered_creates(const xsrv::Session& session) {
    for (const auto& connection : connections_) {
        if (connection->ended()) connection->abandon_chains([&](const Request& one) { return one.session.get() == &session; });
    }
}

bool Client::end_session(uint64_t session_id) {
    const auto session = find_session(session_id);
    if (session) end_session(*session);
    return bool(session);
}

xsrv::Ref<xsrv::Session> Client::find_session(uint64_t session_id) const {
    for (const auto& connection : connections_) {
        if (auto session = connection->find_session(session_id)) return session;
    }
    return nullptr;
}

bool Client::may_be_replayed(const Request& request) const {
    if (!request.session || request.session->ended || !create_replays_.is_waiting(request)) return false;
    return std::ranges::any_of(connections_, [&](const auto& other) {
        return other.get() != &request.connection() && !other->ended() && other->find_session(request.session->id);
    });
}

void Client::connection_ended(Connection& connection) {
    const auto sessions = connection.sessions;
    connection.sessions.clear();
    for (const auto& entry : sessions) {
        xsrv::Session& session = *entry.second.session;
        if (session.ended) continue;
        const bool elsewhere =
            std::any_of(connections_.begin(), connections_.end(), [&](const auto& other) { return other->sessions.contains(entry.first); });
        if (!elsewhere) {
            end_session(session);
            continue;
        }
        std::erase_if(session.channels, [&](const xsrv::SessionChannel& channel) { return channel.id == connection.id(); });
        if (const auto renewed = tables().renew_session(session); !renewed) log_error("{}", renewed.error().message());
    }
    break_notices_.connection_ended(connection);
}

void Client::reap_later() {
    if (reaping_) return;
    reaping_ = true;
    context_.loop.post([this, alive = alive_] {
        if (*alive) reap();
    });
}

void Client::reap() {
    reaping_ = false;
    std::erase_if(connections_, [](const auto& connection) { return connection->is_gone(); });
    if (connections_.empty() && context_.on_idle) context_.on_idle();
}

}  // namespace Atoll::smb2

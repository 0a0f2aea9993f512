// atoll.attack: somebody who wants what is another's: handles that wait for their client, sessions, locks, leases. Refused with the status
// that the specification names; the victim notices nothing. Then frames replayed and reordered, and floods.
#include <algorithm>
#include <array>
#include <functional>

#include "torture/breaks.h"
#include "torture/descriptors.h"
#include "torture/memory.h"
#include "torture/reconnect.h"

namespace Atoll::torture {
namespace {

using client::CreateCall;
using client::File;
using client::NegotiateOptions;
using client::OpenOptions;
using client::RequestOptions;
using smb::Command;

constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately;

// A durable handle whose client is away. It holds a lock on its first ten bytes.
struct Victim {
    NegotiateOptions negotiate;
    OpenOptions how;
    std::string path;
    smb::FileId id;
    bool ready = false;

    Victim(Test& t, OpenOptions open) : negotiate(t.negotiate_options()), how(std::move(open)) { make(t); }

    [[nodiscard]] OpenOptions request() const { return taking_back(how, id); }

    // It comes back, and everything is as it was left.
    void unharmed(Test& t) const {
        REQUIRE(t, c, t.client(negotiate));
        REQUIRE(t, f, File::open(*c->tree, path, request()));
        CHECK(t, content(*f) == "secret", "the content has changed");
        CHECK_STATUS(t, f->lock(0, 10, exclusive), NtStatus::LOCK_NOT_GRANTED);
        CHECK_STATUS(t, f->unlock(0, 10), NtStatus::SUCCESS);
        if (how.contexts.lease) CHECK(t, lease_state_of(*f) == how.contexts.lease->state, "the lease is {}", lease_state_of(*f));
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }

 private:
    void make(Test& t) {
        REQUIRE(t, c, t.client(negotiate));
        path = t.path(*c, "f");
        REQUIRE(t, f, File::open(*c->tree, path, how));
        CHECK(t, f->contexts().durable_v2, "not durable");
        CHECK_STATUS(t, write_text(*f, "secret"), NtStatus::SUCCESS);
        CHECK_STATUS(t, f->lock(0, 10, exclusive), NtStatus::SUCCESS);
        id = f->id();
        ready = cut_off(t, *c);
    }
};

NtStatus steal(Client& thief, const std::string& path, const OpenOptions& how) {
    const auto stolen = File::open(*thief.tree, path, how);
    return stolen ? NtStatus::SUCCESS : stolen.error();
}

void another_user(Test& t) {
    for (const bool leased : {false, true}) {
        const Guid guid = Guid::random();
        const Victim victim(t, leased ? durable_leased(guid, Guid::random(), R | H | W) : durable(guid));
        if (!victim.ready) return;
        REQUIRE(t, thief, client_as(t, "user2", victim.negotiate));
        CHECK_STATUS(t, steal(*thief, victim.path, victim.request()), NtStatus::ACCESS_DENIED);
        victim.unharmed(t);
        if (t.ended()) return;
    }
}

void another_client_guid(Test& t) {
    const Victim victim(t, durable_leased(Guid::random(), Guid::random(), R | H));
    if (!victim.ready) return;
    REQUIRE(t, thief, t.client());
    CHECK_STATUS(t, steal(*thief, victim.path, victim.request()), NtStatus::OBJECT_NAME_NOT_FOUND);
    victim.unharmed(t);
}

void guessed_file_ids(Test& t) {
    const Victim victim(t, durable(Guid::random()));
    if (!victim.ready) return;
    REQUIRE(t, thief, t.client(victim.negotiate));
    for (unsigned bit = 0; bit < 64; bit++) {
        for (const bool version_1 : {false, true}) {
            OpenOptions how = victim.request();
            smb::FileId& id = how.contexts.durable_reconnect_v2->file_id;
            id.persistent_id ^= uint64_t{1} << bit;
            if (version_1) {
                how.contexts.durable_reconnect = id;
                how.contexts.durable_reconnect_v2.reset();
            }
            CHECK_STATUS(t, steal(*thief, victim.path, how), NtStatus::OBJECT_NAME_NOT_FOUND);
        }
    }
    victim.unharmed(t);
}

void guessed_create_guids(Test& t) {
    const Victim victim(t, durable(Guid::random()));
    if (!victim.ready) return;
    REQUIRE(t, thief, t.client(victim.negotiate));
    OpenOptions how = victim.request();
    const Guid right = how.contexts.durable_reconnect_v2->create_guid;
    for (size_t byte = 0; byte < right.bytes.size(); byte++) {
        Guid wrong = right;
        wrong.bytes[byte] ^= 1;
        how.contexts.durable_reconnect_v2->create_guid = wrong;
        CHECK_STATUS(t, steal(*thief, victim.path, how), NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    for (const Guid& wrong : {Guid(), Guid::random()}) {
        how.contexts.durable_reconnect_v2->create_guid = wrong;
        CHECK_STATUS(t, steal(*thief, victim.path, how), NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    victim.unharmed(t);
}

void guessed_lease_keys(Test& t) {
    const Victim victim(t, durable_leased(Guid::random(), Guid::random(), R | H | W));
    if (!victim.ready) return;
    REQUIRE(t, thief, t.client(victim.negotiate));
    for (const Guid& wrong : {Guid(), Guid::random()}) {
        OpenOptions how = victim.request();
        how.contexts.lease->key = wrong;
        CHECK_STATUS(t, steal(*thief, victim.path, how), NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    OpenOptions without = victim.request();
    without.contexts.lease.reset();
    without.oplock = smb::OplockLevel::batch;
    CHECK_STATUS(t, steal(*thief, victim.path, without), NtStatus::OBJECT_NAME_NOT_FOUND);
    OpenOptions renamed = victim.request();
    CHECK_STATUS(t, steal(*thief, t.path(*thief, "g"), renamed), NtStatus::INVALID_PARAMETER);
    victim.unharmed(t);
}

// A CREATE that says that it is a replay, with the create GUID of an open of another client or another user: it is one of its own.
void replayed_create(Test& t) {
    const Guid guid = Guid::random();
    REQUIRE(t, owner, t.client());
    const std::string path = t.path(*owner, "f");
    OpenOptions how = durable(guid);
    REQUIRE(t, f, File::open(*owner->tree, path, how));
    REQUIRE(t, other_client, t.client());
    REQUIRE(t, other_user, client_as(t, "user2", owner->connection->options()));
    RequestOptions replay;
    replay.flags = smb::header_flags::replay_operation;
    how.oplock = smb::OplockLevel::none;
    how.contexts.durable_request_v2->create_guid = guid;
    for (Client* thief : {other_client.get(), other_user.get()}) {
        CHECK_STATUS(t, f->lock(0, 10, exclusive), NtStatus::SUCCESS);
        auto exchange = thief->tree->start(Command::create, CreateCall(path, how), replay);
        (void)owner->connection->wait_until([&] { return exchange->done(); }, std::chrono::milliseconds(500));
        const auto acknowledged = owner->tree->start(Command::oplock_break, smb::OplockBreak{smb::OplockLevel::ii, f->id()});
        (void)owner->connection->wait(acknowledged);
        const NtStatus status = thief->connection->wait(exchange);
        if (status == NtStatus::SUCCESS) {
            REQUIRE(t, created, exchange->decode<smb::CreateResponse>());
            CHECK(t, created->file_id.persistent_id != f->id().persistent_id, "another's open is given");
            File own(*thief->tree, *created);
            CHECK_STATUS(t, own.lock(5, 1, exclusive), NtStatus::LOCK_NOT_GRANTED);
            CHECK_STATUS(t, own.close(), NtStatus::SUCCESS);
        } else {
            CHECK_STATUS_ONE_OF(t, status, NtStatus::ACCESS_DENIED, NtStatus::DUPLICATE_OBJECTID, NtStatus::OBJECT_NAME_NOT_FOUND);
        }
        CHECK_STATUS(t, f->unlock(0, 10), NtStatus::SUCCESS);
    }
}

// The ids of another session on one's own: MS-SMB2 3.3.5.2.9, 3.3.5.2.11, 3.3.5.12.
void ids_of_another_session(Test& t) {
    client::LogOnOptions log_on;
    log_on.sign = true;
    REQUIRE(t, victim, t.client(log_on));
    REQUIRE(t, f, t.file(*victim, "f", pattern_bytes(100)));
    REQUIRE(t, thief, client_as(t, "user2", t.negotiate_options(), log_on));
    smb::ReadRequest read;
    read.length = 10;
    read.file_id = f->id();
    CHECK_STATUS(t, thief->status_of(Command::read, read), NtStatus::FILE_CLOSED);
    CHECK_STATUS(t, thief->status_of(Command::close, smb::CloseRequest{0, f->id()}), NtStatus::FILE_CLOSED);
    CHECK_STATUS(t, thief->status_of(Command::oplock_break, smb::OplockBreak{smb::OplockLevel::none, f->id()}), NtStatus::FILE_CLOSED);
    RequestOptions theirs;
    theirs.session_id = victim->session->id();
    for (const Command command : {Command::echo, Command::logoff, Command::tree_disconnect}) {
        if (!thief->connection->alive()) thief = client_as(t, "user2", t.negotiate_options(), log_on);
        if (!thief) return;
        auto exchange = thief->tree->start(command, smb::EmptyMessage{}, theirs);
        (void)thief->connection->wait(exchange);
        CHECK_STATUS_ONE_OF(t, exchange->message().empty() ? exchange->status() : exchange->header().status, NtStatus::USER_SESSION_DELETED,
                            NtStatus::CONNECTION_DISCONNECTED);
    }
    CHECK_STATUS(t, write_text(*f, "still mine"), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.5.22.1, 3.3.5.22.2: nobody acknowledges for another.
void another_clients_lease(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    REQUIRE(t, thief, client_as(t, "user2", t.negotiate_options()));
    Breaks breaks(t, *one);
    const Guid key = Guid::random();
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, leased(key, R | W | H)));
    OpenOptions plain;
    const auto pending = two->tree->start(Command::create, CreateCall(path, plain));
    REQUIRE(t, broken, breaks.next_lease());
    for (const uint32_t state : {0U, R, R | H}) CHECK_STATUS(t, acknowledge_lease(*thief, key, state), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK(t, !pending->done() || pending->status() == NtStatus::PENDING, "another's acknowledgment counts");
    CHECK_STATUS(t, acknowledge_lease(*one, key, R | H), NtStatus::SUCCESS);
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.5.5.3: a previous session ends only for its own user.
void previous_session_of_another(Test& t) {
    REQUIRE(t, victim, t.client());
    REQUIRE(t, f, t.file(*victim, "f", pattern_bytes(10)));
    client::LogOnOptions log_on;
    log_on.previous_session_id = victim->session->id();
    REQUIRE(t, thief, client_as(t, "user2", victim->connection->options(), log_on));
    CHECK_STATUS(t, write_text(*f, "still mine"), NtStatus::SUCCESS);
    for (unsigned bit = 0; bit < 64; bit += 5) {
        log_on.previous_session_id = victim->session->id() ^ uint64_t { 1 } << bit;
        REQUIRE(t, guesser, t.client(log_on));
    }
    CHECK_STATUS(t, write_text(*f, "still mine"), NtStatus::SUCCESS);
}

// What `frame` gets for an answer: its status, or CONNECTION_DISCONNECTED.
NtStatus answer_to(client::Connection& connection, Bytes frame) {
    std::optional<NtStatus> answer;
    connection.on_frame = [&](Bytes reply) {
        const auto header = smb::Header::decode(reply);
        if (header.ok() && header->status != NtStatus::PENDING) answer = header->status;
    };
    connection.send_frame(frame);
    connection.wait_until([&] { return answer || !connection.alive(); }, std::chrono::seconds(5));
    connection.on_frame = {};
    if (answer) return *answer;
    return connection.alive() ? NtStatus::IO_TIMEOUT : NtStatus::CONNECTION_DISCONNECTED;
}

Buffer echo_frame(const Client& c, uint64_t session_id, uint32_t flags = 0) {
    Buffer frame;
    ByteWriter out(frame);
    smb::Header header;
    header.credit_charge = 1;
    header.command = Command::echo;
    header.credits = 1;
    header.flags = flags;
    header.session_id = session_id;
    header.message_id = c.connection->next_message_id();
    header.encode(out);
    smb::EmptyMessage{}.encode(out);
    return frame;
}

// The key of a session that is over is good for nothing: neither in the old session's name nor in the new one's, signed or sealed.
void old_session_key(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_00) return t.skip("needs SMB 3");
    client::LogOnOptions log_on;
    log_on.sign = true;
    REQUIRE(t, old, t.client(log_on));
    log_on.previous_session_id = old->session->id();
    const std::array<std::pair<bool, bool>, 4> ways = {{{false, false}, {true, false}, {false, true}, {true, true}}};
    for (const auto& way : ways) {
        const bool in_old_name = way.first, sealed = way.second;
        REQUIRE(t, now, t.client(log_on));
        const uint64_t name = in_old_name ? old->session->id() : now->session->id();
        Buffer frame = echo_frame(*now, name, sealed ? 0 : smb::header_flags::is_signed);
        if (!sealed) {
            old->session->signer()->sign(frame.mutable_bytes());
            const NtStatus refused = in_old_name ? NtStatus::USER_SESSION_DELETED : NtStatus::ACCESS_DENIED;
            CHECK_STATUS(t, answer_to(*now->connection, frame), refused);
            continue;
        }
        const smb::Sealer sealer(now->connection->negotiated().cipher, old->session->keys().client_to_server, name);
        Buffer whole;
        whole.append_zeros(smb::TransformHeader::size);
        whole.append(frame);
        const MutableBytes plain = whole.mutable_bytes().subspan(smb::TransformHeader::size);
        sealer.seal(whole.mutable_bytes().first<smb::TransformHeader::size>(), {&plain, 1});
        CHECK_STATUS(t, answer_to(*now->connection, whole), NtStatus::CONNECTION_DISCONNECTED);
    }
    t.server_alive();
}

// One frame of the session's, signed or sealed as the session is, which the connection knows nothing of.
Buffer protected_frame(const Client& c, const smb::Header& header, const std::function<void(ByteWriter&)>& body) {
    const bool seal = c.session->should_seal();
    Buffer plain;
    ByteWriter out(plain);
    smb::Header full = header;
    full.credit_charge = 1;
    full.credits = 1;
    full.flags = seal ? 0 : smb::header_flags::is_signed;
    full.session_id = c.session->id();
    full.tree_id = c.tree->id();
    full.encode(out);
    body(out);
    if (!seal) {
        c.session->signer()->sign(plain.mutable_bytes());
        return plain;
    }
    Buffer whole;
    whole.append_zeros(smb::TransformHeader::size);
    whole.append(plain);
    const MutableBytes part = whole.mutable_bytes().subspan(smb::TransformHeader::size);
    c.session->sealer()->seal(whole.mutable_bytes().first<smb::TransformHeader::size>(), {&part, 1});
    return whole;
}

Buffer write_frame(const Client& c, const File& f, uint64_t message_id, uint64_t offset, char byte) {
    const auto value = static_cast<uint8_t>(byte);
    smb::Header header;
    header.command = Command::write;
    header.message_id = message_id;
    smb::WriteRequest write;
    write.offset = offset;
    write.file_id = f.id();
    write.data = Bytes(&value, 1);
    return protected_frame(c, header, [&](ByteWriter& out) { write.encode(out); });
}

// MS-SMB2 3.3.1.1, 3.3.5.2.3: ids of the window may be used in any order, once each. Frames in reversed order are served; one of them again
// ends the connection, and is not done.
void reordered_and_replayed(Test& t) {
    for (const bool seal : {false, true}) {
        if (seal && t.target.max_dialect < smb::Dialect::smb3_00) return;
        client::LogOnOptions log_on;
        log_on.sign = !seal;
        log_on.seal = seal;
        REQUIRE(t, c, t.client(log_on));
        REQUIRE(t, f, t.file(*c, "f"));
        const uint64_t first = c->connection->next_message_id();
        std::vector<Buffer> frames;
        for (uint64_t i = 0; i < 4; i++) frames.push_back(write_frame(*c, *f, first + i, i, static_cast<char>('a' + i)));
        for (size_t i = frames.size(); i-- > 0;) {
            // A sealed answer is opened in place by the connection; that it came is enough.
            Buffer copy;
            copy.assign(frames[i]);
            bool answered = false;
            c->connection->on_frame = [&](Bytes) { answered = true; };
            c->connection->send_frame(copy);
            CHECK(t, c->connection->wait_until([&] { return answered || !c->connection->alive(); }, std::chrono::seconds(5)) && answered,
                  "frame {} is not answered", i);
        }
        c->connection->set_next_message_id(first + frames.size());
        c->connection->on_frame = {};
        CHECK(t, content(*f) == "abcd", "not all of them were done");
        CHECK_STATUS(t, write_text(*f, "ABCD"), NtStatus::SUCCESS);
        c->connection->send_frame(frames[2]);
        CHECK(t, c->connection->wait_until([&] { return !c->connection->alive(); }, std::chrono::seconds(5)), "the connection goes on");
        REQUIRE(t, again, t.client());
        REQUIRE(t, same, File::open(*again->tree, t.path(*again, "f")));
        CHECK(t, content(*same) == "ABCD", "a frame was done twice");
    }
}

// The first leg of a log-on, which nobody goes on with: a new session's, or one that binds to `session_id`.
client::ExchangePtr half_a_logon(Test& t, client::Connection& connection, uint64_t session_id, const smb::Signer* signer) {
    auth::Initiator initiator(t.target.credentials());
    const auto token = initiator.start();
    smb::SessionSetupRequest request;
    request.security_mode = static_cast<uint8_t>(smb::security_mode::signing_enabled);
    request.security_buffer = token;
    constexpr uint8_t binding = 1;  // SMB2_SESSION_FLAG_BINDING
    request.flags = session_id != 0 ? binding : uint8_t{0};
    RequestOptions options;
    options.session_id = session_id;
    options.flags = signer != nullptr ? smb::header_flags::is_signed : 0;
    client::Compound compound(connection);
    auto exchange = compound.add(nullptr, 0, Command::session_setup, request, options);
    connection.before_send = [&](Buffer& frame) {
        if (signer != nullptr) signer->sign(frame.mutable_bytes());
    };
    compound.send();
    connection.before_send = {};
    return exchange;
}

NtStatus half_a_logon_answered(Test& t, client::Connection& connection, uint64_t session_id = 0, const smb::Signer* signer = nullptr) {
    return connection.wait(half_a_logon(t, connection, session_id, signer), std::chrono::seconds(10));
}

// MS-SMB2 3.3.5.5: to bind a connection to a session takes that session's key.
void binding_without_the_key(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_00) return t.skip("needs SMB 3");
    REQUIRE(t, victim, t.client());
    const auto options = victim->connection->options();
    const smb::Signer wrong(victim->connection->negotiated().signing, pattern_bytes(16));
    struct Way {
        uint64_t id;
        const smb::Signer* signer;
        NtStatus refused;
    };
    const Way ways[] = {{victim->session->id(), nullptr, NtStatus::INVALID_PARAMETER},
                        {victim->session->id(), &wrong, NtStatus::ACCESS_DENIED},
                        {victim->session->id() ^ 0x100, &wrong, NtStatus::USER_SESSION_DELETED},
                        {1, victim->session->signer(), NtStatus::USER_SESSION_DELETED}};
    for (const Way& way : ways) {
        REQUIRE(t, connection, t.negotiate(options));
        CHECK_STATUS(t, half_a_logon_answered(t, *connection, way.id, way.signer), way.refused);
    }
    CHECK_STATUS(t, victim->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
}

// Whether the server is at the service of one who was there before and of one who comes now.
void check_service(Test& t, Client& before, File& f) {
    CHECK_STATUS(t, write_text(f, "still served"), NtStatus::SUCCESS);
    CHECK_STATUS(t, before.status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    t.server_alive();
}

bool is_bounded(NtStatus status) {
    return one_of(status, {NtStatus::MORE_PROCESSING_REQUIRED, NtStatus::INSUFFICIENT_RESOURCES, NtStatus::CONNECTION_DISCONNECTED,
                           NtStatus::REQUEST_NOT_ACCEPTED, NtStatus::TOO_MANY_SESSIONS});
}

void half_open_sessions(Test& t) {
    REQUIRE(t, before, t.client());
    REQUIRE(t, f, t.file(*before, "f"));
    REQUIRE(t, connection, t.negotiate());
    for (int i = 0; i < 500 && connection->alive(); i++) {
        const NtStatus status = half_a_logon_answered(t, *connection);
        CHECK(t, is_bounded(status), "number {}: {}", i, to_string(status));
    }
    check_service(t, *before, *f);
}

void half_open_connections(Test& t) {
    REQUIRE(t, before, t.client());
    REQUIRE(t, f, t.file(*before, "f"));
    std::vector<std::unique_ptr<client::Connection>> flood;
    for (int i = 0; i < 200; i++) {
        REQUIRE(t, connection, t.negotiate());
        const NtStatus status = half_a_logon_answered(t, *connection);
        CHECK(t, is_bounded(status), "number {}: {}", i, to_string(status));
        flood.push_back(std::move(connection));
    }
    check_service(t, *before, *f);
}

// Of a client that has the key: it may hurt itself at most.
void half_open_bindings(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_00) return t.skip("needs SMB 3");
    REQUIRE(t, before, t.client());
    REQUIRE(t, f, t.file(*before, "f"));
    REQUIRE(t, binder, t.client());
    std::vector<std::unique_ptr<client::Connection>> flood;
    for (int i = 0; i < 100; i++) {
        REQUIRE(t, connection, t.negotiate(binder->connection->options()));
        const NtStatus status = half_a_logon_answered(t, *connection, binder->session->id(), binder->session->signer());
        CHECK(t, is_bounded(status), "number {}: {}", i, to_string(status));
        flood.push_back(std::move(connection));
    }
    check_service(t, *before, *f);
    CHECK_STATUS(t, binder->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
}

// Guesses and floods, again and again: the server's memory does not follow.
void memory(Test& t) {
    const std::string session = t.target.option("server_session");
    if (session.empty()) return t.skip("needs --option=torture:server_session=UNIX session of the server's processes");
    const Victim victim(t, durable(Guid::random()));
    if (!victim.ready) return;
    auto attack = [&] {
        auto thief = client_as(t, "user2", victim.negotiate);
        for (int i = 0; i < 500 && thief; i++) (void)steal(*thief, victim.path, victim.request());
        std::vector<std::unique_ptr<client::Connection>> flood;
        for (int i = 0; i < 40 && !t.ended(); i++) {
            flood.push_back(t.negotiate());
            for (int k = 0; k < 8 && flood.back() && flood.back()->alive(); k++) (void)half_a_logon_answered(t, *flood.back());
        }
    };
    attack();
    const size_t before = resident_at_rest(t, session);
    for (int i = 0; i < 3; i++) attack();
    const size_t after = resident_at_rest(t, session);
    CHECK(t, before > 0, "there is no process of session {}", session);
    CHECK(t, after < before + (8u << 20), "memory grew from {} to {} bytes", before, after);
    victim.unharmed(t);
}

constexpr TestCase tests[] = {
    {"another_user", "MS-SMB2 3.3.5.9.12", another_user},
    {"another_client_guid", "MS-SMB2 3.3.5.9.12", another_client_guid},
    {"guessed_file_ids", "MS-SMB2 3.3.5.9.7, 3.3.5.9.12", guessed_file_ids},
    {"guessed_create_guids", "MS-SMB2 3.3.5.9.12", guessed_create_guids},
    {"guessed_lease_keys", "MS-SMB2 3.3.5.9.12", guessed_lease_keys},
    {"replayed_create", "MS-SMB2 3.3.5.9.10", replayed_create},
    {"ids_of_another_session", "MS-SMB2 3.3.5.2.9, 3.3.5.12", ids_of_another_session},
    {"another_clients_lease", "MS-SMB2 3.3.5.22.2", another_clients_lease},
    {"previous_session_of_another", "MS-SMB2 3.3.5.5.3", previous_session_of_another},
    {"old_session_key", "MS-SMB2 3.3.5.2.4, 3.3.5.2.1.1", old_session_key},
    {"reordered_and_replayed", "MS-SMB2 3.3.1.1, 3.3.5.2.3", reordered_and_replayed},
    {"binding_without_the_key", "MS-SMB2 3.3.5.5", binding_without_the_key},
    {"half_open_sessions", "MS-SMB2 3.3.5.5", half_open_sessions},
    {"half_open_connections", "MS-SMB2 3.3.2.3", half_open_connections},
    {"half_open_bindings", "MS-SMB2 3.3.5.5", half_open_bindings},
    {"memory", "MS-SMB2 3.3.1", memory},
};

}  // namespace

const Suite attack_suite{"atoll.attack", tests};

}  // namespace Atoll::torture

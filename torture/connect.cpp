// atoll.connect: NEGOTIATE, SESSION_SETUP, TREE_CONNECT, and what happens to requests outside of them.
#include <array>

#include "base/utf.h"
#include "libcli/smb/error.h"
#include "libcli/smb/ioctl.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::RequestOptions;
using smb::Command;

constexpr std::array sha512 = {smb::HashAlgorithm::sha512};
constexpr std::array<uint8_t, 32> salt{1, 2, 3};

template <class T, size_t N>
smb::U16List list(const std::array<T, N>& values) {
    return smb::U16List(std::span<const T>(values));
}

// Sends a NEGOTIATE as the test made it, on a new connection.
NtStatus negotiate_raw(Test& t, const smb::NegotiateRequest& request) {
    auto connection = t.connect();
    if (!connection) return NtStatus::CONNECTION_REFUSED;
    client::Compound compound(*connection);
    auto exchange = compound.add(nullptr, 0, Command::negotiate, request);
    compound.send();
    return connection->wait(exchange);
}

smb::NegotiateRequest request_311() {
    static constexpr std::array dialects = {smb::Dialect::smb3_11};
    smb::NegotiateRequest r;
    r.security_mode = smb::security_mode::signing_enabled;
    r.client_guid = Guid::random();
    r.dialects = list(dialects);
    r.contexts.preauth = smb::PreauthCapabilities{list(sha512), salt};
    return r;
}

void session_and_tree(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK(t, c->session->id() != 0, "the session id is 0");
    CHECK(t, c->tree->id() != 0, "the tree id is 0");
    CHECK(t, c->tree->response().share_type == smb::ShareType::disk, "the share is no disk");
    CHECK_STATUS(t, c->tree->disconnect(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->session->log_off(), NtStatus::SUCCESS);
}

void second_negotiate(Test& t) {
    REQUIRE(t, connection, t.negotiate());
    client::Compound compound(*connection);
    auto exchange = compound.add(nullptr, 0, Command::negotiate, request_311());
    compound.send();
    CHECK_STATUS(t, connection->wait(exchange), NtStatus::CONNECTION_DISCONNECTED);
}

void no_dialect(Test& t) {
    smb::NegotiateRequest r;
    r.security_mode = smb::security_mode::signing_enabled;
    CHECK_STATUS(t, negotiate_raw(t, r), NtStatus::INVALID_PARAMETER);
}

void unknown_dialect(Test& t) {
    static constexpr std::array<uint16_t, 2> dialects = {0x0100, 0x0999};
    smb::NegotiateRequest r;
    r.security_mode = smb::security_mode::signing_enabled;
    r.dialects = list(dialects);
    CHECK_STATUS(t, negotiate_raw(t, r), NtStatus::NOT_SUPPORTED);
}

void no_preauth_context(Test& t) {
    smb::NegotiateRequest r = request_311();
    r.contexts = {};
    CHECK_STATUS(t, negotiate_raw(t, r), NtStatus::INVALID_PARAMETER);
}

void unknown_hash(Test& t) {
    static constexpr std::array<uint16_t, 1> hashes = {0x7777};
    smb::NegotiateRequest r = request_311();
    r.contexts.preauth = smb::PreauthCapabilities{list(hashes), salt};
    CHECK_STATUS(t, negotiate_raw(t, r), NtStatus::SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP);
}

void unknown_cipher(Test& t) {
    auto options = t.only(smb::Dialect::smb3_11);
    options.ciphers = {static_cast<smb::Cipher>(0x7777)};
    REQUIRE(t, connection, t.negotiate(options));
    CHECK(t, connection->negotiated().cipher == smb::Cipher::none, "a cipher was chosen that was not offered");
}

void greatest_common_dialect(Test& t) {
    static constexpr std::array dialects = {smb::Dialect::smb2_10, smb::Dialect::smb3_00, smb::Dialect::smb2_02};
    REQUIRE(t, connection, t.connect());
    smb::NegotiateRequest r;
    r.security_mode = smb::security_mode::signing_enabled;
    r.client_guid = Guid::random();
    r.dialects = list(dialects);
    client::Compound compound(*connection);
    auto exchange = compound.add(nullptr, 0, Command::negotiate, r);
    compound.send();
    CHECK_STATUS(t, connection->wait(exchange), NtStatus::SUCCESS);
    REQUIRE(t, response, exchange->decode<smb::NegotiateResponse>());
    CHECK(t, response->dialect == smb::Dialect::smb3_00, "dialect {}", smb::to_string(response->dialect));
    CHECK(t, (response->security_mode & smb::security_mode::signing_enabled) != 0, "signing is not enabled");
    CHECK(t, response->max_read_size >= 65536 && response->max_write_size >= 65536, "a maximum below 65536");
}

void command_before_negotiate(Test& t) {
    REQUIRE(t, connection, t.connect());
    client::Compound compound(*connection);
    auto exchange = compound.add(nullptr, 0, Command::echo, smb::EmptyMessage{});
    compound.send();
    CHECK_STATUS(t, connection->wait(exchange), NtStatus::CONNECTION_DISCONNECTED);
}

// Sends an SMB1 NEGOTIATE and gives the dialect of the SMB2 answer.
std::optional<smb::Dialect> smb1_negotiate(Test& t, client::Connection& connection, const smb::Smb1Negotiate& offer) {
    std::optional<smb::Dialect> dialect;
    connection.on_frame = [&](Bytes frame) {
        if (auto r = smb::NegotiateResponse::decode(frame); r.ok()) dialect = r->dialect;
    };
    Buffer frame;
    ByteWriter out(frame);
    offer.encode(out);
    connection.send_frame(frame);
    connection.wait_until([&] { return dialect || !connection.alive(); }, std::chrono::seconds(10));
    connection.on_frame = {};
    if (!dialect) t.fail("no SMB2 answer to an SMB1 NEGOTIATE");
    return dialect;
}

void multi_protocol(Test& t) {
    REQUIRE(t, connection, t.connect());
    REQUIRE(t, dialect, smb1_negotiate(t, *connection, {true, true}));
    CHECK(t, *dialect == smb::Dialect::smb2_wildcard, "dialect {}", smb::to_string(*dialect));
    // MS-SMB2 3.3.5.3.1: then the client negotiates again, with MessageId 1.
    connection->set_next_message_id(1);
    CHECK_STATUS(t, connection->negotiate(t.negotiate_options()), NtStatus::SUCCESS);
    client::Session session(*connection);
    CHECK_STATUS(t, session.log_on(t.target.credentials()), NtStatus::SUCCESS);
}

void multi_protocol_202(Test& t) {
    REQUIRE(t, connection, t.connect());
    REQUIRE(t, dialect, smb1_negotiate(t, *connection, {true, false}));
    CHECK(t, *dialect == smb::Dialect::smb2_02, "dialect {}", smb::to_string(*dialect));
}

void wrong_password(Test& t) {
    REQUIRE(t, connection, t.negotiate());
    auto credentials = t.target.credentials();
    credentials.hash[0] ^= 1;
    client::Session session(*connection);
    CHECK_STATUS(t, session.log_on(credentials), NtStatus::LOGON_FAILURE);
    // The connection stays good.
    client::Session second(*connection);
    CHECK_STATUS(t, second.log_on(t.target.credentials()), NtStatus::SUCCESS);
}

void unknown_user(Test& t) {
    REQUIRE(t, connection, t.negotiate());
    auto credentials = t.target.credentials();
    credentials.user = "nobody-of-this-name";
    client::Session session(*connection);
    CHECK_STATUS(t, session.log_on(credentials), NtStatus::LOGON_FAILURE);
}

void two_sessions(Test& t) {
    REQUIRE(t, c, t.client());
    client::Session second(*c->connection);
    CHECK_STATUS(t, second.log_on(t.target.credentials()), NtStatus::SUCCESS);
    CHECK(t, second.id() != c->session->id(), "both sessions have id {:#x}", second.id());
    client::Tree tree(second);
    CHECK_STATUS(t, tree.connect(t.target.share_path()), NtStatus::SUCCESS);
    REQUIRE(t, f, t.file(*c, "f"));
    // MS-SMB2 3.3.5.2.10, 3.3.5.2.9: an open belongs to its session.
    CHECK_STATUS(t, c->connection->wait(tree.start(Command::close, smb::CloseRequest{0, f->id()})), NtStatus::FILE_CLOSED);
    CHECK_STATUS(t, second.log_off(), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void bad_share(Test& t) {
    REQUIRE(t, c, t.client());
    client::Tree tree(*c->session);
    CHECK_STATUS(t, tree.connect("\\\\" + t.target.host + "\\no-such-share"), NtStatus::BAD_NETWORK_NAME);
}

// MS-SMB2 3.3.5.7: in 3.1.1 a TREE_CONNECT that is neither signed nor sealed ends the connection.
void unsigned_tree_connect(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_11 || t.target.user.empty()) return t.skip("needs SMB 3.1.1 and a user");
    REQUIRE(t, connection, t.negotiate(t.only(smb::Dialect::smb3_11)));
    client::Session session(*connection);
    CHECK_STATUS(t, session.log_on(t.target.credentials()), NtStatus::SUCCESS);
    auto path = utf8_to_utf16le(t.target.share_path());
    smb::TreeConnectRequest request;
    request.path = *path;
    RequestOptions o;
    o.sign = false;
    client::Compound compound(*connection);
    auto exchange = compound.add(&session, 0, Command::tree_connect, request, o);
    compound.send();
    const NtStatus status = connection->wait(exchange);
    // MS-SMB2 3.3.5.2.4 comes first where the server requires signing.
    const bool required = (connection->negotiated().security_mode & smb::security_mode::signing_required) != 0;
    if (required && exchange->header().status == NtStatus::ACCESS_DENIED) return;
    CHECK_STATUS(t, status, NtStatus::CONNECTION_DISCONNECTED);
}

void after_tree_disconnect(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, c->tree->disconnect(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->status_of(Command::create, client::CreateCall("", {})), NtStatus::NETWORK_NAME_DELETED);
}

void after_log_off(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, c->session->log_off(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->status_of(Command::create, client::CreateCall("", {})), NtStatus::USER_SESSION_DELETED);
}

void wrong_session_id(Test& t) {
    REQUIRE(t, c, t.client());
    RequestOptions o;
    o.session_id = c->session->id() ^ 0xFF00FF;
    CHECK_STATUS(t, c->status_of(Command::create, client::CreateCall("", {}), o), NtStatus::USER_SESSION_DELETED);
}

void reauthenticate(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    CHECK_STATUS(t, c->session->log_on(t.target.credentials()), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void previous_session(Test& t) {
    REQUIRE(t, first, t.client());
    client::LogOnOptions o;
    o.previous_session_id = first->session->id();
    REQUIRE(t, second, t.client(o));
    // MS-SMB2 3.3.5.5.3: the old session is removed; its connection may end with it.
    CHECK_STATUS_ONE_OF(t, first->status_of(Command::create, client::CreateCall("", {})), NtStatus::USER_SESSION_DELETED,
                        NtStatus::CONNECTION_DISCONNECTED);
}

void signed_session(Test& t) {
    client::LogOnOptions o;
    o.sign = true;
    REQUIRE(t, c, t.client(o));
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(5000)));
    Buffer back;
    CHECK_STATUS(t, f->read(0, 5000, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), pattern_bytes(5000)), "the data differ");
}

void unsigned_on_signed_session(Test& t) {
    auto options = t.negotiate_options();
    options.signing_required = true;
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(options, l));
    RequestOptions o;
    o.sign = false;
    auto exchange = c->tree->start(Command::create, client::CreateCall("", {}), o);
    (void)c->connection->wait(exchange);
    // MS-SMB2 3.3.5.2.4
    CHECK(t, exchange->header().status == NtStatus::ACCESS_DENIED, "{}", to_string(exchange->header().status));
}

void bad_signature(Test& t) {
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    c->connection->before_send = [](Buffer& frame) { frame[smb::signature_offset] ^= 1; };
    auto exchange = c->tree->start(Command::create, client::CreateCall("", {}));
    c->connection->before_send = {};
    (void)c->connection->wait(exchange);
    CHECK(t, exchange->header().status == NtStatus::ACCESS_DENIED, "{}", to_string(exchange->header().status));
}

// A WRITE with its signature spoiled, and a related QUERY_INFO behind it, which is signed well: what the two are answered.
std::array<NtStatus, 2> forged_write(Client& c, const smb::FileId& id, size_t size) {
    const auto data = pattern_bytes(size, 2);
    smb::WriteRequest write;
    write.file_id = id;
    write.data = data;
    smb::QueryInfoRequest query;
    query.info_class = static_cast<uint8_t>(smb::FileInformationClass::standard);
    query.output_buffer_length = 1000;
    query.file_id = smb::FileId::related();
    RequestOptions large, related;
    large.payload = static_cast<uint32_t>(size);
    related.related = true;
    client::Compound compound(*c.connection);
    auto written = c.tree->add(compound, Command::write, write, large);
    auto queried = c.tree->add(compound, Command::query_info, query, related);
    c.connection->before_send = [](Buffer& frame) { frame[smb::signature_offset] ^= 1; };
    compound.send();
    c.connection->before_send = {};
    (void)c.connection->wait(written);
    (void)c.connection->wait(queried);
    return {written->header().status, queried->header().status};
}

// MS-SMB2 3.3.5.2.4: whatever a forged request is and names, however large it is, this is its answer, and nothing of it is done.
void forged_large_write(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb2_10) return t.skip("needs multi-credit requests");
    constexpr size_t large = 1 << 20;
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    const auto honest = pattern_bytes(large);
    REQUIRE(t, f, t.file(*c, "f", honest));
    for (int i = 0; i < 50 && c->connection->credits() < 2 * (large >> 16); ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    smb::FileId closed = f->id();
    closed.volatile_id ^= 1;
    for (const smb::FileId& id : {f->id(), closed}) {
        const auto small_answers = forged_write(*c, id, 100);
        const auto large_answers = forged_write(*c, id, large);
        CHECK(t, large_answers[0] == NtStatus::ACCESS_DENIED, "{}", to_string(large_answers[0]));
        CHECK(t, large_answers == small_answers, "related: {}, behind a small one {}", to_string(large_answers[1]),
              to_string(small_answers[1]));
    }
    Buffer back;
    CHECK_STATUS(t, f->read(0, large, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), honest), "a forged write was done");
    CHECK_STATUS(t, c->connection->wait(f->start_write(0, honest)), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.5.15.12
void validate_negotiate_info(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_02) return t.skip("needs SMB 3.0.2");
    auto options = t.negotiate_options();
    options.max_dialect = smb::Dialect::smb3_02;
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(options, l));
    static constexpr std::array dialects = {smb::Dialect::smb2_02, smb::Dialect::smb2_10, smb::Dialect::smb3_00, smb::Dialect::smb3_02};
    smb::ValidateNegotiateInfoRequest info{options.capabilities, options.client_guid, smb::security_mode::signing_enabled, list(dialects)};
    auto ask = [&] {
        Buffer input;
        ByteWriter out(input);
        info.encode(out);
        smb::IoctlRequest request;
        request.ctl_code = smb::ControlCode::validate_negotiate_info;
        request.file_id = smb::FileId::related();
        request.input = input;
        request.max_output_response = 24;
        request.flags = smb::ioctl_flags::is_fsctl;
        auto exchange = c->tree->start(Command::ioctl, request);
        (void)c->connection->wait(exchange);
        return exchange;
    };
    auto exchange = ask();
    CHECK_STATUS(t, exchange->status(), NtStatus::SUCCESS);
    REQUIRE(t, response, exchange->decode<smb::IoctlResponse>());
    REQUIRE(t, told, smb::ValidateNegotiateInfoResponse::decode(response->output));
    const auto& n = c->connection->negotiated();
    CHECK(t,
          told->dialect == n.dialect && told->capabilities == n.capabilities && told->guid == n.server_guid &&
              told->security_mode == n.security_mode,
          "the server tells something else than in NEGOTIATE");
    // Anything else than was negotiated ends the connection.
    info.capabilities ^= smb::global_cap::dfs;
    CHECK_STATUS(t, ask()->status(), NtStatus::CONNECTION_DISCONNECTED);
}

void echo(Test& t) {
    REQUIRE(t, c, t.client());
    for (int i = 0; i < 200; ++i) CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
}

void many_connections(Test& t) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) {
        REQUIRE(t, c, t.client());
        clients.push_back(std::move(c));
    }
    for (auto& c : clients) CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"session_and_tree", "MS-SMB2 3.3.5.5, 3.3.5.7", session_and_tree},
    {"second_negotiate", "MS-SMB2 3.3.5.4", second_negotiate},
    {"no_dialect", "MS-SMB2 3.3.5.4", no_dialect},
    {"unknown_dialect", "MS-SMB2 3.3.5.4", unknown_dialect},
    {"greatest_common_dialect", "MS-SMB2 3.3.5.4", greatest_common_dialect},
    {"no_preauth_context", "MS-SMB2 3.3.5.4", no_preauth_context},
    {"unknown_hash", "MS-SMB2 3.3.5.4", unknown_hash},
    {"unknown_cipher", "MS-SMB2 3.3.5.4", unknown_cipher},
    {"command_before_negotiate", "MS-SMB2 3.3.5.2.2", command_before_negotiate},
    {"multi_protocol", "MS-SMB2 3.3.5.3.1", multi_protocol},
    {"multi_protocol_202", "MS-SMB2 3.3.5.3.2", multi_protocol_202},
    {"wrong_password", "MS-SMB2 3.3.5.5.3", wrong_password},
    {"unknown_user", "MS-SMB2 3.3.5.5.3", unknown_user},
    {"two_sessions", "MS-SMB2 3.3.5.5, 3.3.5.2.9", two_sessions},
    {"bad_share", "MS-SMB2 3.3.5.7", bad_share},
    {"unsigned_tree_connect", "MS-SMB2 3.3.5.7", unsigned_tree_connect},
    {"after_tree_disconnect", "MS-SMB2 3.3.5.2.11", after_tree_disconnect},
    {"after_log_off", "MS-SMB2 3.3.5.2.9", after_log_off},
    {"wrong_session_id", "MS-SMB2 3.3.5.2.9", wrong_session_id},
    {"reauthenticate", "MS-SMB2 3.3.5.5.2", reauthenticate},
    {"previous_session", "MS-SMB2 3.3.5.5.3", previous_session},
    {"signed_session", "MS-SMB2 3.1.4.1", signed_session},
    {"unsigned_on_signed_session", "MS-SMB2 3.3.5.2.4", unsigned_on_signed_session},
    {"bad_signature", "MS-SMB2 3.3.5.2.4", bad_signature},
    {"forged_large_write", "MS-SMB2 3.3.5.2.4", forged_large_write},
    {"validate_negotiate_info", "MS-SMB2 3.3.5.15.12", validate_negotiate_info},
    {"echo", "MS-SMB2 3.3.5.17", echo},
    {"many_connections", "MS-SMB2 3.3.4.1.1", many_connections},
};

}  // namespace

const Suite connect_suite{"atoll.connect", tests};

}  // namespace Atoll::torture

// atoll.resilient: opens for which a client asked resiliency (MS-SMB2 2.2.31.3, 3.3.5.15.9), and what becomes of them when it is away.
#include <array>

#include "torture/breaks.h"
#include "torture/control.h"
#include "torture/descriptors.h"
#include "torture/reconnect.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::LockSequence;
using client::NegotiateOptions;
using client::OpenOptions;
using smb::Command;
using smb::ControlCode;
using smb::Dialect;

constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately;
constexpr uint32_t minute = 60'000;  // ms
constexpr std::array dialects = {Dialect::smb2_10, Dialect::smb3_00, Dialect::smb3_11};

OpenOptions plain() {
    OpenOptions o;
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    o.disposition = smb::CreateDisposition::open_if;
    return o;
}

// A client and its open of a file.
struct Opened {
    NegotiateOptions negotiate;
    client::LogOnOptions log_on;
    OpenOptions how;
    std::string path;
    std::unique_ptr<Client> c;
    std::optional<File> f;

    Opened(Test& t, const NegotiateOptions& options, const OpenOptions& open, client::LogOnOptions log = {})
        : negotiate(options), log_on(std::move(log)), how(open), c(t.client(options, log_on)) {
        if (!c) return;
        path = t.path(*c, "f" + std::to_string(static_cast<unsigned>(c->connection->negotiated().dialect)));
        auto opened = File::open(*c->tree, path, how);
        if (opened) f.emplace(std::move(*opened));
        if (!f) t.fail("CREATE: " + to_string(opened.error()));
    }
    explicit operator bool() const { return f.has_value(); }

    // The same client again, after it was cut off.
    bool come_back(Test& t) {
        c = t.client(negotiate, log_on);
        return c != nullptr;
    }
    NtStatus take_back() {
        auto opened = File::open(*c->tree, path, taking_back(how, f->id()));
        if (!opened) return opened.error();
        f.emplace(std::move(*opened));
        return NtStatus::SUCCESS;
    }
};

void answer(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    Buffer input;
    ByteWriter out(input);
    smb::ResiliencyRequest{minute}.encode(out);
    smb::IoctlRequest request;
    request.ctl_code = ControlCode::lmr_request_resiliency;
    request.file_id = one.f->id();
    request.input = input;
    request.flags = smb::ioctl_flags::is_fsctl;
    auto exchange = one.c->tree->start(Command::ioctl, request);
    CHECK_STATUS(t, one.c->connection->wait(exchange), NtStatus::SUCCESS);
    REQUIRE(t, response, exchange->decode<smb::IoctlResponse>());
    CHECK(t, response->ctl_code == ControlCode::lmr_request_resiliency && response->file_id == one.f->id(), "it is about something else");
    CHECK(t, response->input.empty() && response->output.empty(), "it has a payload");
    // Asked for again, and with more behind it: what is too long is no error.
    input.append_zeros(100);
    CHECK_STATUS(t, control(*one.f, ControlCode::lmr_request_resiliency, input).status, NtStatus::SUCCESS);
}

// Away, and not known any more.
void check_gone(Test& t, Opened& one) {
    CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
    CHECK_STATUS(t, one.take_back(), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void short_input(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    for (size_t size = 0; size < smb::ResiliencyRequest::size; size++)
        CHECK_STATUS(t, control(*one.f, ControlCode::lmr_request_resiliency, pattern_bytes(size)).status, NtStatus::INVALID_PARAMETER);
    check_gone(t, one);
}

void longest_time(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    for (const uint32_t timeout : {UINT32_MAX, 0x80000000u, 30 * 24 * 3600 * 1000u})
        CHECK_STATUS(t, request_resiliency(*one.f, timeout), NtStatus::INVALID_PARAMETER);
    check_gone(t, one);
}

// "MAY fail": Windows servers up to 2012 R2 serve it in this dialect as well.
void oldest_dialect(Test& t) {
    NegotiateOptions options = t.only(Dialect::smb2_02);
    options.client_guid = {};
    Opened one(t, options, plain());
    if (!one) return;
    CHECK_STATUS_ONE_OF(t, request_resiliency(*one.f, minute), NtStatus::INVALID_DEVICE_REQUEST, NtStatus::SUCCESS);
}

void no_open(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, one.f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::FILE_CLOSED);
}

// An open as it was left: its lock is there, its content, and what it may do.
void check_as_it_was(Test& t, Opened& one, File& other) {
    CHECK_STATUS(t, other.lock(5, 1, exclusive), NtStatus::LOCK_NOT_GRANTED);
    CHECK(t, content(*one.f) == "kept", "another content");
    CHECK_STATUS(t, write_text(*one.f, "and written"), NtStatus::SUCCESS);
    CHECK_STATUS(t, one.f->unlock(0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, other.lock(5, 1, exclusive), NtStatus::SUCCESS);
}

// No oplock, no lease: resiliency needs neither.
void survives(Test& t, const NegotiateOptions& options, const client::LogOnOptions& log_on, const std::function<bool(Client&)>& leave) {
    Opened one(t, options, plain(), log_on);
    if (!one) return;
    REQUIRE(t, second, t.client());
    REQUIRE(t, other, File::open(*second->tree, one.path, plain()));
    CHECK_STATUS(t, write_text(*one.f, "kept"), NtStatus::SUCCESS);
    CHECK_STATUS(t, one.f->lock(0, 10, exclusive), NtStatus::SUCCESS);
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK(t, leave(*one.c), "it cannot be left");
    CHECK_STATUS(t, other->lock(5, 1, exclusive), NtStatus::LOCK_NOT_GRANTED);
    CHECK(t, one.come_back(t), "no new session");
    const smb::FileId before = one.f->id();
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
    CHECK(t, one.f->id().persistent_id == before.persistent_id, "another persistent id");
    check_as_it_was(t, one, *other);
}

void disconnected(Test& t) {
    for (const Dialect dialect : dialects) {
        if (dialect > t.target.max_dialect || t.ended()) continue;
        survives(t, t.only(dialect), {}, [&](Client& c) { return cut_off(t, c); });
    }
}

void disconnected_sealed(Test& t) {
    client::LogOnOptions log_on;
    log_on.seal = true;
    survives(t, t.negotiate_options(), log_on, [&](Client& c) { return cut_off(t, c); });
}

void logged_off(Test& t) {
    survives(t, t.negotiate_options(), {}, [](Client& c) { return c.session->log_off() == NtStatus::SUCCESS; });
}

// The new session of a client that has not noticed its connection's end names the old one, whose connection lives.
void previous_session(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    one.log_on.previous_session_id = one.c->session->id();
    const std::unique_ptr<Client> before = std::move(one.c);
    CHECK(t, one.come_back(t), "no new session");
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
    CHECK_STATUS_ONE_OF(t, before->status_of(Command::create, client::CreateCall("", {})), NtStatus::USER_SESSION_DELETED,
                        NtStatus::CONNECTION_DISCONNECTED);
}

void not_asked_for(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (one) check_gone(t, one);
}

void closed(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK_STATUS(t, one.f->close(), NtStatus::SUCCESS);
    check_gone(t, one);
}

void still_connected(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    REQUIRE(t, second, t.client(one.negotiate));
    const auto stolen = File::open(*second->tree, one.path, taking_back(one.how, one.f->id()));
    CHECK(t, !stolen && stolen.error() == NtStatus::OBJECT_NAME_NOT_FOUND, "taken from a session that lives");
    CHECK_STATUS(t, write_text(*one.f, "still mine"), NtStatus::SUCCESS);
}

void other_user(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK(t, cut_off(t, *one.c), "no new session");
    REQUIRE(t, second, client_as(t, "user2", one.negotiate));
    const auto stolen = File::open(*second->tree, one.path, taking_back(one.how, one.f->id()));
    CHECK(t, !stolen && stolen.error() == NtStatus::ACCESS_DENIED, "{}", to_string(stolen ? NtStatus::SUCCESS : stolen.error()));
    CHECK(t, one.come_back(t), "no new session");
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
}

// Kept for its time against everybody, then closed (3.3.6.4).
void time_out(Test& t) {
    OpenOptions alone = plain();
    alone.share = 0;
    Opened one(t, t.negotiate_options(), alone);
    if (!one) return;
    constexpr uint32_t two_seconds = 2000;
    CHECK_STATUS(t, request_resiliency(*one.f, two_seconds), NtStatus::SUCCESS);
    const Monotonic left = monotonic_now();
    CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
    NtStatus status = try_open(*one.c, one.path, plain());
    while (status == NtStatus::SHARING_VIOLATION && monotonic_now() < left + std::chrono::seconds(20)) {
        (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(50));
        status = try_open(*one.c, one.path, plain());
    }
    CHECK_STATUS(t, status, NtStatus::SUCCESS);
    CHECK(t, monotonic_now() >= left + std::chrono::milliseconds(two_seconds), "closed before its time");
    CHECK_STATUS(t, one.take_back(), NtStatus::OBJECT_NAME_NOT_FOUND);
}

// A time-out of zero: the server's own choice, which is more than none.
void time_of_the_servers_choice(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, 0), NtStatus::SUCCESS);
    CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
    (void)t.loop.run_until(monotonic_now() + std::chrono::seconds(1));
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
}

// The last request's time-out counts; and taking an open back starts the time anew.
void asked_again(Test& t) {
    Opened one(t, t.negotiate_options(), plain());
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK_STATUS(t, request_resiliency(*one.f, 1500), NtStatus::SUCCESS);
    for (int round = 0; round < 2; round++) {
        CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
        (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(200));
        CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
        (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(800));
        CHECK_STATUS(t, write_text(*one.f, "here"), NtStatus::SUCCESS);
    }
    CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
    (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(4000));
    CHECK_STATUS(t, one.take_back(), NtStatus::OBJECT_NAME_NOT_FOUND);
}

// A durable handle that becomes resilient is one no more: the loss of its oplock while it is away does not end it (3.3.4.6).
void durable_becomes_resilient(Test& t) {
    OpenOptions how = plain();
    how.oplock = smb::OplockLevel::batch;
    how.contexts.durable_request = true;
    Opened one(t, t.negotiate_options(), how);
    if (!one) return;
    CHECK(t, one.f->contexts().durable, "not durable");
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK(t, cut_off(t, *one.c), "no new session");
    REQUIRE(t, second, t.client());
    CHECK_STATUS(t, try_open(*second, one.path, plain()), NtStatus::SUCCESS);
    CHECK(t, one.come_back(t), "no new session");
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
    CHECK(t, one.f->created().oplock_level != smb::OplockLevel::batch, "the oplock is there, though another opened the file");
}

// With a lease, which is asked for again and has to be the same.
void leased_open(Test& t) {
    const Guid key = Guid::random();
    Opened one(t, t.negotiate_options(), leased(key, R | H | W));
    if (!one) return;
    CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
    CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
    const OpenOptions right = one.how;
    one.how.contexts.lease->key = Guid::random();
    CHECK_STATUS(t, one.take_back(), NtStatus::OBJECT_NAME_NOT_FOUND);
    one.how.contexts.lease.reset();
    one.how.oplock = smb::OplockLevel::none;
    CHECK_STATUS(t, one.take_back(), NtStatus::OBJECT_NAME_NOT_FOUND);
    one.how = right;
    CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
    CHECK(t, lease_state_of(*one.f) == (R | H | W), "the lease is {}", lease_state_of(*one.f));
}

// MS-SMB2 3.3.5.14: a LOCK with the number that its entry has is answered and not done. A second one would be refused, so it shows.
void check_sequences(Test& t, File& f) {
    CHECK_STATUS(t, f.lock(0, 10, exclusive, {7, 3}), NtStatus::SUCCESS);
    CHECK_STATUS(t, f.lock(0, 10, exclusive, {7, 3}), NtStatus::SUCCESS);
    CHECK_STATUS(t, f.lock(0, 10, exclusive, {8, 3}), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, f.lock(0, 10, exclusive, {7, 4}), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, f.lock(0, 10, exclusive, {7, 3}), NtStatus::LOCK_NOT_GRANTED);  // the entry is not valid any more
    CHECK_STATUS(t, f.unlock(0, 10, {64, 15}), NtStatus::SUCCESS);
    CHECK_STATUS(t, f.unlock(0, 10, {64, 15}), NtStatus::SUCCESS);
    for (const LockSequence none : {LockSequence{0, 0}, LockSequence{65, 1}}) {
        CHECK_STATUS(t, f.lock(0, 10, exclusive, none), NtStatus::SUCCESS);
        CHECK_STATUS(t, f.lock(0, 10, exclusive, none), NtStatus::LOCK_NOT_GRANTED);
        CHECK_STATUS(t, f.unlock(0, 10, none), NtStatus::SUCCESS);
    }
}

void lock_sequences(Test& t) {
    for (const Dialect dialect : dialects) {
        if (dialect > t.target.max_dialect || t.ended()) continue;
        Opened one(t, t.only(dialect), plain());
        if (!one) return;
        CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
        check_sequences(t, *one.f);
    }
}

// Known after a reconnect as well.
void lock_sequences_survive(Test& t) {
    for (const Dialect dialect : dialects) {
        if (dialect > t.target.max_dialect || t.ended()) continue;
        Opened one(t, t.only(dialect), plain());
        if (!one) return;
        CHECK_STATUS(t, request_resiliency(*one.f, minute), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->lock(0, 10, exclusive, {1, 0}), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->lock(20, 10, exclusive, {2, 9}), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->unlock(20, 10, {3, 15}), NtStatus::SUCCESS);
        CHECK(t, cut_off(t, *one.c) && one.come_back(t), "no new session");
        CHECK_STATUS(t, one.take_back(), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->lock(0, 10, exclusive, {1, 0}), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->unlock(20, 10, {3, 15}), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->lock(20, 10, exclusive, {2, 9}), NtStatus::SUCCESS);  // not done: the next one is
        CHECK_STATUS(t, one.f->lock(20, 10, exclusive, {4, 1}), NtStatus::SUCCESS);
        CHECK_STATUS(t, one.f->lock(20, 10, exclusive, {4, 2}), NtStatus::LOCK_NOT_GRANTED);
    }
}

constexpr TestCase tests[] = {
    {"answer", "MS-SMB2 3.3.5.15.9", answer},
    {"short_input", "MS-SMB2 3.3.5.15.9", short_input},
    {"longest_time", "MS-SMB2 3.3.5.15.9", longest_time},
    {"oldest_dialect", "MS-SMB2 3.3.5.15.9", oldest_dialect},
    {"no_open", "MS-SMB2 3.3.5.15", no_open},
    {"disconnected", "MS-SMB2 3.3.7.1, 3.3.5.9.7", disconnected},
    {"disconnected_sealed", "MS-SMB2 3.3.7.1, 3.3.5.9.7", disconnected_sealed},
    {"logged_off", "MS-SMB2 3.3.5.6", logged_off},
    {"previous_session", "MS-SMB2 3.3.5.5.3", previous_session},
    {"not_asked_for", "MS-SMB2 3.3.7.1", not_asked_for},
    {"closed", "MS-SMB2 3.3.5.10", closed},
    {"still_connected", "MS-SMB2 3.3.5.9.7", still_connected},
    {"other_user", "MS-SMB2 3.3.5.9.7", other_user},
    {"time_out", "MS-SMB2 3.3.6.4, 3.3.2.4", time_out},
    {"time_of_the_servers_choice", "MS-SMB2 3.3.5.15.9", time_of_the_servers_choice},
    {"asked_again", "MS-SMB2 3.3.5.15.9, 3.3.6.4", asked_again},
    {"durable_becomes_resilient", "MS-SMB2 3.3.5.15.9, 3.3.4.6", durable_becomes_resilient},
    {"leased_open", "MS-SMB2 3.3.5.9.7", leased_open},
    {"lock_sequences", "MS-SMB2 3.3.5.14", lock_sequences},
    {"lock_sequences_survive", "MS-SMB2 3.3.5.14, 3.3.7.1", lock_sequences_survive},
};

}  // namespace

const Suite resilient_suite{"atoll.resilient", tests};

}  // namespace Atoll::torture

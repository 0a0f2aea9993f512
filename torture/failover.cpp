// atoll.failover: a client whose server process is killed at every message boundary of an exchange. Its calls take longer, and that is all.
#include "libcli/client/failover.h"

#include <algorithm>
#include <array>

#include "torture/breaks.h"
#include "torture/server_process.h"

namespace Atoll::torture {
namespace {

using client::FailoverFile;
using client::FailoverOpen;
using client::FailoverOptions;
using client::FailoverShare;

constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately;

enum class Moment { before_request, behind_request, before_response_is_seen };
constexpr std::array moments = {Moment::before_request, Moment::behind_request, Moment::before_response_is_seen};
constexpr std::array moment_names = {"before its request", "behind its request", "before its response is seen"};

// Kills the server's process when the `number`th message from arm() on is at that moment.
class Killer {
 public:
    explicit Killer(Test& t) : t_(t) {}

    void watch(client::Connection& connection) {
        connection.before_send = [this, &connection](Buffer&) {
            if (!armed_ || ++sent_ < number_) return;
            if (moment_ == Moment::before_request) (void)strike(connection.local_port());
            if (moment_ == Moment::behind_request) t_.loop.post([this, port = connection.local_port()] { (void)strike(port); });
        };
        connection.on_frame = [this, &connection](Bytes) {
            if (!armed_ || sent_ < number_ || moment_ != Moment::before_response_is_seen) return;
            if (strike(connection.local_port())) connection.close();
        };
    }
    void arm(size_t number, Moment moment) {
        armed_ = true;
        number_ = number;
        moment_ = moment;
        sent_ = 0;
    }
    [[nodiscard]] bool armed() const { return armed_; }  // it has not struck yet
    [[nodiscard]] size_t killed() const { return killed_; }

 private:
    // False: nobody serves that connection yet, or not any more. The next message will do as well.
    bool strike(uint16_t port) {
        if (!armed_ || kill_server_process(t_, port) == 0) return false;
        armed_ = false;
        killed_++;
        return true;
    }

    Test& t_;
    bool armed_ = false;
    size_t number_ = 0, sent_ = 0, killed_ = 0;
    Moment moment_ = Moment::before_request;
};

struct Way {
    client::NegotiateOptions negotiate;
    client::LogOnOptions log_on;
    FailoverOpen how;
};

FailoverOptions options_for(Test& t, const Way& way, Killer& killer) {
    FailoverOptions options;
    options.addresses = {{t.target.host, t.target.port}};
    options.share = t.target.share_path();
    options.credentials = t.target.credentials();
    options.negotiate = way.negotiate;
    options.log_on = way.log_on;
    options.patience = std::chrono::seconds(20);
    options.on_connected = [&killer](client::Connection& connection) { killer.watch(connection); };
    return options;
}

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// Nobody has it open, and this is what is in it.
void check_left(Test& t, const std::string& path, std::string_view expected) {
    REQUIRE(t, c, t.client());
    client::OpenOptions alone;
    alone.access = smb::access_mask::file_generic_read | smb::access_mask::delete_access;
    alone.share = 0;
    alone.options = smb::create_options::delete_on_close;
    REQUIRE(t, f, client::File::open(*c->tree, path, alone));
    Buffer content;
    CHECK_STATUS(t, f->read(0, 100, content), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(content.bytes(), bytes_of(expected)), "{} bytes of something else", content.size());
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

// Open, lock, two writes, flush, read, the lock once more, unlock, close.
void exchange(Test& t, FailoverShare& share, const std::string& path, const FailoverOpen& how) {
    REQUIRE(t, opened, share.open(path, how));
    FailoverFile& f = **opened;
    CHECK(t, f.durable(), "neither durable nor resilient");
    CHECK_STATUS(t, f.lock(0, 10, exclusive), NtStatus::SUCCESS);
    REQUIRE(t, one, f.write(0, bytes_of("one")));
    REQUIRE(t, two, f.write(3, bytes_of("two")));
    CHECK_STATUS(t, f.flush(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, f.read(0, 100, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), bytes_of("onetwo")), "{} bytes of something else", back.size());
    CHECK_STATUS(t, f.lock(5, 1, exclusive), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, f.unlock(0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, f.lock(5, 1, exclusive), NtStatus::SUCCESS);
    if (how.lease != 0) CHECK(t, f.lease_state() == how.lease, "the lease is {}", f.lease_state());
    CHECK_STATUS(t, f.close(), NtStatus::SUCCESS);
    CHECK(t, f.lost() == NtStatus::SUCCESS, "lost: {}", to_string(f.lost()));
}

// The exchange once for each of its messages and each moment of that; until there is no such message any more.
void at_every_boundary(Test& t, const Way& way) {
    if (t.target.option("server_session").empty()) return t.skip("needs --option=torture:server_session");
    REQUIRE(t, setup, t.client());
    for (size_t number = 1; !t.ended(); number++) {
        for (size_t m = 0; m < moments.size(); m++) {
            Killer killer(t);
            FailoverShare share(t.loop, options_for(t, way, killer));
            CHECK_STATUS(t, share.connect(), NtStatus::SUCCESS);
            const std::string path = t.path(*setup, "f");
            killer.arm(number, moments[m]);
            exchange(t, share, path, way.how);
            if (!t.ended()) check_left(t, path, "onetwo");
            if (t.failed()) return t.say_where(fmt::format("message {}, {}", number, moment_names[m]));
            constexpr size_t messages = 10;
            if (killer.armed()) {
                CHECK(t, number > messages, "only {} messages", number);
                return;
            }
            CHECK(t, killer.killed() > 0, "message {}, {}: nothing was killed", number, moment_names[m]);
            (void)t.loop.run_until(monotonic_now());
            if (t.ended()) return;
        }
    }
}

FailoverOpen leased_open(uint32_t state) {
    FailoverOpen how;
    how.lease = state;
    how.timeout_ms = 60'000;
    return how;
}

FailoverOpen resilient_open() {
    FailoverOpen how;
    how.resilient = true;
    return how;
}

client::LogOnOptions sealed() {
    client::LogOnOptions log_on;
    log_on.seal = true;
    return log_on;
}

void durable(Test& t) { at_every_boundary(t, {t.negotiate_options(), {}, leased_open(R | W | H)}); }
void durable_sealed(Test& t) { at_every_boundary(t, {t.negotiate_options(), sealed(), leased_open(R | W | H)}); }
void durable_with_an_oplock(Test& t) { at_every_boundary(t, {t.negotiate_options(), {}, leased_open(0)}); }
void durable_version_1(Test& t) { at_every_boundary(t, {t.only(smb::Dialect::smb2_10), {}, leased_open(R | W | H)}); }
void resilient(Test& t) { at_every_boundary(t, {t.negotiate_options(), {}, resilient_open()}); }
void resilient_sealed(Test& t) { at_every_boundary(t, {t.negotiate_options(), sealed(), resilient_open()}); }
void resilient_2_1(Test& t) { at_every_boundary(t, {t.only(smb::Dialect::smb2_10), {}, resilient_open()}); }

// A window of requests, of which the server's process takes some with it, again and again: all of them are done, each once.
void many_in_flight(Test& t) {
    if (t.target.option("server_session").empty()) return t.skip("needs --option=torture:server_session");
    constexpr size_t rounds = 12, window = 40, block = 5000;
    REQUIRE(t, setup, t.client());
    const std::string path = t.path(*setup, "f");
    Killer killer(t);
    const Way way{t.negotiate_options(), {}, leased_open(R | W | H)};
    FailoverShare share(t.loop, options_for(t, way, killer));
    REQUIRE(t, opened, share.open(path, way.how));
    FailoverFile& f = **opened;
    for (size_t round = 0; round < rounds; round++) {
        killer.arm(1 + round * 3, moments[round % moments.size()]);
        for (size_t i = round * window; i < (round + 1) * window; i++) {
            (void)f.start_write(i * block, pattern_bytes(block, static_cast<uint32_t>(i)));
            if (i % 4 == 0) (void)f.start_lock({{i, 1, exclusive}});
        }
        CHECK_STATUS(t, share.wait_for_all(), NtStatus::SUCCESS);
        CHECK(t, killer.killed() > round, "{} kills in {} rounds", killer.killed(), round + 1);
    }
    CHECK(t, share.reconnects() > rounds / 2, "{} reconnects", share.reconnects());  // a kill may come behind the last answer
    for (size_t i = 0; i < rounds * window; i++) {
        Buffer back;
        CHECK_STATUS(t, f.read(i * block, block, back), NtStatus::SUCCESS);
        CHECK(t, std::ranges::equal(back.bytes(), pattern_bytes(block, static_cast<uint32_t>(i))), "block {} is another", i);
        CHECK_STATUS(t, f.lock(i, 1, exclusive), i % 4 == 0 ? NtStatus::LOCK_NOT_GRANTED : NtStatus::SUCCESS);
    }
    CHECK_STATUS(t, f.close(), NtStatus::SUCCESS);
}

// What somebody else took meanwhile is said to be gone, and the rest goes on.
void one_of_two_is_gone(Test& t) {
    if (t.target.option("server_session").empty()) return t.skip("needs --option=torture:server_session");
    REQUIRE(t, other, t.client());
    const std::string path = t.path(*other, "");
    Killer killer(t);
    const Way way{t.negotiate_options(), {}, leased_open(R | W | H)};
    FailoverShare share(t.loop, options_for(t, way, killer));
    REQUIRE(t, one, share.open(path + "\\one", way.how));
    REQUIRE(t, two, share.open(path + "\\two", way.how));
    CHECK(t, kill_server_process(t, share.connection()->local_port()) > 0, "nothing was killed");
    client::OpenOptions alone;
    alone.share = 0;
    alone.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    REQUIRE(t, taken, client::File::open(*other->tree, path + "\\one", alone));
    const auto refused = (*one)->write(0, bytes_of("x"));
    CHECK(t, !refused && refused.error() == NtStatus::FILE_CLOSED, "a file is written that is another's");
    CHECK_STATUS(t, (*one)->lost(), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, (*two)->lost(), NtStatus::SUCCESS);
    REQUIRE(t, written, (*two)->write(0, bytes_of("x")));
    CHECK(t, share.reconnects() == 1, "{} reconnects", share.reconnects());
    CHECK_STATUS(t, (*two)->close(), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"durable", "MS-SMB2 3.2.4.4, 3.3.5.9.12", durable},
    {"durable_sealed", "MS-SMB2 3.2.4.4, 3.3.5.9.12", durable_sealed},
    {"durable_with_an_oplock", "MS-SMB2 3.2.4.4, 3.3.5.9.12", durable_with_an_oplock},
    {"durable_version_1", "MS-SMB2 3.2.4.4, 3.3.5.9.7", durable_version_1},
    {"resilient", "MS-SMB2 3.2.7.1, 3.3.5.14", resilient},
    {"resilient_sealed", "MS-SMB2 3.2.7.1, 3.3.5.14", resilient_sealed},
    {"resilient_2_1", "MS-SMB2 3.2.7.1, 3.3.5.14", resilient_2_1},
    {"many_in_flight", "MS-SMB2 3.2.7.1, 3.3.5.2.10", many_in_flight},
    {"one_of_two_is_gone", "MS-SMB2 3.2.4.4", one_of_two_is_gone},
};

}  // namespace

const Suite failover_suite{"atoll.failover", tests};

}  // namespace Atoll::torture

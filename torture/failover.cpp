// A client and a server of which something is killed at every message boundary of an exchange. atoll.failover: the server's process that
// serves the client, whose calls take longer, and that is all. atoll.restart: the same of all of the server's processes.
// atoll.killed_client: the client, for which nobody comes back.
#include "libcli/client/failover.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/random.h"
#include "torture/breaks.h"
#include "torture/killer.h"
#include "torture/relay.h"
#include "torture/server_process.h"

namespace Atoll::torture {
namespace {

using client::FailoverFile;
using client::FailoverOpen;
using client::FailoverOptions;
using client::FailoverShare;

constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately;

struct Way {
    client::NegotiateOptions negotiate;
    client::LogOnOptions log_on;
    FailoverOpen how;
    bool persistent = false;
};

// What a client that is ended has been told, for who comes after it.
struct Progress {
    bool opened = false, closed = false;
    size_t written = 0;  // bytes
    char failure[512] = {};
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

// Of this process and of those that it forks.
template <class T>
class Shared {
 public:
    Shared() : at_(static_cast<T*>(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        ATOLL_ASSERT(at_ != MAP_FAILED);
    }
    ~Shared() { ::munmap(at_, sizeof(T)); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    T& operator*() const { return *at_; }

 private:
    T* at_;
};

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
void exchange(Test& t, FailoverShare& share, const std::string& path, const Way& way, Progress& progress) {
    const FailoverOpen& how = way.how;
    REQUIRE(t, opened, share.open(path, how));
    progress.opened = true;
    FailoverFile& f = **opened;
    CHECK(t, f.durable(), "neither durable nor resilient");
    CHECK(t, f.persistent() == way.persistent, "persistent or not");
    CHECK_STATUS(t, f.lock(0, 10, exclusive), NtStatus::SUCCESS);
    REQUIRE(t, one, f.write(0, bytes_of("one")));
    progress.written = 3;
    REQUIRE(t, two, f.write(3, bytes_of("two")));
    progress.written = 6;
    CHECK_STATUS(t, f.flush(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, f.read(0, 100, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), bytes_of("onetwo")), "{} bytes of something else", back.size());
    CHECK_STATUS(t, f.lock(5, 1, exclusive), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, f.unlock(0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, f.lock(5, 1, exclusive), NtStatus::SUCCESS);
    if (how.lease != 0) CHECK(t, f.lease_state() == how.lease, "the lease is {}", f.lease_state());
    CHECK_STATUS(t, f.close(), NtStatus::SUCCESS);
    progress.closed = true;
    CHECK(t, f.lost() == NtStatus::SUCCESS, "lost: {}", to_string(f.lost()));
}

// With --option=torture:one_of=N only every Nth boundary, another one of them each time that the test is asked for.
class Boundaries {
 public:
    explicit Boundaries(Test& t) : one_of_(std::max(1ul, std::stoul(t.target.option("one_of", "1")))), phase_(random_u64() % one_of_) {}
    bool skips(size_t number, size_t moment) const { return (number * moments.size() + moment) % one_of_ != phase_; }

 private:
    uint64_t one_of_, phase_;
};

// The exchange once for each of its messages and each moment of that; until there is no such message any more.
void at_every_boundary(Test& t, const Way& way, Victim victim) {
    if (const std::string why = Killer::why_not(t, victim); !why.empty()) return t.skip(why);
    REQUIRE(t, setup, t.client());
    const std::string path = t.path(*setup, "f");
    const Boundaries boundaries(t);
    constexpr size_t messages = 10;
    for (size_t number = 1;; number++) {
        for (size_t m = 0; m < moments.size(); m++) {
            if (boundaries.skips(number, m)) continue;
            Killer killer(t, t.loop, victim);
            FailoverShare share(t.loop, options_for(t, way, killer));
            CHECK_STATUS(t, share.connect(), NtStatus::SUCCESS);
            killer.arm(number, moments[m]);
            Progress progress;
            exchange(t, share, path, way, progress);
            if (!t.ended()) check_left(t, path, "onetwo");
            if (t.failed()) return t.say_where(fmt::format("message {}, {}", number, moment_names[m]));
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

FailoverOpen leased_open(uint32_t state, uint32_t timeout_ms) {
    FailoverOpen how;
    how.lease = state;
    how.timeout_ms = timeout_ms;
    return how;
}

FailoverOpen resilient_open(uint32_t timeout_ms) {
    FailoverOpen how;
    how.resilient = true;
    how.timeout_ms = timeout_ms;
    return how;
}

// The same test on the share that is continuously available, --option=torture:available_share.
void on_available_share(Test& t, const std::function<void(Test&)>& run) {
    const std::string name = t.target.option("available_share");
    if (name.empty()) return t.skip("needs --option=torture:available_share");
    Target target = t.target;
    target.share = name;
    Test there(target, t.name);
    run(there);
    if (there.skipped()) t.skip(there.reason());
    if (there.failed()) t.fail(there.reason());
}

constexpr uint32_t a_minute = 60'000, a_second = 1'000;

Way durable_way(Test& t, uint32_t timeout_ms = a_minute) { return {t.negotiate_options(), {}, leased_open(R | W | H, timeout_ms)}; }
Way resilient_way(Test& t, uint32_t timeout_ms = a_minute) { return {t.negotiate_options(), {}, resilient_open(timeout_ms)}; }
Way persistent_way(Test& t, uint32_t timeout_ms = a_minute) {
    return {t.negotiate_options(), {}, leased_open(R | W | H, timeout_ms), true};
}
Way sealed(Way way) {
    way.log_on.seal = true;
    return way;
}

void durable(Test& t) { at_every_boundary(t, durable_way(t), Victim::server_process); }
void durable_sealed(Test& t) { at_every_boundary(t, sealed(durable_way(t)), Victim::server_process); }
void durable_with_an_oplock(Test& t) {
    at_every_boundary(t, {t.negotiate_options(), {}, leased_open(0, a_minute)}, Victim::server_process);
}
void durable_version_1(Test& t) {
    at_every_boundary(t, {t.only(smb::Dialect::smb2_10), {}, leased_open(R | W | H, a_minute)}, Victim::server_process);
}
void resilient(Test& t) { at_every_boundary(t, resilient_way(t), Victim::server_process); }
void resilient_sealed(Test& t) { at_every_boundary(t, sealed(resilient_way(t)), Victim::server_process); }
void resilient_2_1(Test& t) { at_every_boundary(t, {t.only(smb::Dialect::smb2_10), {}, resilient_open(a_minute)}, Victim::server_process); }
void persistent(Test& t) {
    on_available_share(t, [](Test& there) { at_every_boundary(there, persistent_way(there), Victim::server_process); });
}
void persistent_sealed(Test& t) {
    on_available_share(t, [](Test& there) { at_every_boundary(there, sealed(persistent_way(there)), Victim::server_process); });
}

void restart_durable(Test& t) { at_every_boundary(t, durable_way(t), Victim::server); }
void restart_durable_sealed(Test& t) { at_every_boundary(t, sealed(durable_way(t)), Victim::server); }
void restart_resilient(Test& t) { at_every_boundary(t, resilient_way(t), Victim::server); }
void restart_resilient_sealed(Test& t) { at_every_boundary(t, sealed(resilient_way(t)), Victim::server); }
void restart_persistent(Test& t) {
    on_available_share(t, [](Test& there) { at_every_boundary(there, persistent_way(there), Victim::server); });
}
void restart_persistent_sealed(Test& t) {
    on_available_share(t, [](Test& there) { at_every_boundary(there, sealed(persistent_way(there)), Victim::server); });
}

// In a process of its own, which ends at that boundary. False: the exchange was over before.
bool run_and_die(Test& t, const Way& way, const std::string& path, size_t number, Moment moment, Progress& progress) {
    const pid_t child = ::fork();
    if (child == 0) {
        loop::Loop loop;
        Killer killer(t, loop, Victim::self);
        FailoverShare share(loop, options_for(t, way, killer));
        if (share.connect() != NtStatus::SUCCESS) ::_exit(2);
        killer.arm(number, moment);
        exchange(t, share, path, way, progress);
        fmt::format_to_n(progress.failure, sizeof progress.failure - 1, "{}", t.reason());
        ::_exit(t.failed() ? 2 : 0);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || (WIFEXITED(status) && WEXITSTATUS(status) != 0))
        t.fail(fmt::format("the client has ended with {:#x}: {}", status, progress.failure));
    return WIFSIGNALED(status);
}

// Nobody comes back for it: it ends when its time is up, and what its client was told of is there.
void check_given_up(Test& t, Client& c, const std::string& path, const Progress& progress) {
    client::OpenOptions alone;
    alone.access = smb::access_mask::file_generic_read | smb::access_mask::delete_access;
    alone.share = 0;
    alone.disposition = smb::CreateDisposition::open;
    alone.options = smb::create_options::delete_on_close;
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(20);
    auto f = client::File::open(*c.tree, path, alone);
    while (!f && f.error() != NtStatus::OBJECT_NAME_NOT_FOUND && monotonic_now() < deadline) {
        (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(100));
        f = client::File::open(*c.tree, path, alone);
    }
    if (!f && f.error() == NtStatus::OBJECT_NAME_NOT_FOUND && !progress.opened) return;
    CHECK(t, f.ok(), "{}", to_string(f.error()));
    Buffer content;
    const NtStatus status = f->read(0, 100, content);
    CHECK(t, status == NtStatus::SUCCESS || (status == NtStatus::END_OF_FILE && progress.written == 0), "READ: {}", to_string(status));
    const std::string_view all = "onetwo";
    CHECK(t, content.size() >= progress.written && content.size() % 3 == 0, "{} of {} bytes", content.size(), progress.written);
    CHECK(t, std::ranges::equal(content.bytes(), bytes_of(all.substr(0, content.size()))), "something else was written");
    CHECK_STATUS(t, f->lock(0, 100, exclusive), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void client_ends_at_every_boundary(Test& t, const Way& way) {
    REQUIRE(t, setup, t.client());
    const std::string path = t.path(*setup, "");
    const Shared<Progress> shared;
    struct Left {
        std::string path, where;
        Progress progress;
    };
    std::vector<Left> left;
    bool more = true;
    for (size_t number = 1; more; number++) {
        for (size_t m = 0; m < moments.size() && more; m++) {
            *shared = Progress();
            const std::string file = fmt::format("{}\\{}-{}", path, number, m);
            more = run_and_die(t, way, file, number, moments[m], *shared);
            if (t.failed()) return t.say_where(fmt::format("message {}, {}", number, moment_names[m]));
            left.push_back({file, fmt::format("message {}, {}", number, moment_names[m]), *shared});
        }
    }
    constexpr size_t messages = 10;
    CHECK(t, left.size() > messages * moments.size() && left.back().progress.closed, "only {} boundaries", left.size());
    for (const Left& one : left) {
        check_given_up(t, *setup, one.path, one.progress);
        if (t.failed()) return t.say_where(one.where);
    }
}

void client_durable(Test& t) { client_ends_at_every_boundary(t, durable_way(t, a_second)); }
void client_durable_sealed(Test& t) { client_ends_at_every_boundary(t, sealed(durable_way(t, a_second))); }
void client_resilient(Test& t) { client_ends_at_every_boundary(t, resilient_way(t, a_second)); }
void client_resilient_sealed(Test& t) { client_ends_at_every_boundary(t, sealed(resilient_way(t, a_second))); }
void client_persistent(Test& t) {
    on_available_share(t, [](Test& there) { client_ends_at_every_boundary(there, persistent_way(there, a_second)); });
}
void client_persistent_sealed(Test& t) {
    on_available_share(t, [](Test& there) { client_ends_at_every_boundary(there, sealed(persistent_way(there, a_second))); });
}

// A window of requests, of which the server's process takes some with it, again and again: all of them are done, each once.
void many_in_flight(Test& t) {
    if (const std::string why = Killer::why_not(t, Victim::server_process); !why.empty()) return t.skip(why);
    constexpr size_t rounds = 12, window = 40, block = 5000;
    REQUIRE(t, setup, t.client());
    const std::string path = t.path(*setup, "f");
    Killer killer(t, t.loop, Victim::server_process);
    const Way way = durable_way(t);
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

// A lock waits for its turn when its server goes without a word, and nobody resets the connection: the client finds it out.
void silent_while_a_lock_waits(Test& t) {
    REQUIRE(t, other, t.client());
    const std::string path = t.path(*other, "f");
    Relay relay(t.loop, t.target.host, t.target.port);
    FailoverOptions options;
    options.addresses = {{"127.0.0.1", relay.port()}};
    options.share = t.target.share_path();
    options.credentials = t.target.credentials();
    options.patience = std::chrono::seconds(20);
    options.answer_timeout = std::chrono::seconds(2);
    FailoverShare share(t.loop, options);
    REQUIRE(t, opened, share.open(path, {.resilient = true}));
    FailoverFile& f = **opened;
    REQUIRE(t, holder, client::File::open(*other->tree, path, {}));
    CHECK_STATUS(t, holder->lock(0, 1, exclusive), NtStatus::SUCCESS);

    const auto waits = f.start_lock({{0, 1, smb::lock_flags::exclusive_lock}});
    (void)t.loop.run_until(monotonic_now() + 3 * options.answer_timeout);
    CHECK(t, !waits->done() && share.reconnects() == 0, "a lock that waits long is taken for a lost one");
    relay.fall_silent();
    CHECK_STATUS(t, holder->unlock(0, 1), NtStatus::SUCCESS);
    CHECK_STATUS(t, share.wait(waits), NtStatus::SUCCESS);
    CHECK(t, share.reconnects() == 1, "{} reconnects", share.reconnects());
    CHECK_STATUS(t, f.close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, holder->close(), NtStatus::SUCCESS);
}

// What somebody else took meanwhile is said to be gone, and the rest goes on.
void one_of_two_is_gone(Test& t) {
    if (const std::string why = Killer::why_not(t, Victim::server_process); !why.empty()) return t.skip(why);
    REQUIRE(t, other, t.client());
    const std::string path = t.path(*other, "");
    Killer killer(t, t.loop, Victim::server_process);
    const Way way = durable_way(t);
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
    {"persistent", "MS-SMB2 3.2.4.4, 3.3.5.9.12", persistent},
    {"persistent_sealed", "MS-SMB2 3.2.4.4, 3.3.5.9.12", persistent_sealed},
    {"many_in_flight", "MS-SMB2 3.2.7.1, 3.3.5.2.10", many_in_flight},
    {"one_of_two_is_gone", "MS-SMB2 3.2.4.4", one_of_two_is_gone},
    {"silent_while_a_lock_waits", "MS-SMB2 2.2.28, 3.2.6.1", silent_while_a_lock_waits},
};

constexpr TestCase restart_tests[] = {
    {"durable", "MS-SMB2 3.2.4.4, 3.3.5.9.12", restart_durable},
    {"durable_sealed", "MS-SMB2 3.2.4.4, 3.3.5.9.12", restart_durable_sealed},
    {"resilient", "MS-SMB2 3.2.7.1, 3.3.5.14", restart_resilient},
    {"resilient_sealed", "MS-SMB2 3.2.7.1, 3.3.5.14", restart_resilient_sealed},
    {"persistent", "MS-SMB2 3.2.4.4, 3.3.5.9.12", restart_persistent},
    {"persistent_sealed", "MS-SMB2 3.2.4.4, 3.3.5.9.12", restart_persistent_sealed},
};

constexpr TestCase client_tests[] = {
    {"durable", "MS-SMB2 3.3.6.2, 3.3.7.1", client_durable},
    {"durable_sealed", "MS-SMB2 3.3.6.2, 3.3.7.1", client_durable_sealed},
    {"resilient", "MS-SMB2 3.3.6.2, 3.3.7.1", client_resilient},
    {"resilient_sealed", "MS-SMB2 3.3.6.2, 3.3.7.1", client_resilient_sealed},
    {"persistent", "MS-SMB2 3.3.6.2, 3.3.7.1", client_persistent},
    {"persistent_sealed", "MS-SMB2 3.3.6.2, 3.3.7.1", client_persistent_sealed},
};

}  // namespace

const Suite failover_suite{"atoll.failover", tests};
const Suite restart_suite{"atoll.restart", restart_tests};
const Suite killed_client_suite{"atoll.killed_client", client_tests};

}  // namespace Atoll::torture

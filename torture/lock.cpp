// atoll.lock: byte-range locks, between the handles of one client and of two clients.
#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "base/guid.h"
#include "base/unique_fd.h"
#include "torture/breaks.h"

namespace Atoll::torture {
namespace {

using smb::Command;
using smb::LockElement;
namespace flag = smb::lock_flags;

constexpr uint32_t now = flag::fail_immediately;
constexpr uint32_t shared = flag::shared_lock, exclusive = flag::exclusive_lock;
constexpr uint64_t top = UINT64_MAX;
constexpr std::chrono::seconds patience{20};

client::ExchangePtr start(client::File& file, std::initializer_list<LockElement> list) {
    return file.start_lock({list.begin(), list.size()});
}
client::ExchangePtr start(client::File& file, uint64_t offset, uint64_t length, uint32_t flags) {
    return start(file, {{offset, length, flags}});
}

NtStatus send(client::File& file, std::initializer_list<LockElement> list) { return file.tree().connection().wait(start(file, list)); }
NtStatus lock(client::File& file, uint64_t offset, uint64_t length, uint32_t flags) { return file.lock(offset, length, flags); }
NtStatus unlock(client::File& file, uint64_t offset, uint64_t length) { return file.unlock(offset, length); }

Result<client::File, NtStatus> again(Test& t, Client& c) {
    client::OpenOptions options;
    options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    return client::File::open(*c.tree, t.path(c, "f"), options);
}

// Two clients, each with the same file open.
struct Pair {
    std::unique_ptr<Client> a, b;
    std::optional<client::File> f, g;
    explicit Pair(Test& t) {
        a = t.client();
        if (a) b = t.client();
        if (b) f = t.file(*a, "f", pattern_bytes(1000));
        if (!f) return;
        auto opened = again(t, *b);
        if (opened.ok()) g = std::move(*opened);
        if (!g) t.fail("the second open: " + std::string(to_string(opened.error())));
    }
    explicit operator bool() const { return g.has_value(); }
};

void flags(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    for (const uint32_t bad : {0u, shared | exclusive, shared | flag::unlock, exclusive | flag::unlock, flag::unlock | now, now, 0x20u})
        CHECK_STATUS(t, lock(*f, 0, 1, bad), NtStatus::INVALID_PARAMETER);
    for (const uint32_t good : {shared, exclusive, shared | now, exclusive | now}) {
        CHECK_STATUS(t, lock(*f, 0, 1, good), NtStatus::SUCCESS);
        CHECK_STATUS(t, unlock(*f, 0, 1), NtStatus::SUCCESS);
    }
}

void range_beyond_64_bits(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    CHECK_STATUS(t, lock(*f, top, 2, exclusive | now), NtStatus::INVALID_LOCK_RANGE);
    CHECK_STATUS(t, lock(*f, top, 1, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*f, 1, top - 1, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*f, 1, top, shared | now), NtStatus::SUCCESS);
}

void conflicts(Test& t) {
    struct Rule {
        LockElement held, wanted;
        NtStatus others, own;
    };
    constexpr NtStatus ok = NtStatus::SUCCESS, no = NtStatus::LOCK_NOT_GRANTED;
    const Rule rules[] = {
        {{10, 10, exclusive}, {19, 1, exclusive}, no, no}, {{10, 10, exclusive}, {19, 1, shared}, no, ok},
        {{10, 10, exclusive}, {20, 1, exclusive}, ok, ok}, {{10, 10, shared}, {0, 100, shared}, ok, ok},
        {{10, 10, shared}, {10, 1, exclusive}, no, no},    {{10, 10, exclusive}, {10, 0, exclusive}, ok, ok},
        {{10, 10, exclusive}, {11, 0, exclusive}, no, no}, {{0, 0, exclusive}, {0, 10, exclusive}, ok, ok},
        {{10, 0, exclusive}, {10, 10, exclusive}, ok, ok}, {{11, 0, exclusive}, {10, 10, exclusive}, no, no},
    };
    Pair two(t);
    if (!two) return;
    for (const Rule& rule : rules) {
        const auto& [held, wanted, others, own] = rule;
        CHECK_STATUS(t, lock(*two.f, held.offset, held.length, held.flags | now), ok);
        CHECK_STATUS(t, lock(*two.g, wanted.offset, wanted.length, wanted.flags | now), others);
        if (others == ok) CHECK_STATUS(t, unlock(*two.g, wanted.offset, wanted.length), ok);
        CHECK_STATUS(t, lock(*two.f, wanted.offset, wanted.length, wanted.flags | now), own);
        if (own == ok) CHECK_STATUS(t, unlock(*two.f, wanted.offset, wanted.length), ok);
        CHECK_STATUS(t, unlock(*two.f, held.offset, held.length), ok);
    }
}

void unlock_rules(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.f, 10, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.f, 10, 5), NtStatus::RANGE_NOT_LOCKED);
    CHECK_STATUS(t, unlock(*two.g, 10, 10), NtStatus::RANGE_NOT_LOCKED);
    CHECK_STATUS(t, lock(*two.f, 10, 10, shared | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.f, 10, 10), NtStatus::SUCCESS);  // the exclusive one
    CHECK_STATUS(t, lock(*two.g, 10, 10, shared | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.f, 10, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.f, 10, 10), NtStatus::RANGE_NOT_LOCKED);
}

void several_locks(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.g, 50, 1, exclusive | now), NtStatus::SUCCESS);
    // One is refused: those before it are given back.
    CHECK_STATUS(t, send(*two.f, {{0, 10, exclusive | now}, {50, 10, exclusive | now}}), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, lock(*two.g, 0, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.g, 0, 10), NtStatus::SUCCESS);
    // Several may not wait.
    CHECK_STATUS(t, send(*two.f, {{0, 10, exclusive}, {20, 10, exclusive}}), NtStatus::INVALID_PARAMETER);
    // An unlock among locks fails the request, and what was locked before it stays so.
    CHECK_STATUS(t, send(*two.f, {{0, 10, exclusive | now}, {0, 10, flag::unlock}}), NtStatus::INVALID_PARAMETER);
}

void several_unlocks(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, send(*two.f, {{0, 10, exclusive | now}, {20, 10, exclusive | now}}), NtStatus::SUCCESS);
    CHECK_STATUS(t, send(*two.f, {{0, 10, flag::unlock}, {15, 1, flag::unlock}, {20, 10, flag::unlock}}), NtStatus::RANGE_NOT_LOCKED);
    // The first stays unlocked, the last was not come to.
    CHECK_STATUS(t, lock(*two.g, 0, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.g, 20, 10, exclusive | now), NtStatus::LOCK_NOT_GRANTED);
}

void reading_and_writing(Test& t) {
    Pair two(t);
    if (!two) return;
    Buffer back;
    const auto byte = pattern_bytes(1);
    const auto written = [&](client::File& file, uint64_t offset) {
        const auto w = file.write(offset, byte);
        return w.ok() ? NtStatus::SUCCESS : w.error();
    };
    CHECK_STATUS(t, lock(*two.f, 10, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.g->read(0, 10, back), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.g->read(0, 11, back), NtStatus::FILE_LOCK_CONFLICT);
    CHECK_STATUS(t, two.g->read(15, 0, back), NtStatus::SUCCESS);
    CHECK_STATUS(t, written(*two.g, 19), NtStatus::FILE_LOCK_CONFLICT);
    CHECK_STATUS(t, written(*two.g, 20), NtStatus::SUCCESS);
    CHECK_STATUS(t, written(*two.f, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.f, 30, 10, shared | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.g->read(30, 10, back), NtStatus::SUCCESS);
    CHECK_STATUS(t, written(*two.g, 30), NtStatus::FILE_LOCK_CONFLICT);
    CHECK_STATUS(t, written(*two.f, 30), NtStatus::FILE_LOCK_CONFLICT);
    CHECK_STATUS(t, two.f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, written(*two.g, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, written(*two.g, 30), NtStatus::SUCCESS);
}

// Waits until the lock is pending; false: the test has failed.
bool pends(Test& t, Client& c, const client::ExchangePtr& exchange) {
    if (c.connection->wait_until([&] { return exchange->interim() || exchange->done(); }, patience) && !exchange->done()) return true;
    t.fail("the LOCK does not wait");
    return false;
}

void waits_for_unlock(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto waiting = start(*two.g, 5, 1, exclusive);
    if (!pends(t, *two.b, waiting)) return;
    CHECK_STATUS(t, lock(*two.g, 20, 1, exclusive | now), NtStatus::SUCCESS);  // others go on
    CHECK_STATUS(t, unlock(*two.f, 0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(waiting, patience), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.f, 5, 1, shared | now), NtStatus::LOCK_NOT_GRANTED);
}

void waits_for_a_lost_client(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto waiting = start(*two.g, 5, 1, shared);
    if (!pends(t, *two.b, waiting)) return;
    two.a->connection->close();
    CHECK_STATUS(t, two.b->connection->wait(waiting, patience), NtStatus::SUCCESS);
}

void cancelled(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto waiting = start(*two.g, 5, 1, exclusive);
    if (!pends(t, *two.b, waiting)) return;
    two.b->connection->cancel(two.b->session.get(), waiting);
    CHECK_STATUS(t, two.b->connection->wait(waiting, patience), NtStatus::CANCELLED);
    CHECK_STATUS(t, unlock(*two.f, 0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.f, 5, 1, exclusive | now), NtStatus::SUCCESS);  // it has left nothing behind
}

// What waits when its handle is closed is over (MS-FSA 2.1.5.5 ends the open's operations).
void closed_while_waiting(Test& t) {
    Pair two(t);
    if (!two) return;
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto waiting = start(*two.g, 5, 1, exclusive);
    if (!pends(t, *two.b, waiting)) return;
    CHECK_STATUS(t, two.g->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(waiting, patience), NtStatus::RANGE_NOT_LOCKED);
}

void many(Test& t) {
    Pair two(t);
    if (!two) return;
    constexpr uint64_t count = 1000;
    for (uint64_t i = 0; i < count; i++)
        CHECK_STATUS(t, lock(*two.f, i * 383 % count * 2, 1, (i % 2 ? shared : exclusive) | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.g, 1, 1, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.g, 0, 2 * count, shared | now), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, two.f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.g, 1, 1), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*two.g, 0, 2 * count, exclusive | now), NtStatus::SUCCESS);
}

void not_a_file(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, client::File::open(*c->tree, t.path(*c, "d"), client::OpenOptions::directory(true)));
    CHECK_STATUS(t, lock(*d, 0, 1, exclusive | now), NtStatus::INVALID_PARAMETER);
}

// A lock that a program on the server's machine has, or tries to have. Needs the share's path there, and `posix locking = yes`.
class LocalFile {
 public:
    explicit LocalFile(const std::string& path) : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {}
    [[nodiscard]] bool is_open() const { return fd_.valid(); }
    bool set(short type, off_t offset, off_t length) {
        struct flock wanted {};
        wanted.l_type = type;
        wanted.l_whence = SEEK_SET;
        wanted.l_start = offset;
        wanted.l_len = length;
        return ::fcntl(fd_.get(), F_OFD_SETLK, &wanted) == 0;
    }

 private:
    UniqueFd fd_;
};

void local_programs(Test& t) {
    const std::string local = t.target.option("localdir");
    if (local.empty()) return t.skip("needs --option=torture:localdir=the share's path on this machine");
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(1000)));
    std::string here = local + "/" + t.path(*c, "f");
    std::replace(here.begin(), here.end(), '\\', '/');
    LocalFile program(here);
    CHECK(t, program.is_open(), "{} cannot be opened", here);
    CHECK_STATUS(t, lock(*f, 10, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, lock(*f, 30, 10, shared | now), NtStatus::SUCCESS);
    CHECK(t, !program.set(F_RDLCK, 19, 1) && program.set(F_WRLCK, 20, 10), "the exclusive lock is not what the program sees");
    CHECK(t, !program.set(F_WRLCK, 30, 1) && program.set(F_RDLCK, 30, 1), "the shared lock is not what the program sees");
    CHECK_STATUS(t, lock(*f, 25, 1, shared | now), NtStatus::LOCK_NOT_GRANTED);
    CHECK_STATUS(t, unlock(*f, 10, 10), NtStatus::SUCCESS);
    CHECK(t, program.set(F_WRLCK, 10, 10), "the lock is still there");
    auto waits = start(*f, 10, 5, exclusive);
    CHECK(t, program.set(F_UNLCK, 0, 0), "unlocking");
    CHECK_STATUS(t, c->connection->wait(waits), NtStatus::SUCCESS);
    CHECK(t, !program.set(F_WRLCK, 14, 1), "what was waited for is not locked");
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK(t, program.set(F_WRLCK, 0, 0), "locks are left behind");
}

// Who caches the file looks after the locks of his own opens himself.
void under_a_lease(Test& t) {
    struct Rule {
        uint32_t state;
        NtStatus read, write;
    };
    constexpr NtStatus ok = NtStatus::SUCCESS, no = NtStatus::FILE_LOCK_CONFLICT;
    constexpr Rule rules[] = {{0, no, no}, {R, ok, no}, {R | H, ok, no}, {R | W, ok, ok}, {R | W | H, ok, ok}};
    REQUIRE(t, c, t.client());
    for (const Rule& rule : rules) {
        const std::string name = "leased" + std::to_string(rule.state);
        REQUIRE(t, made, t.file(*c, name, pattern_bytes(100)));
        CHECK_STATUS(t, made->close(), ok);
        const Guid key = Guid::random();
        REQUIRE(t, f, client::File::open(*c->tree, t.path(*c, name), leased(key, rule.state)));
        REQUIRE(t, g, client::File::open(*c->tree, t.path(*c, name), leased(key, rule.state)));
        CHECK_STATUS(t, lock(*f, 0, 10, exclusive | now), ok);
        Buffer bytes;
        CHECK_STATUS(t, g->read(0, 5, bytes), rule.read);
        const auto written = g->write(0, pattern_bytes(5));
        CHECK_STATUS(t, written.ok() ? ok : written.error(), rule.write);
    }
}

bool has_channels(Test& t, const Client& c) {
    const client::Negotiated& agreed = c.connection->negotiated();
    if (agreed.dialect >= smb::Dialect::smb3_00 && (agreed.capabilities & smb::global_cap::multi_channel) != 0) return true;
    t.skip("needs SMB 3 and several channels");
    return false;
}

// A client that sees no answer sends the LOCK again, while the server still has it waiting: it is one lock, and both are answered.
void waiting_lock_comes_again(Test& t) {
    Pair two(t);
    if (!two || !has_channels(t, *two.b)) return;
    const LockElement wanted{5, 1, exclusive};
    const client::LockSequence sequence{3, 7}, other{4, 1};
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto first = two.g->start_lock({&wanted, 1}, sequence), second = two.g->start_lock({&wanted, 1}, sequence);
    if (!pends(t, *two.b, first) || !pends(t, *two.b, second)) return;
    CHECK_STATUS(t, unlock(*two.f, 0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(first, patience), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(second, patience), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.g, 5, 1), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.g, 5, 1), NtStatus::RANGE_NOT_LOCKED);
    // The end of one is not the other's.
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    const auto third = two.g->start_lock({&wanted, 1}, other), fourth = two.g->start_lock({&wanted, 1}, other);
    if (!pends(t, *two.b, third) || !pends(t, *two.b, fourth)) return;
    two.b->connection->cancel(two.b->session.get(), third);
    CHECK_STATUS(t, two.b->connection->wait(third, patience), NtStatus::CANCELLED);
    CHECK_STATUS(t, unlock(*two.f, 0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(fourth, patience), NtStatus::SUCCESS);
}

NtStatus write_under(client::File& file, uint16_t channel_sequence, uint32_t flags) {
    const auto data = pattern_bytes(10);
    smb::WriteRequest write;
    write.offset = 100;
    write.file_id = file.id();
    write.data = data;
    client::RequestOptions options;
    options.channel_sequence = channel_sequence;
    options.flags = flags;
    return file.tree().connection().wait(file.tree().start(Command::write, write, options), patience);
}

// What was sent before a channel was lost may still be under way: until it is not, no WRITE is taken again.
void replay_waits_for_what_is_under_way(Test& t) {
    constexpr uint32_t replay = smb::header_flags::replay_operation;
    Pair two(t);
    if (!two || !has_channels(t, *two.b)) return;
    CHECK_STATUS(t, lock(*two.f, 0, 10, exclusive | now), NtStatus::SUCCESS);
    CHECK_STATUS(t, write_under(*two.g, 0, replay), NtStatus::SUCCESS);
    const auto waiting = start(*two.g, 5, 1, exclusive);
    if (!pends(t, *two.b, waiting)) return;
    CHECK_STATUS(t, write_under(*two.g, 0, replay), NtStatus::SUCCESS);
    CHECK_STATUS(t, write_under(*two.g, 1, replay), NtStatus::FILE_NOT_AVAILABLE);
    CHECK_STATUS(t, write_under(*two.g, 1, replay), NtStatus::FILE_NOT_AVAILABLE);
    CHECK_STATUS(t, write_under(*two.g, 0, 0), NtStatus::FILE_NOT_AVAILABLE);  // an old number
    CHECK_STATUS(t, write_under(*two.g, 1, 0), NtStatus::SUCCESS);
    CHECK_STATUS(t, unlock(*two.f, 0, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, two.b->connection->wait(waiting, patience), NtStatus::SUCCESS);
    CHECK_STATUS(t, write_under(*two.g, 1, replay), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"flags", "MS-SMB2 2.2.26.1, 3.3.5.14", flags},
    {"range_beyond_64_bits", "MS-FSA 2.1.5.8", range_beyond_64_bits},
    {"conflicts", "MS-FSA 2.1.4.10", conflicts},
    {"unlock_rules", "MS-FSA 2.1.5.9", unlock_rules},
    {"several_locks", "MS-SMB2 3.3.5.14.2", several_locks},
    {"several_unlocks", "MS-SMB2 3.3.5.14.1", several_unlocks},
    {"reading_and_writing", "MS-FSA 2.1.5.3, 2.1.5.4", reading_and_writing},
    {"under_a_lease", "smb.conf(5), strict locking", under_a_lease},
    {"waits_for_unlock", "MS-FSA 2.1.5.8", waits_for_unlock},
    {"waits_for_a_lost_client", "MS-FSA 2.1.5.8", waits_for_a_lost_client},
    {"cancelled", "MS-SMB2 3.3.5.16", cancelled},
    {"closed_while_waiting", "MS-FSA 2.1.5.8", closed_while_waiting},
    {"waiting_lock_comes_again", "MS-SMB2 3.3.5.14", waiting_lock_comes_again},
    {"replay_waits_for_what_is_under_way", "MS-SMB2 3.3.5.2.10", replay_waits_for_what_is_under_way},
    {"many", "MS-FSA 2.1.5.8", many},
    {"not_a_file", "MS-FSA 2.1.5.8", not_a_file},
    {"local_programs", "smb.conf(5), posix locking", local_programs},
};

}  // namespace

const Suite lock_suite = {"atoll.lock", tests};

}  // namespace Atoll::torture

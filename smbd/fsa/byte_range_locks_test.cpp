// Byte-range locks between opens, between processes, and between clients and local programs (MS-FSA 2.1.4.10, 2.1.5.8, 2.1.5.9).
#include "smbd/fsa/byte_range_locks.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/unique_fd.h"
#include "smbd/fsa/fsa_fixture_test.h"
#include "tdb/file/file_database.h"

namespace Atoll::fsa {
namespace {

constexpr uint64_t top = UINT64_MAX;

NtStatus status_of(const Result<void, NtStatus>& r) { return r ? NtStatus::SUCCESS : r.error(); }

class LocksTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        write("f", std::string(100, 'x'));
        other_files_ = make_process(2);
        other_share_ = make_share(*other_files_);
    }
    void TearDown() override {
        for (Open* open : other_opened_) (void)other_files_->close(*open).ok();
        other_share_.reset();
        other_files_.reset();
        FsaTest::TearDown();
    }
    Open& mine() { return open(params("f", rw_access)); }
    // Of another process.
    Open& other() {
        auto r = other_files_->create(*other_share_, params("f", rw_access));
        EXPECT_TRUE(r);
        other_opened_.push_back(r->open);
        return *r->open;
    }
    void close_others() {
        for (Open* open : other_opened_) EXPECT_TRUE(other_files_->close(*open));
        other_opened_.clear();
    }
    static NtStatus lock(Open& open, uint64_t offset, uint64_t length, bool exclusive = true) {
        const LockRange range{offset, length, exclusive};
        return status_of(open.lock({&range, 1}));
    }
    static NtStatus unlock(Open& open, uint64_t offset, uint64_t length) {
        const LockRange range{offset, length, false};
        return status_of(open.unlock({&range, 1}));
    }
    static NtStatus read(Open& open, uint64_t offset, size_t length) {
        std::vector<uint8_t> bytes(length);
        auto r = open.read_now(bytes, offset);
        return r ? NtStatus::SUCCESS : r.error();
    }
    static NtStatus write_to(Open& open, uint64_t offset, size_t length) {
        const std::vector<uint8_t> bytes(length, 'y');
        auto r = open.write_now(bytes, offset, false);
        return r ? NtStatus::SUCCESS : r.error();
    }
    [[nodiscard]] size_t records() const {
        size_t count = 0;
        EXPECT_TRUE(brlock_->traverse([&](Bytes, Bytes) {
            count++;
            return tdb::Visit::go_on;
        }));
        return count;
    }
    // What a local program that asks for the whole file is told: the type of the first lock in its way.
    [[nodiscard]] short posix_lock_at(off_t offset, off_t length, short wanted = F_WRLCK) const {
        const UniqueFd fd(::open(at("f").c_str(), O_RDWR | O_CLOEXEC));
        struct flock range {};
        range.l_type = wanted;
        range.l_start = offset;
        range.l_len = length;
        EXPECT_EQ(::fcntl(fd.get(), F_OFD_GETLK, &range), 0);
        return range.l_type;
    }

    std::unique_ptr<FileSystem> other_files_;
    std::unique_ptr<Share> other_share_;
    std::vector<Open*> other_opened_;
};

struct Rule {
    LockRange held, wanted;
    bool by_others, by_owner;  // granted
};

TEST_F(LocksTest, WhatConflicts) {
    const Rule rules[] = {
        {{10, 10, true}, {10, 10, true}, false, false},     {{10, 10, true}, {19, 1, false}, false, true},
        {{10, 10, true}, {20, 1, true}, true, true},        {{10, 10, true}, {0, 10, true}, true, true},
        {{10, 10, true}, {0, 11, true}, false, false},      {{10, 10, false}, {0, 100, false}, true, true},
        {{10, 10, false}, {15, 1, true}, false, false},     {{10, 10, true}, {10, 0, true}, true, true},
        {{10, 10, true}, {11, 0, true}, false, false},      {{10, 10, true}, {19, 0, true}, false, false},
        {{10, 10, true}, {20, 0, true}, true, true},        {{15, 0, true}, {10, 10, true}, false, false},
        {{10, 0, true}, {10, 10, true}, true, true},        {{10, 0, true}, {10, 0, true}, true, true},
        {{0, 0, true}, {0, 10, true}, true, true},          {{0, 10, true}, {0, 0, true}, true, true},
        {{top, 1, true}, {top, 1, false}, false, true},     {{top, 1, true}, {top - 1, 1, true}, true, true},
        {{1, top, true}, {top, 1, true}, false, false},     {{0, top, true}, {top, 1, true}, true, true},
        {{top, 0, true}, {top - 1, 2, true}, false, false}, {{top, 0, true}, {top, 1, true}, true, true},
    };
    for (const Rule& rule : rules) {
        SCOPED_TRACE(std::to_string(rule.held.offset) + "+" + std::to_string(rule.held.length) + " then " +
                     std::to_string(rule.wanted.offset) + "+" + std::to_string(rule.wanted.length));
        Open& holder = mine();
        Open& same_process = mine();
        Open& elsewhere = other();
        ASSERT_EQ(status_of(holder.lock({&rule.held, 1})), NtStatus::SUCCESS);
        for (Open* open : {&same_process, &elsewhere}) {
            const NtStatus got = status_of(open->lock({&rule.wanted, 1}));
            EXPECT_EQ(got, rule.by_others ? NtStatus::SUCCESS : NtStatus::LOCK_NOT_GRANTED);
            if (got == NtStatus::SUCCESS) {
                EXPECT_EQ(status_of(open->unlock({&rule.wanted, 1})), NtStatus::SUCCESS);
            }
        }
        EXPECT_EQ(status_of(holder.lock({&rule.wanted, 1})), rule.by_owner ? NtStatus::SUCCESS : NtStatus::LOCK_NOT_GRANTED);
        close(holder);
        close(same_process);
        close_others();
        EXPECT_EQ(records(), 0u);
    }
}

TEST_F(LocksTest, WhatIsNoRequest) {
    Open& f = mine();
    EXPECT_EQ(lock(f, top, 2), NtStatus::INVALID_LOCK_RANGE);
    EXPECT_EQ(unlock(f, top, 2), NtStatus::INVALID_LOCK_RANGE);
    EXPECT_EQ(unlock(f, 0, 0), NtStatus::RANGE_NOT_LOCKED);
    Open& blind = open(params("f", access::read_attributes));
    EXPECT_EQ(lock(blind, 0, 1), NtStatus::ACCESS_DENIED);
    mkdir("d");
    EXPECT_EQ(lock(open(params("d", access::read_data)), 0, 1), NtStatus::INVALID_PARAMETER);
}

// MS-FSA 2.1.5.9: the whole range of one lock, by its own open, the exclusive one of two.
TEST_F(LocksTest, Unlocking) {
    Open& f = mine();
    Open& g = mine();
    ASSERT_EQ(lock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(unlock(f, 10, 9), NtStatus::RANGE_NOT_LOCKED);
    EXPECT_EQ(unlock(f, 11, 9), NtStatus::RANGE_NOT_LOCKED);
    EXPECT_EQ(unlock(g, 10, 10), NtStatus::RANGE_NOT_LOCKED);
    ASSERT_EQ(lock(f, 10, 10, false), NtStatus::SUCCESS);
    EXPECT_EQ(unlock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(lock(g, 10, 10, false), NtStatus::SUCCESS);
    EXPECT_EQ(unlock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(unlock(f, 10, 10), NtStatus::RANGE_NOT_LOCKED);
}

TEST_F(LocksTest, AreCountedForPeople) {
    CreateParams wanted = params("f", rw_access);
    Open& f = open(wanted);
    ASSERT_EQ(lock(f, 10, 10), NtStatus::SUCCESS);
    ASSERT_EQ(lock(f, 30, 10, false), NtStatus::SUCCESS);
    ASSERT_EQ(lock(f, 0, 0), NtStatus::SUCCESS);
    EXPECT_EQ(other_files_->locks_of(f.file_id(), "", wanted.open_id), 3u);
    EXPECT_EQ(other_files_->locks_of(f.file_id(), "other", wanted.open_id), 0u);
    EXPECT_EQ(other_files_->locks_of(f.file_id(), "", wanted.open_id + 1), 0u);
}

TEST_F(LocksTest, SeveralAtOnce) {
    Open& f = mine();
    Open& g = other();
    ASSERT_EQ(lock(g, 50, 1), NtStatus::SUCCESS);
    const LockRange ranges[] = {{0, 10, true}, {20, 10, true}, {50, 10, true}};
    EXPECT_EQ(status_of(f.lock(ranges)), NtStatus::LOCK_NOT_GRANTED);
    EXPECT_EQ(lock(g, 0, 30), NtStatus::SUCCESS);  // nothing of it was taken
    EXPECT_EQ(unlock(g, 0, 30), NtStatus::SUCCESS);
    EXPECT_EQ(status_of(f.lock(std::span(ranges).first(2))), NtStatus::SUCCESS);
    // Those before the one that fails stay unlocked.
    const LockRange unlocks[] = {{0, 10, false}, {1, 1, false}, {20, 10, false}};
    EXPECT_EQ(status_of(f.unlock(unlocks)), NtStatus::RANGE_NOT_LOCKED);
    EXPECT_EQ(lock(g, 0, 10), NtStatus::SUCCESS);
    EXPECT_EQ(lock(g, 20, 10), NtStatus::LOCK_NOT_GRANTED);
}

// MS-FSA 2.1.5.3, 2.1.5.4
TEST_F(LocksTest, ReadingAndWriting) {
    Open& f = mine();
    Open& g = other();
    EXPECT_EQ(write_to(g, 0, 100), NtStatus::SUCCESS);
    ASSERT_EQ(lock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(read(g, 0, 10), NtStatus::SUCCESS);
    EXPECT_EQ(read(g, 0, 11), NtStatus::FILE_LOCK_CONFLICT);
    EXPECT_EQ(read(g, 15, 0), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(g, 19, 1), NtStatus::FILE_LOCK_CONFLICT);
    EXPECT_EQ(write_to(g, 20, 1), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(f, 0, 100), NtStatus::SUCCESS);
    ASSERT_EQ(lock(f, 30, 10, false), NtStatus::SUCCESS);
    EXPECT_EQ(read(g, 30, 10), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(g, 30, 1), NtStatus::FILE_LOCK_CONFLICT);
    EXPECT_EQ(write_to(f, 30, 1), NtStatus::FILE_LOCK_CONFLICT);  // a shared lock forbids its owner to write, too
    ASSERT_EQ(unlock(f, 10, 10), NtStatus::SUCCESS);
    ASSERT_EQ(unlock(f, 30, 10), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(g, 0, 100), NtStatus::SUCCESS);
}

TEST_F(LocksTest, ADeadProcessHoldsNothing) {
    Open& f = mine();
    Open& g = other();
    ASSERT_EQ(lock(g, 0, 50), NtStatus::SUCCESS);
    ASSERT_EQ(lock(g, 60, 10, false), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(f, 0, 1), NtStatus::FILE_LOCK_CONFLICT);
    EXPECT_EQ(lock(f, 0, 1), NtStatus::LOCK_NOT_GRANTED);
    dead_.insert(2);
    EXPECT_EQ(write_to(f, 60, 1), NtStatus::SUCCESS);
    EXPECT_EQ(records(), 0u);
}

TEST_F(LocksTest, TheHousekeeperEndsAProcess) {
    Open& f = mine();
    ASSERT_EQ(lock(f, 0, 1, false), NtStatus::SUCCESS);
    ASSERT_EQ(lock(other(), 0, 1, false), NtStatus::SUCCESS);
    dead_.insert(2);
    files_->end_holders({{0, 2, 0}}, [](const std::string&) { return nullptr; });
    EXPECT_EQ(records(), 1u);
    EXPECT_EQ(unlock(f, 0, 1), NtStatus::SUCCESS);
    EXPECT_EQ(records(), 0u);
}

TEST_F(LocksTest, LocalProgramsSeeThem) {
    Open& f = mine();
    ASSERT_EQ(lock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(posix_lock_at(0, 0), F_WRLCK);
    EXPECT_EQ(posix_lock_at(0, 10), F_UNLCK);
    EXPECT_EQ(posix_lock_at(20, 0), F_UNLCK);
    // A shared lock upon it changes nothing where the exclusive one is, and stays when that goes.
    ASSERT_EQ(lock(f, 10, 20, false), NtStatus::SUCCESS);
    EXPECT_EQ(posix_lock_at(10, 10, F_RDLCK), F_WRLCK);
    EXPECT_EQ(posix_lock_at(20, 10, F_RDLCK), F_UNLCK);
    EXPECT_EQ(posix_lock_at(20, 10), F_RDLCK);
    ASSERT_EQ(unlock(f, 10, 10), NtStatus::SUCCESS);
    EXPECT_EQ(posix_lock_at(10, 10, F_RDLCK), F_UNLCK);
    EXPECT_EQ(posix_lock_at(10, 20), F_RDLCK);
    ASSERT_EQ(lock(f, static_cast<uint64_t>(INT64_MAX) + 5, 10), NtStatus::SUCCESS);  // POSIX has no such bytes
    ASSERT_EQ(lock(f, 40, 0), NtStatus::SUCCESS);
    EXPECT_EQ(posix_lock_at(40, 0), F_UNLCK);
    close(f);
    EXPECT_EQ(posix_lock_at(0, 0), F_UNLCK);
}

TEST_F(LocksTest, LocalProgramsAreInTheWay) {
    Open& f = mine();
    const UniqueFd fd(::open(at("f").c_str(), O_RDWR | O_CLOEXEC));
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_start = 10;
    range.l_len = 10;
    ASSERT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &range), 0);
    const LockRange ranges[] = {{0, 5, true}, {15, 1, false}};
    EXPECT_EQ(status_of(f.lock(ranges)), NtStatus::LOCK_NOT_GRANTED);
    EXPECT_EQ(records(), 0u);
    EXPECT_EQ(posix_lock_at(0, 5), F_UNLCK);
    range.l_type = F_UNLCK;
    ASSERT_EQ(::fcntl(fd.get(), F_OFD_SETLK, &range), 0);
    EXPECT_EQ(status_of(f.lock(ranges)), NtStatus::SUCCESS);
}

TEST_F(LocksTest, AsSmbConfSays) {
    share_.reset();
    connect("posix locking = no\n");
    Open& f = mine();
    ASSERT_EQ(lock(f, 0, 10), NtStatus::SUCCESS);
    EXPECT_EQ(posix_lock_at(0, 0), F_UNLCK);
    {
        auto relaxed = make_share(*other_files_, "strict locking = no\n");
        auto r = other_files_->create(*relaxed, params("f", rw_access));
        ASSERT_TRUE(r);
        EXPECT_EQ(write_to(*r->open, 0, 10), NtStatus::SUCCESS);
        EXPECT_EQ(lock(*r->open, 0, 10), NtStatus::LOCK_NOT_GRANTED);
        ASSERT_TRUE(other_files_->close(*r->open));
    }
    auto without = make_share(*other_files_, "locking = no\n");
    auto r = other_files_->create(*without, params("f", rw_access));
    ASSERT_TRUE(r);
    EXPECT_EQ(lock(*r->open, 0, 10), NtStatus::SUCCESS);
    EXPECT_EQ(unlock(*r->open, 5, 10), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(*r->open, 0, 10), NtStatus::SUCCESS);
    ASSERT_TRUE(other_files_->close(*r->open));
    close(f);
}

TEST_F(LocksTest, TenThousandOnOneFile) {
    share_.reset();
    connect("posix locking = no\n");
    Open& f = mine();
    Open& g = other();
    constexpr uint64_t count = 10000;
    for (uint64_t i = 0; i < count; i++) ASSERT_EQ(lock(f, i * 7919 % count * 2, 1, i % 2 == 0), NtStatus::SUCCESS);
    EXPECT_EQ(read(g, 1, 1), NtStatus::SUCCESS);
    EXPECT_EQ(write_to(g, 2, 1), NtStatus::FILE_LOCK_CONFLICT);
    EXPECT_EQ(lock(g, 0, count * 2), NtStatus::LOCK_NOT_GRANTED);
    for (uint64_t i = 0; i < count; i += 2) ASSERT_EQ(unlock(f, i * 7919 % count * 2, 1), NtStatus::SUCCESS);
    close(f);
    EXPECT_EQ(records(), 0u);
}

// Several processes count in one file, each step under a lock that all want: none is lost, and whoever is killed holds nobody up.
class LockingProcesses : public FsaTest {
 protected:
    static constexpr int rounds = 200;
    tdb::FileOptions options(const char* name, tdb::Rank rank) const {
        tdb::FileOptions o;
        o.path = root_ + name;
        o.rank = rank;
        o.clear_if_first = o.count_changes = true;
        o.locks = tdb::LockMode::mutex;
        return o;
    }
    void TearDown() override {
        for (const char* name : {".brlock", ".locking"}) std::filesystem::remove(root_ + name);
        FsaTest::TearDown();
    }
    int count(uint64_t pid, bool dies) {
        auto locking = tdb::FileDatabase::open(options(".locking", tdb::Rank::locking));
        auto brlock = tdb::FileDatabase::open(options(".brlock", tdb::Rank::brlock));
        if (!locking || !brlock) return 1;
        const auto lives = [](const Holder& holder) { return ::kill(static_cast<pid_t>(holder.pid), 0) == 0; };
        auto files = FileSystem::create({.locking = **locking, .brlock = **brlock, .self = {0, pid, 0}, .holder_exists = lives});
        auto share = make_share(*files, "posix locking = no\n");
        CreateParams p = params("counter", access::read_data | access::write_data, Disposition::open_if);
        p.open_id = pid;
        auto r = files->create(*share, p);
        if (!r) return 2;
        const LockRange range{1000, 1, true};
        const auto deadline = monotonic_now() + std::chrono::seconds(60);
        for (int i = 0; i < rounds;) {
            if (monotonic_now() > deadline) return 3;
            const auto locked = r->open->lock({&range, 1});
            if (!locked && locked.error() != NtStatus::LOCK_NOT_GRANTED) return 4;
            if (!locked) {
                std::this_thread::sleep_for(std::chrono::microseconds(20));
                continue;
            }
            if (dies) ::_exit(0);
            std::array<uint8_t, 4> value{};
            (void)r->open->run_read(value, 0);
            store_le(value.data(), load_le<uint32_t>(value.data()) + 1);
            if (!r->open->write_now(value, 0, false) || !r->open->unlock({&range, 1})) return 5;
            i++;
        }
        return files->close(*r->open) ? 0 : 6;
    }
};

TEST_F(LockingProcesses, NoLockIsGrantedTwice) {
    auto keeper = tdb::FileDatabase::open(options(".locking", tdb::Rank::locking));
    auto second = tdb::FileDatabase::open(options(".brlock", tdb::Rank::brlock));
    ASSERT_TRUE(keeper && second);
    std::vector<pid_t> children;
    for (int i = 0; i < 4; i++) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            keeper->reset();
            second->reset();
            ::_exit(count(static_cast<uint64_t>(::getpid()), i == 3));
        }
        children.push_back(child);
    }
    // The one that dies with the lock held is reaped at once: the others wait for nobody who is dead.
    for (auto child = children.rbegin(); child != children.rend(); ++child) {
        int status = 0;
        ASSERT_EQ(::waitpid(*child, &status, 0), *child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    const std::string counted = read("counter");
    ASSERT_EQ(counted.size(), 4u);
    EXPECT_EQ(load_le<uint32_t>(reinterpret_cast<const uint8_t*>(counted.data())), 3u * rounds);
    // What the one that died held last, if the others had finished before.
    auto housekeeper = FileSystem::create({.locking = **keeper, .brlock = **second, .self = {0, 1, 0}, .holder_exists = nullptr});
    housekeeper->end_holders({{0, static_cast<uint64_t>(children.back()), 0}}, [](const std::string&) { return nullptr; });
    EXPECT_EQ(*(*second)->check(), 0u);
}

}  // namespace
}  // namespace Atoll::fsa

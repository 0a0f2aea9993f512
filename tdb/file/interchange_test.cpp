// Files are exchanged with Debian's tdbtool, tdbdump and Samba's own databases; skipped where these programs are not installed.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/log.h"
#include "tdb/file/faulty_disk.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

bool have(const char* program) { return ::system((std::string("command -v ") + program + " >/dev/null 2>&1").c_str()) == 0; }

// What a shell command prints.
std::string output_of(const std::string& command) {
    std::string out;
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    if (!pipe) return out;
    std::array<char, 4096> part;
    while (const size_t got = std::fread(part.data(), 1, part.size(), pipe)) out.append(part.data(), got);
    ::pclose(pipe);
    return out;
}

class Interchange : public testing::Test {
 protected:
    void SetUp() override {
        if (!have("tdbtool") || !have("tdbdump")) GTEST_SKIP() << "tdb-tools is not installed";
        directory = testing::TempDir() + "atoll_interchange.XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        path = directory + "/x.tdb";
    }
    void TearDown() override {
        if (!path.empty()) {
            ::unlink(path.c_str());
            ::rmdir(directory.c_str());
        }
    }
    std::unique_ptr<FileDatabase> open(FileOptions options) {
        options.path = path;
        auto database = FileDatabase::open(options);
        EXPECT_TRUE(database.ok()) << database.error().message();
        return database.ok() ? std::move(*database) : nullptr;
    }
    std::string tdbtool(const std::string& words) { return output_of("tdbtool " + path + " " + words); }
    void commands(const std::string& lines) {
        output_of("printf '" + (lines.starts_with("create") ? "" : "open " + path + "\\n") + lines + "' | tdbtool");
    }
    size_t dumped() {
        const std::string dump = output_of("tdbdump " + path);
        size_t records = 0;
        for (size_t at = dump.find("\nkey("); at != std::string::npos; at = dump.find("\nkey(", at + 1)) records++;
        return records;
    }
    // Work that leaves records of many sizes, dead ones and free ones. Returns how many are left.
    size_t scatter(FileDatabase& database, unsigned seed) {
        std::mt19937 random(seed);
        std::map<std::string, bool> there;
        for (int i = 0; i < 2000; i++) {
            const std::string key = "key" + std::to_string(random() % 300);
            if (random() % 3 == 0) {
                EXPECT_TRUE(database.remove(as_bytes(key)).ok());
                there.erase(key);
            } else {
                EXPECT_TRUE(database.store(as_bytes(key), as_bytes(std::string(random() % 700, 'v'))).ok());
                there[key] = true;
            }
        }
        return there.size();
    }

    std::string directory, path;
};

TEST_F(Interchange, DebianReadsWhatWeWrite) {
    for (const HashKind hash : {HashKind::standard, HashKind::jenkins}) {
        const size_t left = scatter(*open({.hash = hash, .hash_size = 37}), 3);
        EXPECT_NE(tdbtool("check").find("integrity is OK and has " + std::to_string(left) + " records"), std::string::npos)
            << tdbtool("check");
        EXPECT_EQ(dumped(), left);
        EXPECT_NE(tdbtool("show key1").find("data"), std::string::npos);
        ::unlink(path.c_str());
    }
}

TEST_F(Interchange, WeReadAndChangeWhatDebianWrites) {
    EXPECT_EQ(::system(("printf 'create " + path +
                        "\\ninsert alpha one\\ninsert beta two\\ninsert gamma three\\ndelete beta\\nstore gamma "
                        "a-much-longer-value-than-it-was\\n' | tdbtool >/dev/null")
                           .c_str()),
              0);
    auto database = open({.create = false});
    ASSERT_NE(database, nullptr);
    EXPECT_EQ(*database->check(), 2u);
    std::map<std::string, std::string> records;
    auto seen = database->traverse([&](Bytes key, Bytes value) {
        records.emplace(as_text(key), as_text(value));
        return Visit::go_on;
    });
    ASSERT_TRUE(seen.ok());
    EXPECT_EQ(*seen, 2u);
    const std::map<std::string, std::string> expected{{"alpha", "one"}, {"gamma", "a-much-longer-value-than-it-was"}};
    EXPECT_EQ(records, expected);
    scatter(*database, 5);
    EXPECT_NE(tdbtool("check").find("integrity is OK"), std::string::npos);
}

TEST_F(Interchange, FcntlLocksHoldBothWaysLive) {
    auto database = open({.hash = HashKind::standard, .hash_size = 5});
    constexpr int changes = 300;
    // Debian's tdbtool works on the file all the while, with as many changes of its own.
    const pid_t child = ::fork();
    if (child == 0) {
        std::string script = "(for i in $(seq " + std::to_string(changes) +
                             "); do echo store theirs$((i % 20)) value$i-$(printf '%0*d' $((i % 90 + 1)) 0); echo delete theirs$(((i + 7) "
                             "% 20)); done) | tdbtool " +
                             path + " >/dev/null 2>&1";
        ::execl("/bin/sh", "sh", "-c", script.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    int status = 0;
    uint64_t work = 0;
    while (::waitpid(child, &status, WNOHANG) == 0) {
        const std::string key = "ours" + std::to_string(work % 30);
        ASSERT_TRUE(database->store(as_bytes(key), as_bytes(std::string(work % 333, 'o'))).ok());
        if (work % 3 == 0) {
            ASSERT_TRUE(database->remove(as_bytes("ours" + std::to_string(work * 7 % 30))).ok());
        }
        if (work % 50 == 0) {
            ASSERT_TRUE(database->traverse([](Bytes, Bytes) { return Visit::go_on; }).ok());
        }
        work++;
    }
    EXPECT_GT(work, 0u);
    auto records = database->check();
    ASSERT_TRUE(records.ok()) << records.error().message();
    EXPECT_NE(tdbtool("check").find("integrity is OK and has " + std::to_string(*records) + " records"), std::string::npos)
        << tdbtool("check");
    EXPECT_EQ(dumped(), *records);
}

TEST_F(Interchange, ARecordThatWeHoldIsLockedForDebian) {
    auto database = open({.hash = HashKind::standard, .hash_size = 1});
    ASSERT_TRUE(database->store(as_bytes("a"), as_bytes("1")).ok());
    auto held = database->fetch_locked(as_bytes("a"));
    ASSERT_TRUE(held.ok());
    EXPECT_NE(::system(("timeout 0.3 tdbtool " + path + " store a 2 >/dev/null 2>&1").c_str()), 0);
    EXPECT_EQ(as_text(held->value()), "1");
    held->release();
    EXPECT_EQ(::system(("timeout 5 tdbtool " + path + " store a 2 >/dev/null 2>&1").c_str()), 0);
    Buffer value;
    ASSERT_TRUE(*database->exists(as_bytes("a")));
}

TEST_F(Interchange, DebianReadsMutexFilesLive) {
    auto database = open({.clear_if_first = true, .locks = LockMode::mutex, .hash_size = 37});
    const size_t left = scatter(*database, 11);
    EXPECT_NE(tdbtool("check").find("integrity is OK and has " + std::to_string(left) + " records"), std::string::npos) << tdbtool("check");
    EXPECT_EQ(dumped(), left);
    EXPECT_NE(tdbtool("info").find("Robust mutexes locking: yes"), std::string::npos) << tdbtool("info");
}

// Transactions of both, one after the other on one file, with its one recovery area.
TEST_F(Interchange, TransactionsFollowEachOther) {
    ASSERT_NE(open({.hash = HashKind::standard, .hash_size = 11}), nullptr);
    size_t expected = 0;
    for (int round = 0; round < 6; round++) {
        {
            auto database = open({});
            ASSERT_TRUE(database->begin().ok());
            for (int i = 0; i < 12; i++)
                ASSERT_TRUE(database
                                ->store(as_bytes(fmt::format("ours{}-{}", round, i)),
                                        as_bytes(std::string(static_cast<size_t>(i * 90 * round), 'o')))
                                .ok());
            if (round > 0) {
                ASSERT_TRUE(*database->remove(as_bytes(fmt::format("theirs{}", round - 1))));
                expected--;
            }
            ASSERT_TRUE(database->commit().ok());
            expected += 12;
        }
        EXPECT_NE(tdbtool("check").find(fmt::format("integrity is OK and has {} records", expected)), std::string::npos)
            << tdbtool("check");
        commands(fmt::format("transaction_start\\nstore theirs{} {}\\nstore ours{}-3 changed\\ntransaction_commit\\n", round,
                             std::string(static_cast<size_t>(200 * round + 5), 't'), round));
        expected++;
        auto database = open({});
        auto checked = database->check();
        ASSERT_TRUE(checked.ok()) << checked.error().message();
        EXPECT_EQ(*checked, expected);
        Buffer value;
        ASSERT_TRUE(*database->fetch(as_bytes(fmt::format("ours{}-3", round)), value));
        EXPECT_TRUE(as_text(value).starts_with("changed"));
        if (round == 3) {
            ASSERT_TRUE(database->repack().ok());
        }
    }
    EXPECT_EQ(tdbtool("repack"), "");
    EXPECT_EQ(*open({})->check(), expected);
}

// tdbtool undoes what a killed committer of ours left, at whatever step of its commit it died.
TEST_F(Interchange, DebianUndoesWhatOurDeadCommitterLeft) {
    for (const bool earlier : {false, true}) {
        for (const bool grow : {false, true}) {
            bool committed = false;
            for (unsigned step = 1; !committed; step++) {
                ASSERT_LT(step, 100u);
                ::unlink(path.c_str());
                {
                    auto database = open({.hash = HashKind::standard, .hash_size = 11});
                    for (int i = 0; i < 20; i++)
                        ASSERT_TRUE(database->store(as_bytes(fmt::format("key{}", i)), as_bytes(std::string(100, 'o'))).ok());
                    if (earlier) {
                        ASSERT_TRUE(database->begin().ok());
                        ASSERT_TRUE(database->store(as_bytes("key0"), as_bytes("by a transaction")).ok());
                        ASSERT_TRUE(database->commit().ok());
                    }
                }
                const pid_t pid = ::fork();
                if (pid == 0) {
                    FaultyDisk disk;
                    auto database = FileDatabase::open({.path = path, .disk = &disk});
                    if (!database || !(*database)->begin()) ::_exit(2);
                    for (int i = 0; i < 20; i += 2) (void)(*database)->remove(as_bytes(fmt::format("key{}", i))).ok();
                    (void)(*database)->store(as_bytes("new"), as_bytes(std::string(grow ? 20000 : 50, 'n'))).ok();
                    disk.die_at(step);
                    ::_exit((*database)->commit().ok() ? 0 : 3);
                }
                int status = 0;
                ::waitpid(pid, &status, 0);
                committed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
                EXPECT_TRUE(committed || WIFSIGNALED(status));
                const std::string said = tdbtool("check");
                const bool before = said.find("integrity is OK and has 20 records") != std::string::npos;
                const bool after = said.find("integrity is OK and has 11 records") != std::string::npos;
                EXPECT_TRUE(after || (before && !committed)) << said << " earlier " << earlier << " grow " << grow << " step " << step;
                EXPECT_EQ(dumped(), after ? 11u : 20u);
                auto ours = open({});
                EXPECT_TRUE(ours->check().ok());
            }
        }
    }
}

// The other way round: tdbtool dies at one of its system calls.
TEST_F(Interchange, WeUndoWhatDebiansDeadCommitterLeft) {
    if (!have("strace")) GTEST_SKIP() << "strace is not installed";
    unsigned deaths = 0, undone = 0;
    for (const bool grow : {false, true}) {
        std::string script = "open " + path + "\\ntransaction_start\\ndelete key1\\nstore key2 changed\\n";
        for (int i = 0; i < 12; i++) script += fmt::format("store new{} {}\\n", i, std::string(grow ? 900 : 20, 'n'));
        script += "transaction_commit\\n";
        for (const char* call : {"fdatasync", "msync", "fallocate", "utimensat", "fcntl"}) {
            bool died = true;
            for (int when = 1; died; when++) {
                const std::string where = fmt::format("{} {} {}", grow ? "grows" : "stays", call, when);
                ASSERT_LT(when, 60);
                ::unlink(path.c_str());
                commands("create " + path + "\\ninsert key1 one\\ninsert key2 two\\ninsert key3 three\\n");
                const std::string said = output_of(
                    fmt::format("printf '{}' | strace -qq -o /dev/null -e trace={} -e inject={}:signal=KILL:when={} tdbtool; echo exit $?",
                                script, call, call, when));
                died = said.find("exit 137") != std::string::npos;
                ASSERT_TRUE(died || said.find("exit 0") != std::string::npos) << said;
                auto database = open({.create = false});
                ASSERT_NE(database, nullptr) << where;
                auto checked = database->check();
                ASSERT_TRUE(checked.ok()) << where << ": " << checked.error().message();
                Buffer value;
                ASSERT_TRUE(*database->fetch(as_bytes("key2"), value)) << where;
                const bool changed = as_text(value).starts_with("changed");
                EXPECT_TRUE(changed || died) << where;
                EXPECT_EQ(*checked, changed ? 14u : 3u) << where;
                EXPECT_NE(*database->exists(as_bytes("key1")), changed) << where;
                deaths += died;
                undone += died && !changed;
            }
        }
    }
    EXPECT_GT(deaths, 20u);
    EXPECT_GT(undone, 10u);
}

// Samba's account file, as Debian's own pdbedit makes it, is read, changed and still Samba's.
TEST_F(Interchange, SambasAccountsAreReadAndChanged) {
    if (!have("pdbedit") || !have("net") || ::getuid() != 0) GTEST_SKIP() << "needs Samba's tools and root";
    const std::string conf = directory + "/smb.conf";
    FILE* file = std::fopen(conf.c_str(), "w");
    ASSERT_NE(file, nullptr);
    for (const char* name : {"private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"}) {
        std::fprintf(file, "%s%s = %s/var\n", name[1] == 'r' && name[0] == 'p' ? "[global]\nlog file = /dev/null\n" : "", name,
                     directory.c_str());
    }
    std::fclose(file);
    ::mkdir((directory + "/var").c_str(), 0700);
    const std::string added = output_of("printf 'pw\\npw\\n' | pdbedit -s " + conf + " -t -a -u nobody");
    path = directory + "/var/passdb.tdb";
    {
        auto database = open({.create = false});
        ASSERT_NE(database, nullptr) << added;
        EXPECT_FALSE(database->uses_mutexes());
        EXPECT_TRUE(*database->exists(Bytes(reinterpret_cast<const uint8_t*>("USER_nobody"), 12))) << added;
        Buffer value;
        ASSERT_TRUE(*database->fetch(Bytes(reinterpret_cast<const uint8_t*>("USER_nobody"), 12), value));
        ASSERT_TRUE(database->store(as_bytes("scratch"), as_bytes(std::string(500, 's'))).ok());
        ASSERT_TRUE(*database->remove(as_bytes("scratch")));
        ASSERT_TRUE(database->store(Bytes(reinterpret_cast<const uint8_t*>("USER_nobody"), 12), value).ok());
        EXPECT_TRUE(database->check().ok());
    }
    EXPECT_NE(output_of("pdbedit -s " + conf + " -L").find("nobody:"), std::string::npos);
    EXPECT_NE(tdbtool("check").find("integrity is OK"), std::string::npos);
    EXPECT_EQ(output_of("pdbedit -s " + conf + " -x -u nobody").find("rror"), std::string::npos);
    EXPECT_FALSE(*open({.create = false})->exists(Bytes(reinterpret_cast<const uint8_t*>("USER_nobody"), 12)));
    path = directory + "/var/secrets.tdb";
    auto secrets = open({.create = false});
    ASSERT_NE(secrets, nullptr);
    EXPECT_TRUE(secrets->check().ok());
    EXPECT_GT(*secrets->traverse([](Bytes, Bytes) { return Visit::go_on; }), 0u);
    ::system(("rm -rf " + directory).c_str());
}

// Every series of up to four beginnings, commits, cancels and stores, and some longer ones, has the same outcomes, and leaves the same records, in both libraries.
constexpr const char* nesting_script = R"(
import itertools, os, sys
sys.path = [path for path in sys.path if path not in ("", ".")]
import tdb
path, flags = sys.argv[1], int(sys.argv[2])
longer = "bbbxc bbbxcc bbbxccc bbxbc bbxbcc bbxbxcc bbbxcbccc bbbcxc bbxsbscc bsbxcbsc bbxxbsc bbxccbsc".split()
for series in itertools.chain(*(itertools.product("bcxs", repeat=n) for n in range(1, 5)), longer):
    database = tdb.open(path, 7, flags | tdb.NOSYNC, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    outcomes = ""
    for number, step in enumerate(series):
        try:
            if step == "b": database.transaction_start()
            elif step == "c": database.transaction_commit()
            elif step == "x": database.transaction_cancel()
            else: database.store(b"%d" % number, b"v")
            outcomes += "+"
        except RuntimeError:
            outcomes += "-"
    database.close()
    database = tdb.open(path, 7, 0, os.O_RDWR)
    print("".join(series), outcomes, sum(1 for _ in database))
    database.close()
)";

bool take_step(FileDatabase& database, char step, size_t number) {
    switch (step) {
        case 'b': return database.begin().ok();
        case 'c': return database.commit().ok();
        case 'x':
            if (!database.in_transaction()) return false;
            database.cancel();
            return true;
        default: return database.store(as_bytes(std::to_string(number)), as_bytes("v")).ok();
    }
}

std::string our_outcomes(const std::string& path, Nesting nesting, const std::string& series) {
    std::string outcomes = series + " ";
    {
        auto database = FileDatabase::open({.path = path, .truncate = true, .sync = false, .nesting = nesting, .hash_size = 7});
        if (!database) return database.error().message();
        for (size_t i = 0; i < series.size(); i++) outcomes.push_back(take_step(**database, series[i], i) ? '+' : '-');
    }
    auto database = FileDatabase::open({.path = path, .create = false, .read_only = true});
    if (!database) return database.error().message();
    return outcomes + " " + std::to_string((*database)->traverse([](Bytes, Bytes) { return Visit::go_on; }).value());
}

TEST_F(Interchange, TransactionsNestAsLibtdbsDo) {
    if (output_of("/usr/bin/python3 -c 'import tdb'") != "") GTEST_SKIP() << "python3-tdb is not installed";
    constexpr int allow_nesting = 512, disallow_nesting = 1024;  // tdb.h
    for (const auto& [flag, nesting] : {std::pair(allow_nesting, Nesting::counted), std::pair(disallow_nesting, Nesting::refused)}) {
        const std::string theirs = output_of(fmt::format("/usr/bin/python3 -c '{}' {} {}", nesting_script, path, flag));
        size_t compared = 0;
        for (size_t at = 0; at < theirs.size(); compared++) {
            const std::string line = theirs.substr(at, theirs.find('\n', at) - at);
            at += line.size() + 1;
            EXPECT_EQ(our_outcomes(path, nesting, line.substr(0, line.find(' '))), line);
        }
        EXPECT_EQ(compared, 4u + 16 + 64 + 256 + 12);
    }
}

}  // namespace
}  // namespace Atoll::tdb

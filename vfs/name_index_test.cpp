#include "vfs/name_index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <csignal>
#include <functional>
#include <random>
#include <thread>

#include "base/utf.h"
#include "vfs/name_lookup.h"
#include "vfs/short_name.h"

namespace fs = std::filesystem;

namespace Atoll::vfs {
namespace {

// On a file system that tells of changes.
class NameIndexTest : public ::testing::Test {
 protected:
    void SetUp() override {
        for (const std::string& place : {fs::temp_directory_path().string(), std::string("/dev/shm"), fs::current_path().string()}) {
            struct statfs info {};
            if (::statfs(place.c_str(), &info) != 0) continue;
            const bool good = info.f_type == EXT4_SUPER_MAGIC || info.f_type == TMPFS_MAGIC || info.f_type == BTRFS_SUPER_MAGIC ||
                              info.f_type == 0x58465342;
            if (!good || ::access(place.c_str(), W_OK) != 0) continue;
            std::string pattern = place + "/atoll_index_XXXXXX";
            ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
            top_ = pattern;
            break;
        }
        if (top_.empty()) GTEST_SKIP() << "no file system here that inotify tells all of";
        fs::create_directory(top_ + "/d");
        Options options;
        options.share = "test";
        options.path = top_;
        auto vfs = connect_share(options);
        ASSERT_TRUE(vfs) << vfs.error().message();
        vfs_ = std::move(*vfs);
    }
    void TearDown() override {
        vfs_.reset();
        if (!top_.empty()) fs::remove_all(top_);
    }
    void make(const std::string& name) { std::ofstream(top_ + "/" + name) << "x"; }
    void remove(const std::string& name) { ASSERT_EQ(::unlink((top_ + "/" + name).c_str()), 0); }
    void rename(const std::string& from, const std::string& to) {
        ASSERT_EQ(::rename((top_ + "/" + from).c_str(), (top_ + "/" + to).c_str()), 0) << from << " " << to;
    }
    // The stored path, or "" if there is nothing of that name.
    std::string find(NameLookup& lookup, const std::string& path) {
        Located at;
        auto r = lookup.locate(path, at);
        EXPECT_TRUE(r);
        return r && at.missing == Missing::nothing ? at.path : "";
    }
    // Misses until the directory is indexed.
    void warm(NameLookup& lookup, NameIndex& index, const std::string& directory = "d") {
        const size_t before = index.directories();
        for (int i = 0; i < 2; i++) EXPECT_EQ(find(lookup, directory + "/no such name"), "");
        ASSERT_EQ(index.directories(), before + 1);
    }
    // Whether the lookup of `path` was answered by the index alone.
    bool by_index(NameLookup& lookup, const NameIndex& index, const std::string& path) {
        const uint64_t before = index.answers();
        (void)find(lookup, path);
        return index.answers() > before;
    }

    std::string top_;
    std::unique_ptr<Vfs> vfs_;
};

TEST_F(NameIndexTest, TheSecondMissFillsIt) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    make("d/File");
    EXPECT_EQ(find(lookup, "d/other"), "");
    EXPECT_EQ(index.directories(), 0u);
    EXPECT_EQ(find(lookup, "d/other"), "");
    EXPECT_EQ(index.directories(), 1u);
    EXPECT_TRUE(by_index(lookup, index, "d/other"));
    EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
    EXPECT_EQ(find(lookup, "d/File"), "d/File");
}

TEST_F(NameIndexTest, SeesEveryKindOfChange) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    make("outside");
    warm(lookup, index);
    make("d/Made");
    EXPECT_EQ(find(lookup, "d/MADE"), "d/Made");
    remove("d/Made");
    EXPECT_EQ(find(lookup, "d/MADE"), "");
    rename("outside", "d/Moved in");
    EXPECT_EQ(find(lookup, "d/MOVED IN"), "d/Moved in");
    rename("d/Moved in", "d/MOVED in");  // case only
    EXPECT_EQ(find(lookup, "d/moved IN"), "d/MOVED in");
    rename("d/MOVED in", "outside");
    EXPECT_EQ(find(lookup, "d/moved IN"), "");
    make("d/one");
    make("d/two");
    rename("d/one", "d/two");  // replaces
    EXPECT_EQ(find(lookup, "d/ONE"), "");
    EXPECT_EQ(find(lookup, "d/TWO"), "d/two");
    fs::create_directory(top_ + "/d/Sub");
    EXPECT_EQ(find(lookup, "d/SUB"), "d/Sub");
    fs::remove(top_ + "/d/Sub");
    EXPECT_EQ(find(lookup, "d/SUB"), "");
    fs::create_hard_link(top_ + "/outside", top_ + "/d/Hard");
    EXPECT_EQ(find(lookup, "d/HARD"), "d/Hard");
    fs::create_symlink("two", top_ + "/d/Soft");
    EXPECT_EQ(find(lookup, "d/SOFT"), "d/Soft");
    ASSERT_EQ(::renameat2(AT_FDCWD, (top_ + "/outside").c_str(), AT_FDCWD, (top_ + "/d/Hard").c_str(), 0),
              0);  // the same file: nothing happens
    EXPECT_EQ(find(lookup, "d/HARD"), "d/Hard");
    EXPECT_EQ(index.directories(), 1u);
    EXPECT_TRUE(by_index(lookup, index, "d/absent"));
}

TEST_F(NameIndexTest, SeesExchangedNames) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    make("Outer");
    make("d/Inner");
    warm(lookup, index);
    if (::renameat2(AT_FDCWD, (top_ + "/Outer").c_str(), AT_FDCWD, (top_ + "/d/Inner").c_str(), RENAME_EXCHANGE) != 0)
        GTEST_SKIP() << "no RENAME_EXCHANGE";
    EXPECT_EQ(find(lookup, "d/INNER"), "d/Inner");
    make("d/other");
    ASSERT_EQ(::renameat2(AT_FDCWD, (top_ + "/d/other").c_str(), AT_FDCWD, (top_ + "/d/Inner").c_str(), RENAME_EXCHANGE), 0);
    EXPECT_EQ(find(lookup, "d/INNER"), "d/Inner");
    EXPECT_EQ(find(lookup, "d/OTHER"), "d/other");
    // In and out again looks the same, and is not.
    rename("d/other", "d/In");
    rename("d/In", "Out");
    EXPECT_EQ(find(lookup, "d/IN"), "");
    EXPECT_TRUE(by_index(lookup, index, "d/IN"));
}

TEST_F(NameIndexTest, AnotherProcessChangesTheDirectory) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    warm(lookup, index);
    const std::string path = top_ + "/d/From Child";
    const pid_t child = ::fork();
    if (child == 0) {
        const int fd = ::open(path.c_str(), O_CREAT | O_WRONLY, 0600);
        ::_exit(fd >= 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    EXPECT_EQ(find(lookup, "d/from child"), "d/From Child");
}

// Whatever a thread had made before we looked must be found, without the two being slowed down to a walk.
TEST_F(NameIndexTest, ChangesOfAThreadAreNeverMissed) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    warm(lookup, index);
    constexpr int count = 1000;
    std::atomic<int> made{0}, checked{0};
    std::thread other([&] {
        for (int i = 0; i < count; i++) {
            make("d/File" + std::to_string(i));
            made.store(i + 1);
            while (checked.load() + 50 < i) std::this_thread::yield();
            if (i >= 100) ::unlink((top_ + "/d/File" + std::to_string(i - 100)).c_str());
        }
    });
    for (int i = 0; i < count; i++) {
        while (made.load() <= i) std::this_thread::yield();
        EXPECT_EQ(find(lookup, "d/FILE" + std::to_string(i)), "d/File" + std::to_string(i));
        checked.store(i);
    }
    other.join();
    EXPECT_EQ(find(lookup, "d/FILE0"), "");
    EXPECT_EQ(find(lookup, "d/FILE" + std::to_string(count - 1)), "d/File" + std::to_string(count - 1));
}

TEST_F(NameIndexTest, ADirectoryMadeAgainIsAnother) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    for (int round = 0; round < 20; round++) {
        const std::string name = "Name" + std::to_string(round);
        make("d/" + name);
        find(lookup, "d/absent");
        find(lookup, "d/absent");
        EXPECT_EQ(find(lookup, "d/NAME" + std::to_string(round)), "d/" + name);
        EXPECT_EQ(find(lookup, "d/NAME" + std::to_string(round - 1)), "");
        fs::remove_all(top_ + "/d");
        fs::create_directory(top_ + "/d");
    }
    find(lookup, "d/absent");
    find(lookup, "d/absent");
    EXPECT_EQ(index.directories(), 1u);
}

TEST_F(NameIndexTest, AMovedDirectoryKeepsItsIndex) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    make("d/File");
    warm(lookup, index);
    rename("d", "e");
    EXPECT_TRUE(by_index(lookup, index, "e/absent"));
    EXPECT_EQ(find(lookup, "e/FILE"), "e/File");
    EXPECT_EQ(find(lookup, "d/FILE"), "");
}

TEST_F(NameIndexTest, LostEventsDropTheIndexes) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    warm(lookup, index);
    size_t queue = 0;
    std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queue;
    if (queue == 0 || queue > 100000) GTEST_SKIP() << "a queue of " << queue << " events";
    make("d/a");
    for (size_t i = 0; i <= queue; i++) rename(i % 2 == 0 ? "d/a" : "d/b", i % 2 == 0 ? "d/b" : "d/a");
    make("d/Last");
    EXPECT_FALSE(by_index(lookup, index, "d/LAST"));  // but by the scan that fills it anew
    EXPECT_TRUE(by_index(lookup, index, "d/LAST"));
    EXPECT_EQ(find(lookup, "d/LAST"), "d/Last");
}

TEST_F(NameIndexTest, ShortNames) {
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    warm(lookup, index);
    make("d/long file name.text");
    const std::string made(ShortName("long file name.text", '~').text());
    EXPECT_EQ(find(lookup, "d/" + made), "d/long file name.text");
    remove("d/long file name.text");
    EXPECT_EQ(find(lookup, "d/" + made), "");
    EXPECT_TRUE(by_index(lookup, index, "d/" + made));
}

// Against a plain scan, through all kinds of changes.
TEST_F(NameIndexTest, AgreesWithScanning) {
    NameIndex index, never(NameIndex::Bounds{1, 4, 1});  // no room: always scans
    NameLookup lookup(*vfs_, index), scanning(*vfs_, never);
    std::mt19937 random(11);
    const auto any = [&](const char* const(&forms)[4]) {
        return std::string(random() % 2 == 0 ? "d/" : "d2/") + forms[random() % 4] + std::to_string(random() % 12);
    };
    const char* const forms[4] = {"Name", "NAME", "a long name of ", "A LONG name of "};
    fs::create_directory(top_ + "/d2");
    for (int step = 0; step < 3000; step++) {
        const std::string a = any(forms), b = any(forms);
        switch (random() % 5) {
            case 0:
            case 1: make(a); break;
            case 2: ::unlink((top_ + "/" + a).c_str()); break;
            case 3: ::rename((top_ + "/" + a).c_str(), (top_ + "/" + b).c_str()); break;
            default:
                if (random() % 40 == 0) {
                    fs::remove_all(top_ + "/d2");
                    fs::create_directory(top_ + "/d2");
                }
        }
        std::string asked = any(forms);
        if (random() % 4 == 0)
            asked = asked.substr(0, asked.find('/') + 1) + std::string(ShortName(asked.substr(asked.find('/') + 1), '~').text());
        const std::string ours = find(lookup, asked), scanned = find(scanning, asked);
        ASSERT_EQ(ours.empty(), scanned.empty()) << asked;
        // Several names may differ only in their case: which of them is found is open.
        ASSERT_TRUE(equal_ignoring_case(ours, scanned)) << asked << " " << ours << " " << scanned;
        ASSERT_TRUE(fs::exists(top_ + "/" + ours)) << asked << " " << ours;
    }
    EXPECT_EQ(never.directories(), 0u);
    EXPECT_GT(index.answers(), 1500u);
}

TEST_F(NameIndexTest, KeepsItsBounds) {
    NameIndex index(NameIndex::Bounds{3, 256, 8 * 1024});
    NameLookup lookup(*vfs_, index);
    for (int i = 0; i < 5; i++) {
        const std::string directory = "d" + std::to_string(i);
        fs::create_directory(top_ + "/" + directory);
        make(directory + "/File");
        find(lookup, directory + "/absent");
        find(lookup, directory + "/absent");
        EXPECT_LE(index.directories(), 3u);
    }
    EXPECT_EQ(index.directories(), 3u);
    EXPECT_FALSE(by_index(lookup, index, "d0/absent"));  // the one unused longest
    EXPECT_TRUE(by_index(lookup, index, "d4/absent"));
    // One that outgrows the memory is dropped; one that is too large is not indexed, and scanned right all the same.
    for (int i = 0; i < 400; i++) make("d4/a name of some length " + std::to_string(i));
    EXPECT_EQ(find(lookup, "d4/A NAME OF some length 399"), "d4/a name of some length 399");
    EXPECT_LE(index.memory(), 8u * 1024);
    for (int i = 0; i < 4; i++) EXPECT_EQ(find(lookup, "d4/A NAME OF some length 398"), "d4/a name of some length 398");
    EXPECT_FALSE(by_index(lookup, index, "d4/absent"));
    EXPECT_LE(index.memory(), 8u * 1024);
}

// Listing is not asked of a user who may not list, index or not.
TEST_F(NameIndexTest, DoesNotAnswerForAUserWhoMayNotList) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs two users";
    NameIndex index;
    NameLookup lookup(*vfs_, index);
    make("d/File");
    warm(lookup, index);
    ASSERT_EQ(::chmod(top_.c_str(), 0755), 0);
    ASSERT_EQ(::chmod((top_ + "/d").c_str(), 0711), 0);
    ASSERT_EQ(::seteuid(65534), 0);
    const std::string other_case = find(lookup, "d/FILE"), exact = find(lookup, "d/File");
    ASSERT_EQ(::seteuid(0), 0);
    EXPECT_EQ(other_case, "");
    EXPECT_EQ(exact, "d/File");
    EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
}

// Counts what the index is there to save.
class Counting : public Module {
 public:
    using Module::Module;
    Result<size_t, int> read_directory(const File& directory, MutableBytes out) override {
        scans++;
        return Module::read_directory(directory, out);
    }
    bool plain_names() const override { return plain; }
    size_t scans = 0;
    bool plain = true;
};

TEST_F(NameIndexTest, CreatingReadsNoDirectory) {
    Counting counting(std::move(vfs_));
    NameIndex index;
    NameLookup lookup(counting, index);
    for (int i = 0; i < 1000; i++) make("d/old" + std::to_string(i));
    OpenHow how;
    how.access = Access::write;
    how.create = true;
    how.mode = 0600;
    Located at;
    for (int i = 0; i < 500; i++) {
        if (i == 2) counting.scans = 0;
        ASSERT_TRUE(lookup.locate("d/New" + std::to_string(i), at));
        ASSERT_EQ(at.missing, Missing::leaf);
        ASSERT_TRUE(counting.open_at(at.parent, at.leaf(), how));
    }
    EXPECT_EQ(counting.scans, 0u);
    EXPECT_EQ(find(lookup, "d/NEW499"), "d/New499");
    EXPECT_EQ(counting.scans, 0u);
}

TEST_F(NameIndexTest, AModuleThatMapsNamesIsAlwaysScanned) {
    Counting counting(std::move(vfs_));
    counting.plain = false;
    NameIndex index;
    NameLookup lookup(counting, index);
    for (int i = 0; i < 5; i++) EXPECT_EQ(find(lookup, "d/absent"), "");
    EXPECT_EQ(index.directories(), 0u);
    EXPECT_GE(counting.scans, 5u);
}

TEST_F(NameIndexTest, LeavesNoDescriptorToAProgram) {
    const auto inotify_descriptors = [](const char* flag) {
        size_t count = 0;
        for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            if (fs::read_symlink(entry.path(), gone) != "anon_inode:inotify") continue;
            const int flags = ::fcntl(std::stoi(entry.path().filename().string()), F_GETFD);
            if (*flag == '*' || (flags & FD_CLOEXEC) == 0) count++;
        }
        return count;
    };
    const size_t before = inotify_descriptors("*");
    {
        NameIndex index;
        NameLookup lookup(*vfs_, index);
        warm(lookup, index);
        EXPECT_EQ(inotify_descriptors("*"), before + 1);
        EXPECT_EQ(inotify_descriptors("leaking"), 0u);
    }
    EXPECT_EQ(inotify_descriptors("*"), before);
}

// --- Between processes.

class SharedIndexTest : public NameIndexTest {
 protected:
    // A process that shares `index_`, in which `work` is done with a lookup of its own.
    pid_t child(const std::function<void(NameLookup&)>& work) {
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        NameLookup lookup(*vfs_, index_);
        work(lookup);
        ::_exit(HasFailure() ? 1 : 0);
    }
    static int wait_for(pid_t pid) {
        int status = -1;
        EXPECT_EQ(::waitpid(pid, &status, 0), pid);
        return status;
    }

    NameIndex index_;
};

TEST_F(SharedIndexTest, WhatOneHasScannedSparesTheOthersTheScan) {
    make("d/File");
    ASSERT_EQ(wait_for(child([&](NameLookup& lookup) { warm(lookup, index_); })), 0);
    NameLookup lookup(*vfs_, index_);
    EXPECT_EQ(index_.directories(), 1u);
    EXPECT_TRUE(by_index(lookup, index_, "d/absent"));
    EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
    // Who reads an event reads it for all.
    make("d/Second");
    ASSERT_EQ(wait_for(child([&](NameLookup& theirs) { EXPECT_EQ(find(theirs, "d/SECOND"), "d/Second"); })), 0);
    EXPECT_EQ(find(lookup, "d/SECOND"), "d/Second");
    EXPECT_TRUE(by_index(lookup, index_, "d/SECOND"));
}

TEST_F(SharedIndexTest, WhoDiesAtItLeavesNothingBehind) {
    NameLookup lookup(*vfs_, index_);
    make("d/File");
    warm(lookup, index_);
    ASSERT_EQ(wait_for(child([&](NameLookup&) {
                  const NameIndex::Hold hold(index_);
                  const MutableBytes memory = index_.shared_memory();
                  std::fill(memory.begin(), memory.begin() + 4096, uint8_t{0x5a});  // half done
                  ::_exit(0);
              })),
              0);
    EXPECT_FALSE(by_index(lookup, index_, "d/FILE"));  // but by a scan, which fills it
    EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
    EXPECT_TRUE(by_index(lookup, index_, "d/absent"));
}

TEST_F(SharedIndexTest, WhoIsStoppedAtItStopsNobody) {
    NameLookup lookup(*vfs_, index_);
    make("d/File");
    warm(lookup, index_);
    int held[2];
    ASSERT_EQ(::pipe(held), 0);
    const pid_t pid = child([&](NameLookup&) {
        const NameIndex::Hold hold(index_);
        (void)!::write(held[1], "x", 1);
        ::pause();
    });
    char byte = 0;
    ASSERT_EQ(::read(held[0], &byte, 1), 1);
    EXPECT_FALSE(by_index(lookup, index_, "d/FILE"));
    EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
    // Only the first one waits.
    const uint64_t waits = index_.waits();
    EXPECT_GT(waits, 0u);
    for (int i = 0; i < 20; i++) EXPECT_EQ(find(lookup, "d/absent"), "");
    EXPECT_LE(index_.waits(), waits + 1);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    (void)wait_for(pid);
    ::close(held[0]);
    ::close(held[1]);
    EXPECT_EQ(find(lookup, "d/absent"), "");
    EXPECT_TRUE(by_index(lookup, index_, "d/absent"));
}

TEST_F(SharedIndexTest, WhoDoesNotWantItHasNone) {
    ASSERT_EQ(wait_for(child([&](NameLookup& lookup) {
                  index_.give_up();
                  make("d/File");
                  for (int i = 0; i < 4; i++) EXPECT_EQ(find(lookup, "d/FILE"), "d/File");
                  EXPECT_EQ(index_.answers(), 0u);
              })),
              0);
    EXPECT_EQ(index_.directories(), 0u);
}

// Processes make, look up and remove names of their own in the same directory, and one after the other is killed at it.
TEST_F(SharedIndexTest, NothingIsMissedWhileProcessesAreKilled) {
    constexpr int workers = 3, kills = 40;
    const auto work = [&](int number) {
        return child([&, number](NameLookup& lookup) {
            for (int i = 0; !HasFailure(); i++) {
                const std::string name =
                    "File of " + std::to_string(number) + " " + std::to_string(::getpid()) + " " + std::to_string(i % 50);
                std::string upper = name;
                for (char& c : upper) c = static_cast<char>(::toupper(c));
                make("d/" + name);
                EXPECT_EQ(find(lookup, "d/" + upper), "d/" + name);
                if (i % 3 != 0) {
                    remove("d/" + name);
                    EXPECT_EQ(find(lookup, "d/" + upper), "");
                }
            }
        });
    };
    std::mt19937 random(5);
    pid_t pids[workers];
    for (int i = 0; i < workers; i++) pids[i] = work(i);
    NameLookup lookup(*vfs_, index_);
    for (int i = 0; i < kills; i++) {
        ::usleep(static_cast<useconds_t>(2000 + random() % 20000));
        const size_t victim = random() % workers;
        (void)::kill(pids[victim], SIGKILL);
        const int status = wait_for(pids[victim]);
        EXPECT_TRUE(WIFSIGNALED(status)) << "a name was missed";
        pids[victim] = work(static_cast<int>(victim));
        make("d/Mine" + std::to_string(i));
        EXPECT_EQ(find(lookup, "d/MINE" + std::to_string(i)), "d/Mine" + std::to_string(i));
    }
    for (const pid_t pid : pids) {
        (void)::kill(pid, SIGKILL);
        EXPECT_TRUE(WIFSIGNALED(wait_for(pid))) << "a name was missed";
    }
    EXPECT_GT(index_.answers(), 0u);
}

}  // namespace
}  // namespace Atoll::vfs

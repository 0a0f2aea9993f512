// A process dies at any instruction inside an operation: what it leaves must be whole for the next.
//
// One child steps itself through its work with the processor's trap flag. Every few instructions (in transactions every 97, or few as well
// where ATOLL_STRESS_SECONDS asks for long tests) it copies the file as it stands; in each
// copy the mutexes are then marked as the kernel marks those of the dead, and it is opened, used and checked.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <x86gprintrin.h>

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

#if !defined(ATOLL_SANITIZED) && defined(__x86_64__)

namespace Atoll::tdb {
namespace {

constexpr uint32_t chains = 2;
unsigned stride = 11;  // instructions from one copy to the next
constexpr uint32_t futex_owner_died = 0x40000000;

const std::string small(20, 'n'), middle(700, 'n'), large(1500, 'n'), after(1900, 'a');
const std::string shorter(650, 's'), longer(690, 'l');  // have room where the one in the middle stood

// Some records, and dead and free ones among them.
void fill(FileDatabase& database) {
    for (int i = 0; i < 12; i++)
        ASSERT_TRUE(database.store(as_bytes("key" + std::to_string(i)), as_bytes(std::string(static_cast<size_t>(60 + i * 30), 'o'))).ok());
    for (int i = 0; i < 12; i += 2) ASSERT_TRUE(database.remove(as_bytes("key" + std::to_string(i))).ok());
}

// The work in which the process dies: it makes, replaces, overwrites, grows the file, frees with merging, and reuses.
void work(FileDatabase& database) {
    (void)database.store(as_bytes("key1"), as_bytes(middle)).ok();
    (void)database.store(as_bytes("key1"), as_bytes(shorter)).ok();
    if (auto held = database.fetch_locked(as_bytes("key1")); held) (void)held->store(as_bytes(longer)).ok();
    (void)database.store(as_bytes("key3"), as_bytes(small)).ok();
    for (const char* key : {"new1", "new2", "new3"}) (void)database.store(as_bytes(key), as_bytes(large)).ok();
    (void)database.remove(as_bytes("key5")).ok();
    (void)database.store(as_bytes("key7"), as_bytes(large)).ok();
    (void)database.remove(as_bytes("new1")).ok();
    (void)database.remove(as_bytes("new2")).ok();
    (void)database.store(as_bytes("new3"), as_bytes(small)).ok();
    (void)database.store(as_bytes("last"), as_bytes(small)).ok();
    // Two records change together, in a transaction that makes the file larger; then once more where there is a recovery area.
    if (!std::getenv("ATOLL_STRESS_SECONDS")) stride = 97;  // most are loops that compare pages
    for (const std::string* value : {&large, &middle}) {
        (void)database.begin().ok();
        (void)database.store(as_bytes("key9"), as_bytes(*value)).ok();
        (void)database.store(as_bytes("grown"), as_bytes(std::string(9000, 'g'))).ok();
        (void)database.store(as_bytes("key11"), as_bytes(*value)).ok();
        (void)database.commit().ok();
    }
    auto all = database.lock_all(Intent::write);
    (void)database.store(as_bytes("key1"), as_bytes(small)).ok();
}

// The copies that the child makes: in memory that outlives it, each behind its size; of each page whether it is more than zeros, and then
// what.
struct Copies {
    static constexpr size_t room = size_t{1} << 30;  // of address space

    uint64_t instructions;
    uint64_t used;
    uint8_t bytes[8];
};
Copies* copies = nullptr;
int copied_fd = -1;

constexpr size_t page = 4096;

void on_trap(int) {
    if (copies->instructions++ % stride != 0) return;
    static const uint8_t zeros[page] = {};
    const auto size = static_cast<uint64_t>(::lseek(copied_fd, 0, SEEK_END));
    uint8_t* at = copies->bytes + copies->used;
    if (copies->used + size + size / page * 8 + 4 * page > Copies::room) ::_exit(1);
    store_le<uint64_t>(at, size);
    at += 8;
    for (uint64_t done = 0; done < size; done += page) {
        const size_t length = std::min<uint64_t>(page, size - done);
        if (::pread(copied_fd, at + 8, length, static_cast<off_t>(done)) != static_cast<ssize_t>(length)) ::_exit(1);
        const bool zero = std::memcmp(at + 8, zeros, length) == 0;
        store_le<uint64_t>(at, zero ? 0 : 1);
        at += zero ? 8 : 8 + page;
    }
    copies->used = static_cast<uint64_t>(at - copies->bytes);
}

// The copy at `at`, behind which the next begins.
std::string next_copy(uint64_t& at) {
    std::string bytes(load_le<uint64_t>(copies->bytes + at), 0);
    at += 8;
    for (uint64_t done = 0; done < bytes.size(); done += page) {
        const bool zero = load_le<uint64_t>(copies->bytes + at) == 0;
        if (!zero) std::memcpy(bytes.data() + done, copies->bytes + at + 8, std::min<uint64_t>(page, bytes.size() - done));
        at += zero ? 8 : 8 + page;
    }
    return bytes;
}

void step_through(FileDatabase& database) {
    ::signal(SIGTRAP, on_trap);
    __writeeflags(__readeflags() | 0x100);
    work(database);
    __writeeflags(__readeflags() & ~0x100ull);
}

// Writes a copy as a file, with every held mutex as the kernel leaves it when its holder is gone.
void write_as_left_by_the_dead(std::string bytes, int to) {
    for (size_t i = 0; i <= chains + 1; i++) {
        uint8_t* word = reinterpret_cast<uint8_t*>(bytes.data()) +
                        (i == 0 ? offsetof(MutexArea, all_mutex) : offsetof(MutexArea, locks) + (i - 1) * sizeof(pthread_mutex_t));
        if (load_le<uint32_t>(word) != 0) store_le<uint32_t>(word, futex_owner_died);
    }
    ASSERT_EQ(::pwrite(to, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ASSERT_EQ(::ftruncate(to, static_cast<off_t>(bytes.size())), 0);
}

// As the one who keeps the copy in use, so that its opener is not the first and takes the mutexes as they are.
pid_t start_keeper(const std::string& path) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
        if (!lock_bytes(fd, F_RDLCK, lock_active, 1, true) || ::write(ready[1], "r", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    return pid;
}

// `instruction` is the number of the copy.
void examine(const std::string& path, uint64_t instruction) {
    auto database = FileDatabase::open({.path = path, .create = false});
    ASSERT_TRUE(database.ok()) << database.error().message() << " after " << instruction;
    for (int i = 1; i < 12; i += 2) {
        const std::string key = "key" + std::to_string(i);
        auto found = (*database)->parse(as_bytes(key), [&](Bytes value) {
            const std::string_view text = as_text(value);
            const bool old = text == std::string(static_cast<size_t>(60 + i * 30), 'o');
            EXPECT_TRUE(old || text == small || text == middle || text == large || text == shorter || text == longer)
                << key << " after " << instruction;
        });
        ASSERT_TRUE(found.ok()) << found.error().message() << " after " << instruction;
        EXPECT_TRUE(*found || i == 5) << key << " after " << instruction;
    }
    Buffer first, second;
    ASSERT_TRUE((*database)->fetch(as_bytes("key9"), first).ok() && (*database)->fetch(as_bytes("key11"), second).ok());
    EXPECT_TRUE(as_text(first) == as_text(second) || (first[0] == 'o' && second[0] == 'o')) << "half a transaction after " << instruction;
    ASSERT_TRUE((*database)->store(as_bytes("after"), as_bytes(after)).ok()) << " after " << instruction;
    auto records = (*database)->check();
    ASSERT_TRUE(records.ok()) << records.error().message() << " after " << instruction;
}

class Crash : public testing::TestWithParam<bool> {};

TEST_P(Crash, AnyInstructionMayBeTheLast) {
    log_set_level(-1);
    // Thousands of copies are written: memory if there is such a place.
    std::string directory = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir()) + "atoll_crash.XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string path = directory + "/crash.tdb", copy = directory + "/copy.tdb";
    const bool with_keeper = GetParam();  // otherwise the copy's opener is alone with what all others, being dead, left
    const pid_t keeper = with_keeper ? start_keeper(copy) : -1;

    auto database = FileDatabase::open({.path = path, .clear_if_first = true, .locks = LockMode::mutex, .hash_size = chains});
    ASSERT_TRUE(database.ok()) << database.error().message();
    fill(**database);
    copied_fd = ::open(path.c_str(), O_RDONLY);
    copies = static_cast<Copies*>(::mmap(nullptr, Copies::room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    ASSERT_NE(copies, MAP_FAILED);
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (!(*database)->reopen_after_fork()) ::_exit(1);
        step_through(**database);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_GT(copies->instructions, 1000u);
    const int to = ::open(copy.c_str(), O_RDWR | O_CREAT, 0600);
    uint64_t copied = 0;
    for (uint64_t at = 0; at < copies->used && !HasFatalFailure(); copied++) {
        write_as_left_by_the_dead(next_copy(at), to);
        examine(copy, copied);
    }
    std::printf("died at %lu of %lu instructions\n", static_cast<unsigned long>(copied), static_cast<unsigned long>(copies->instructions));
    if (keeper > 0) {
        ::kill(keeper, SIGKILL);
        ::waitpid(keeper, nullptr, 0);
    }
    ::munmap(copies, Copies::room);
    ::close(copied_fd);
    ::close(to);
    for (const std::string& file : {path, copy}) ::unlink(file.c_str());
    ::rmdir(directory.c_str());
}

INSTANTIATE_TEST_SUITE_P(File, Crash, testing::Bool(),
                         [](const auto& keeper) { return std::string(keeper.param ? "others_live_on" : "all_are_dead"); });

}  // namespace
}  // namespace Atoll::tdb

#endif

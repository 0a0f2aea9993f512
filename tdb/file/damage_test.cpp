// A damaged file: every byte changed in turn (of those that are only space, every eleventh where ATOLL_STRESS_SECONDS does not ask for long
// tests), and random bytes. Opening it, checking it, reading and changing it gives an error or works, and comes to an end; what holds the
// file together is not changed without check() noticing.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

class Damage : public testing::TestWithParam<LockMode> {
 protected:
    void SetUp() override {
        log_set_level(-1);
        fd = ::memfd_create("damage", 0);
        path = "/proc/self/fd/" + std::to_string(fd);
    }
    void TearDown() override { ::close(fd); }

    // Live, dead and free records, and a recovery area that is idle.
    std::string make() {
        auto database =
            FileDatabase::open({.path = path, .clear_if_first = GetParam() == LockMode::mutex, .locks = GetParam(), .hash_size = 3});
        EXPECT_TRUE(database.ok());
        for (int i = 0; i < 12; i++)
            EXPECT_TRUE(
                (*database)->store(as_bytes("key" + std::to_string(i)), as_bytes(std::string(static_cast<size_t>(5 + i * 3), 'v'))).ok());
        EXPECT_TRUE((*database)->begin().ok());
        for (int i = 0; i < 12; i += 2) EXPECT_TRUE(*(*database)->remove(as_bytes("key" + std::to_string(i))));
        EXPECT_TRUE((*database)->commit().ok());
        EXPECT_EQ(*(*database)->check(), 6u);
        inner = (*database)->summary()->header_offset;
        std::string bytes(static_cast<size_t>(::lseek(fd, 0, SEEK_END)), '\0');
        EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
        return bytes;
    }
    void write(const std::string& bytes) const {
        ASSERT_EQ(::ftruncate(fd, 0), 0);
        ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    }
    // Everything that can be done with a file. True: check() found nothing wrong with it.
    bool use(bool change) const {
        auto database = FileDatabase::open({.path = path, .create = false, .read_only = !change});
        if (!database) return false;
        const bool sound = (*database)->check().ok();
        Buffer value;
        for (const char* key : {"key1", "key4", "", "nokey"}) (void)(*database)->fetch(as_bytes(key), value).ok();
        uint64_t seen = 0;
        (void)(*database)->traverse([&](Bytes, Bytes) { return ++seen < 1000 ? Visit::go_on : Visit::stop; }).ok();
        (void)(*database)->summary().ok();
        (void)(*database)->visit_free_list([&](const RecordPlace&) { return Visit::go_on; }).ok();
        (void)(*database)->rescue([](Bytes, Bytes) { return Visit::go_on; }).ok();
        if (!change) return sound;
        (void)(*database)->store(as_bytes("key1"), as_bytes(std::string(300, 'n'))).ok();
        (void)(*database)->remove(as_bytes("key3")).ok();
        const bool begun = (*database)->begin().ok();
        const bool stored = begun && (*database)->store(as_bytes("key5"), as_bytes(std::string(9000, 'n'))).ok();
        const bool committed = begun && (*database)->commit().ok();
        (void)(*database)->repack().ok();
        // What was sound takes changes, and stays sound.
        if (sound) {
            EXPECT_TRUE(stored && committed);
            auto after = (*database)->check();
            EXPECT_TRUE(after.ok()) << after.error().message();
        }
        return sound;
    }

    int fd = -1;
    std::string path;
    uint64_t inner = 0;  // where the data part starts
};

INSTANTIATE_TEST_SUITE_P(File, Damage, testing::Values(LockMode::fcntl, LockMode::mutex),
                         [](const auto& mode) { return std::string(mode.param == LockMode::mutex ? "mutex" : "fcntl"); });

// Which bytes of the data part say what the file is and where what lies: not the values, padding, counters and what is in free space.
std::vector<bool> structure(const std::string& bytes, uint64_t inner) {
    std::vector<bool> matters(bytes.size());
    const auto mark = [&](uint64_t from, uint64_t length) {
        std::fill_n(matters.begin() + static_cast<ptrdiff_t>(inner + from), length, true);
    };
    const auto word = [&](uint64_t at) { return load_le<uint32_t>(reinterpret_cast<const uint8_t*>(bytes.data()) + inner + at); };
    const uint32_t hash_size = word(offsetof(FileHeader, hash_size));
    mark(0, offsetof(FileHeader, sequence_number));
    mark(offsetof(FileHeader, magic1_hash), data_start(hash_size) - offsetof(FileHeader, magic1_hash));
    for (uint64_t at = data_start(hash_size); at + inner < bytes.size();) {
        const uint32_t rec_len = word(at + 4), key_len = word(at + 8), magic = word(at + 20);
        const bool area = magic == record_recovery_idle, live = magic == record_live;
        mark(at + 20, 4);
        if (!area) mark(at, 8);
        if (live) mark(at + 8, 4);
        if (live) mark(at + 16, 4);
        if (live) mark(at + sizeof(RecordHeader), key_len);
        at += sizeof(RecordHeader) + rec_len;
        if (!area) mark(at - sizeof(Tailer), sizeof(Tailer));
    }
    return matters;
}

TEST_P(Damage, OfAnyByteIsAnErrorOrDoesNoHarm) {
    const std::string sound = make();
    ASSERT_TRUE(use(false));
    const std::vector<bool> matters = structure(sound, inner);
    uint64_t found = 0, missed = 0;
    std::string bytes = sound;
    const size_t stride = std::getenv("ATOLL_STRESS_SECONDS") ? 1 : 11;
    for (size_t at = inner; at < bytes.size(); at++) {
        if (!matters[at] && at % stride != 0) continue;
        const bool sample = matters[at] || at % 97 == 0;  // free space and values are all alike: most of it is only read
        for (const int flip : {0xFF, 0x01, 0x80}) {
            if (!sample && flip != 0xFF) continue;
            bytes[at] = static_cast<char>(sound[at] ^ flip);
            write(bytes);
            const bool unnoticed = use(false);
            if (matters[at]) {
                found += !unnoticed;
                missed += unnoticed;
                // Who opens a file with mutexes alone first repairs what a dead process may have left, and this like that.
                EXPECT_TRUE(!unnoticed || GetParam() == LockMode::mutex) << "byte " << at - inner << " flip " << flip;
            }
            if (sample) {
                write(bytes);
                (void)use(true);
            }
            if (HasFatalFailure()) return;
        }
        bytes[at] = sound[at];
    }
    EXPECT_GT(found, 1000u);
    EXPECT_LT(missed, found);
}

TEST_P(Damage, OfManyBytesComesToAnEnd) {
    const std::string sound = make();
    std::mt19937 random(3);
    for (int round = 0; round < 1500; round++) {
        std::string bytes = sound;
        if (round % 5 == 0) {  // everything behind the header
            for (size_t at = inner + sizeof(FileHeader); at < bytes.size(); at++) bytes[at] = static_cast<char>(random());
        } else {
            for (uint64_t i = random() % 20 + 1; i > 0; i--) {
                // Words of the right kind in the wrong place do more than noise.
                const size_t at = inner + random() % ((bytes.size() - inner) / 4) * 4,
                             from = inner + random() % ((bytes.size() - inner) / 4) * 4;
                if (random() % 2 == 0) {
                    std::memcpy(bytes.data() + at, sound.data() + from, 4);
                } else {
                    store_le<uint32_t>(reinterpret_cast<uint8_t*>(bytes.data()) + at,
                                       random() % 3 == 0 ? record_recovery : static_cast<uint32_t>(random() % bytes.size()) & ~3u);
                }
            }
        }
        if (round % 7 == 0) bytes.resize(random() % bytes.size());
        write(bytes);
        auto database = FileDatabase::open({.path = path, .create = false});
        const bool opened = database.ok();
        if (opened) database->reset();
        (void)use(true);
    }
}

}  // namespace
}  // namespace Atoll::tdb

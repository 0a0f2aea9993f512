#include "tdb/lmdb/environment.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::tdb {
namespace {

class EnvironmentTest : public testing::Test {
 protected:
    EnvironmentTest() {
        std::string pattern = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir()) + "atoll_environment.XXXXXX";
        directory = ::mkdtemp(pattern.data());
        path = directory + "/data.mdb";
    }
    ~EnvironmentTest() override {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    void open(uint64_t map_size = 256u << 20, bool read_only = false) {
        LmdbEnvironmentOptions options;
        options.path = path;
        options.map_size = map_size;
        options.read_only = read_only;
        auto opened = LmdbEnvironment::open(options);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        environment = std::move(*opened);
        auto named = LmdbDatabase::open(environment, "records", Rank::none);
        ASSERT_TRUE(named.ok()) << named.error().message();
        database = std::move(*named);
    }
    void close() {
        database.reset();
        environment.reset();
    }
    std::string get(const std::string& key) {
        Buffer value;
        auto found = database->fetch(as_bytes(key), value);
        EXPECT_TRUE(found.ok()) << found.error().message();
        return found.ok() && *found ? std::string(as_text(value)) : "(none)";
    }
    Result<void> put(const std::string& key, const std::string& value) { return database->store(as_bytes(key), as_bytes(value)); }
    // One transaction of many records; again while the map grows.
    Result<void> put_many(int from, int count, const std::string& value) {
        for (;;) {
            if (auto begun = environment->begin(); !begun) return begun;
            Result<void> done;
            for (int i = from; i < from + count && done; i++) done = put("key" + std::to_string(i), value);
            if (done) {
                done = environment->commit();
            } else {
                environment->cancel();
            }
            if (done.ok() || !environment->will_grow()) return done;
        }
    }

    std::string directory, path;
    std::shared_ptr<LmdbEnvironment> environment;
    std::unique_ptr<LmdbDatabase> database;
};

// A process that stands inside a read until it is told to go on; then it says what it saw and reads once more.
class Reader {
 public:
    explicit Reader(const std::string& path) {
        int from[2], to[2];
        EXPECT_TRUE(::pipe(from) == 0 && ::pipe(to) == 0);
        pid = ::fork();
        if (pid == 0) {
            (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
            read_in_steps(path, to[0], from[1]);
        }
        ::close(from[1]);
        ::close(to[0]);
        from_ = from[0];
        to_ = to[1];
        EXPECT_EQ(says(), "inside");
    }
    ~Reader() {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        ::close(from_);
        ::close(to_);
    }
    void go_on() const { (void)!::write(to_, "g", 1); }
    [[nodiscard]] std::string says() const {
        char text[16] = {};
        EXPECT_EQ(::read(from_, text, 8), 8);
        std::string word(text);
        return word.substr(0, word.find(' '));
    }

    pid_t pid = -1;

 private:
    static void say(int fd, std::string word) {
        word.resize(8, ' ');
        (void)!::write(fd, word.data(), 8);
    }
    [[noreturn]] static void read_in_steps(const std::string& path, int in, int out) {
        LmdbEnvironmentOptions options;
        options.path = path;
        options.read_only = true;
        auto environment = LmdbEnvironment::open(options);
        if (!environment) ::_exit(1);
        auto database = LmdbDatabase::open(*environment, "records", Rank::none);
        if (!database) ::_exit(2);
        for (const char* word : {"inside", "again"}) {
            auto found = (*database)->parse(as_bytes("watched"), [&](Bytes value) {
                say(out, word);
                char byte;
                (void)!::read(in, &byte, 1);
                say(out, std::string(as_text(value).substr(0, 3)));
            });
            if (!found || !*found) say(out, "failed");
        }
        ::_exit(0);
    }
    int from_ = -1, to_ = -1;
};

// Wherever a file ends too early, it is refused or everything in it can be read; nobody dies of SIGBUS.
TEST_F(EnvironmentTest, FileThatIsCutShort) {
    open();
    const std::string large(9000, 'l');
    for (int i = 0; i < 40; i++) ASSERT_TRUE(put("key" + std::to_string(i), i % 4 == 0 ? large : "small").ok());
    close();
    const auto whole = std::filesystem::file_size(path);
    const std::string copy = directory + "/cut.mdb";
    constexpr int refused = 10, read = 11;
    int refusals = 0;
    for (uint64_t size = whole; size > 8192; size -= 4096) {
        std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
        std::filesystem::resize_file(copy, size);
        const pid_t pid = ::fork();
        if (pid == 0) {
            LmdbEnvironmentOptions options;
            options.path = copy;
            auto opened = LmdbEnvironment::open(options);
            if (!opened) ::_exit(opened.error().code == Code::corrupt ? refused : 1);
            auto records = LmdbDatabase::open(*opened, "records", Rank::none);
            if (!records) ::_exit(2);
            auto seen = (*records)->traverse([](Bytes, Bytes value) { return value.back() == 0 ? Visit::stop : Visit::go_on; });
            ::_exit(seen && *seen == 40 ? read : 3);
        }
        int status = 0;
        ::waitpid(pid, &status, 0);
        ASSERT_TRUE(WIFEXITED(status)) << size << " of " << whole << " bytes: signal " << WTERMSIG(status);
        EXPECT_TRUE(WEXITSTATUS(status) == refused || WEXITSTATUS(status) == read) << size << ": " << WEXITSTATUS(status);
        refusals += WEXITSTATUS(status) == refused ? 1 : 0;
        EXPECT_TRUE(size < whole || WEXITSTATUS(status) == read) << "the whole file is refused";
    }
    EXPECT_GT(refusals, 10);
}

TEST_F(EnvironmentTest, NamedDatabasesShareATransaction) {
    open();
    auto other = LmdbDatabase::open(environment, "others", Rank::none);
    ASSERT_TRUE(other.ok());
    ASSERT_TRUE(environment->begin().ok());
    ASSERT_TRUE(put("a", "1").ok());
    ASSERT_TRUE((*other)->store(as_bytes("a"), as_bytes("2")).ok());
    environment->cancel();
    EXPECT_EQ(get("a"), "(none)");
    const uint64_t before = environment->last_commit();
    ASSERT_TRUE(environment->begin().ok());
    ASSERT_TRUE(put("a", "1").ok());
    ASSERT_TRUE((*other)->store(as_bytes("a"), as_bytes("2")).ok());
    ASSERT_TRUE(environment->commit().ok());
    EXPECT_EQ(environment->last_commit(), before + 1);
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(*environment->database_names(), (std::vector<std::string>{"others", "records"}));
}

TEST_F(EnvironmentTest, AReaderFindsOnlyWhatIsThere) {
    LmdbEnvironmentOptions options;
    options.path = path;
    options.read_only = true;
    EXPECT_EQ(LmdbEnvironment::open(options).error().code, Code::not_found);
    open();
    close();
    auto reading = LmdbEnvironment::open(options);
    ASSERT_TRUE(reading.ok());
    EXPECT_EQ(LmdbDatabase::open(*reading, "others", Rank::none).error().code, Code::not_found);
    EXPECT_EQ((*reading)->begin().error().code, Code::denied);
}

// The writer's map grows sixteen times while one process reads: that one sees its own moment to the end, and then the new one.
TEST_F(EnvironmentTest, TheMapGrowsAndNobodyStops) {
    open(64 * 1024);
    ASSERT_TRUE(put("watched", "old").ok());
    const Reader reader(path);
    ASSERT_TRUE(put_many(0, 300, std::string(3000, 'v')).ok());
    ASSERT_TRUE(put("watched", "new").ok());
    EXPECT_GE(environment->map_size(), 16u * 64 * 1024);
    reader.go_on();
    EXPECT_EQ(reader.says(), "old");
    EXPECT_EQ(reader.says(), "again");
    // It is inside its second read, in the larger map.
    ASSERT_TRUE(put_many(300, 1000, std::string(3000, 'v')).ok());
    reader.go_on();
    EXPECT_EQ(reader.says(), "new");
}

// A reader that was killed inside a read pins every page that has been replaced since; the file grows until its place is freed.
TEST_F(EnvironmentTest, DeadReadersAreClearedAndTheirPagesReused) {
    open();
    ASSERT_TRUE(put("watched", "old").ok());
    const auto file_growth = [this] {
        const auto before = std::filesystem::file_size(path);
        for (int i = 0; i < 200; i++) EXPECT_TRUE(put("churn", std::string(20000, static_cast<char>('a' + i % 26))).ok());
        return std::filesystem::file_size(path) - before;
    };
    (void)file_growth();
    EXPECT_EQ(file_growth(), 0u);
    { const Reader killed(path); }
    EXPECT_GT(file_growth(), 1000000u) << "the test would not notice a dead reader";
    auto cleared = environment->clear_dead_readers();
    ASSERT_TRUE(cleared.ok());
    EXPECT_EQ(*cleared, 1u);
    EXPECT_EQ(file_growth(), 0u);
    const Reader alive(path);
    EXPECT_EQ(*environment->clear_dead_readers(), 0u);
}

TEST_F(EnvironmentTest, ACopyIsOneMomentWhileOthersWrite) {
    open();
    ASSERT_TRUE(put_many(0, 200, "0").ok());
    const pid_t writer = ::fork();
    if (writer == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        open();
        for (int n = 1;; n++) {
            if (!put_many(0, 200, std::to_string(n))) ::_exit(1);
        }
    }
    std::string last = "0";
    for (int copy = 0; copy < 5; copy++) {
        const std::string to = directory + "/copy" + std::to_string(copy);
        while (get("key0") == last) ::usleep(1000);
        last = get("key0");
        auto copied = environment->copy_to(to);
        ASSERT_TRUE(copied.ok()) << copied.error().message();
        LmdbEnvironmentOptions options;
        options.path = to;
        auto opened = LmdbEnvironment::open(options);
        ASSERT_TRUE(opened.ok());
        auto records = LmdbDatabase::open(*opened, "records", Rank::none);
        ASSERT_TRUE(records.ok());
        std::string value;
        auto seen = (*records)->traverse([&](Bytes, Bytes bytes) {
            if (value.empty()) value = as_text(bytes);
            EXPECT_EQ(as_text(bytes), value);
            return Visit::go_on;
        });
        EXPECT_EQ(*seen, 200u);
        EXPECT_GE(std::stoi(value), std::stoi(last));
    }
    EXPECT_EQ(environment->copy_to(path).error().code, Code::exists);
    ::kill(writer, SIGKILL);
    ::waitpid(writer, nullptr, 0);
}

// A copy that does not fit leaves nothing behind.
TEST_F(EnvironmentTest, ACopyThatFailsIsTakenAway) {
    open();
    ASSERT_TRUE(put_many(0, 100, std::string(3000, 'v')).ok());
    const std::string to = directory + "/copy";
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{100000, 100000};
        (void)::setrlimit(RLIMIT_FSIZE, &limit);
        open(256u << 20, true);
        auto copied = environment->copy_to(to);
        ::_exit(!copied && copied.error().code == Code::no_space ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(std::filesystem::exists(to));
}

// The kernel refuses to write behind the limit: in the middle of a page, as on a disk that is full. Whatever is tried then, the last commit
// is what there is, and work goes on when there is room.
TEST_F(EnvironmentTest, ShortWritesAndAFullDiskLeaveTheLastCommit) {
    open();
    ASSERT_TRUE(put_many(0, 50, std::string(1000, 'a')).ok());
    const auto size = std::filesystem::file_size(path);
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        open();
        for (uint64_t room = 0; room < 12 * 4096; room += 4096 / 4) {
            const rlimit limit{size + room, RLIM_INFINITY};
            (void)::setrlimit(RLIMIT_FSIZE, &limit);
            const auto done = put_many(50, 100, std::string(2000, 'b'));
            if (done.ok()) ::_exit(1);
            if (done.error().code != Code::no_space) ::_exit(2);
            if (environment->is_broken() || get("key50") != "(none)" || get("key49") != std::string(1000, 'a')) ::_exit(3);
        }
        const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
        (void)::setrlimit(RLIMIT_FSIZE, &none);
        if (!put("key0", "changed")) ::_exit(4);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(get("key0"), "changed");
    EXPECT_EQ(get("key49"), std::string(1000, 'a'));
    EXPECT_EQ(get("key50"), "(none)");
}

}  // namespace
}  // namespace Atoll::tdb

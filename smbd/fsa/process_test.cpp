// Several processes on one locking.tdb: exclusive opens exclude, and nobody keeps a file that another has deleted.
#include <sys/wait.h>

#include <thread>

#include "smbd/fsa/fsa_fixture_test.h"
#include "tdb/file/file_database.h"

namespace Atoll::fsa {
namespace {

class ProcessTest : public FsaTest {
 protected:
    static constexpr int rounds = 100;  // that each process must win

    tdb::FileOptions options() const {
        tdb::FileOptions o;
        o.path = root_ + ".tdb";
        o.rank = tdb::Rank::locking;
        o.clear_if_first = true;
        o.locks = tdb::LockMode::mutex;
        return o;
    }
    void TearDown() override {
        std::filesystem::remove(root_ + ".tdb");
        FsaTest::TearDown();
    }

    static int failed(const std::string& what) {
        std::fprintf(stderr, "child: %s\n", what.c_str());
        return -1;
    }
    // Opens the same file exclusively again and again, to be deleted at close, and writes and reads back what only it can have written.
    // The number of opens that succeeded, or -1 after something that must not happen.
    int work(uint64_t pid) {
        auto database = tdb::FileDatabase::open(options());
        if (!database) return failed(database.error().message());
        auto files = FileSystem::create({.locking = **database, .brlock = *brlock_, .self = {0, pid, 0}, .holder_exists = nullptr});
        auto share = make_share(*files);
        int good = 0;
        const auto deadline = monotonic_now() + std::chrono::seconds(60);
        for (int i = 0; good < rounds; i++) {
            if (monotonic_now() > deadline) return failed("too slow");
            CreateParams p = params("contended", access::read_data | access::write_data | access::delete_, Disposition::open_if);
            if (i % 2 == 0) p.options = option::delete_on_close;
            p.share_access = 0;
            p.open_id = pid * 1000000 + static_cast<uint64_t>(i);
            auto r = files->create(*share, p);
            if (!r) {
                if (r.error() != NtStatus::SHARING_VIOLATION && r.error() != NtStatus::DELETE_PENDING) return failed(to_string(r.error()));
                std::this_thread::sleep_for(std::chrono::microseconds(50));
                continue;
            }
            const uint64_t mine = p.open_id;
            const Bytes data(reinterpret_cast<const uint8_t*>(&mine), sizeof mine);
            std::array<uint8_t, sizeof mine> back{};
            if (!r->open->write_now(data, 0, false) || !r->open->run_read(back, 0)) return failed("a write or read");
            if (std::memcmp(back.data(), &mine, sizeof mine) != 0) return failed("somebody else's data");
            // The name leads to the file that is open: nobody deleted it under us.
            struct stat named {};
            if (::stat(at("contended").c_str(), &named) != 0 || named.st_ino != r->info.id.index_number)
                return failed("another file under its name");
            if (!files->close(*r->open)) return failed("a close");
            good++;
        }
        return good;
    }
};

TEST_F(ProcessTest, ExclusiveOpensExcludeAndDeletionTakesNobodysFile) {
    auto keeper = tdb::FileDatabase::open(options());  // so that the database is made once
    ASSERT_TRUE(keeper) << keeper.error().message();
    std::vector<pid_t> children;
    for (uint64_t i = 1; i <= 3; i++) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            keeper->reset();
            ::_exit(work(i) == rounds ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    EXPECT_EQ(*(*keeper)->check(), 0u);
}

}  // namespace
}  // namespace Atoll::fsa

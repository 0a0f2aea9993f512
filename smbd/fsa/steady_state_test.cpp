// What the hot path costs (docs/design.md, "The way of a request"): once warm, opening, querying, reading, writing and closing a file
// allocates nothing.
#include <cstdlib>
#include <new>

#include "smbd/fsa/fsa_fixture_test.h"
#include "tdb/file/file_database.h"

#if !defined(ATOLL_SANITIZED)

namespace {
size_t allocations = 0;
}

[[gnu::noinline]] void* operator new(size_t size) {
    allocations++;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace Atoll::fsa {
namespace {

class SteadyState : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        tdb::FileOptions options;
        options.path = root_ + "/locking.tdb";
        options.rank = tdb::Rank::locking;
        options.clear_if_first = true;
        options.locks = tdb::LockMode::mutex;
        auto opened = tdb::FileDatabase::open(options);
        ASSERT_TRUE(opened) << opened.error().message();
        database_ = std::move(*opened);
        share_.reset();
        files_ = FileSystem::create({.locking = *database_, .brlock = *brlock_, .self = {0, 1, 0}, .holder_exists = nullptr});
        connect();
        write("a file with a name that is longer than short strings are", std::string(4096, 'x'));
    }
    void TearDown() override {
        share_.reset();
        files_.reset();
        FsaTest::TearDown();
        database_.reset();
    }
    void run(const CreateParams& p) {
        std::array<uint8_t, 4096> bytes;
        auto r = files_->create(*share_, p);
        ASSERT_TRUE(r);
        ASSERT_TRUE(r->open->info());
        ASSERT_TRUE(r->open->read_now(bytes, 0));
        ASSERT_TRUE(r->open->run_read(bytes, 0));
        ASSERT_TRUE(r->open->write_now(bytes, 0, false));
        FileInfo info;
        ASSERT_TRUE(files_->close(*r->open, &info));
    }

    std::unique_ptr<tdb::FileDatabase> database_;
};

TEST_F(SteadyState, OpensAndDataAllocateNothing) {
    CreateParams p = params("a file with a name that is longer than short strings are", rw_access);
    for (int i = 0; i < 3; i++) run(p);
    const size_t before = allocations;
    for (int i = 0; i < 10; i++) {
        p.open_id++;
        run(p);
    }
    EXPECT_EQ(allocations - before, 0u);
}

size_t open_descriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

TEST_F(SteadyState, AThousandOpensLeaveNoDescriptorAndNoRecord) {
    CreateParams p = params("a file with a name that is longer than short strings are", access::read_data | access::read_attributes);
    const size_t descriptors = open_descriptors();
    for (int i = 0; i < 1000; i++) {
        auto r = files_->create(*share_, p);
        ASSERT_TRUE(r);
        ASSERT_TRUE(files_->close(*r->open));
    }
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_EQ(*database_->check(), 0u);
}

}  // namespace
}  // namespace Atoll::fsa

#endif

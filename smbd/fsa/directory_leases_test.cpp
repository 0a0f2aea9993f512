// Leases on directories: MS-FSA 2.1.4.12 with PARENT_OBJECT, MS-SMB2 3.3.5.9.11.
#include "smbd/fsa/oplocks_fixture_test.h"

namespace Atoll::fsa {
namespace {

class DirectoryLeasesTest : public OplocksTest {
 protected:
    void SetUp() override {
        OplocksTest::SetUp();
        mkdir("d");
        mkdir("e");
        write("d/old");
    }
    static LeaseRequest of_directory(uint32_t state, uint8_t key) {
        LeaseRequest out = request(state, key);
        out.directories = true;
        return out;
    }
    CreateResult hold(const LeaseRequest& wanted, std::string_view path = "d") {
        return must_open(one_, lease(wanted, path, access::list_directory | access::read_attributes));
    }
    // What process one's client has been told since the last look.
    std::vector<LeaseBreak> told() {
        pump();
        return std::exchange(one_.client.leases, {});
    }
    CreateParams make(std::string_view path) { return params(path, rw_access | access::delete_, Disposition::open_if); }

    const LeaseRequest read_ = of_directory(R, 7), kept_ = of_directory(R | H, 8), all_ = of_directory(R | W | H, 9);
};

TEST_F(DirectoryLeasesTest, ReadAndHandleCachingAreGranted) {
    EXPECT_EQ(hold(read_).lease.state, R);
    EXPECT_EQ(hold(kept_).lease.state, R | H) << "beside another's";
    EXPECT_EQ(hold(all_).lease.state, R | H) << "nobody caches writes to a directory";
    EXPECT_EQ(must_open(one_, oplock(OplockLevel::batch, "e", access::list_directory)).oplock, OplockLevel::none);
    LeaseRequest unknown = of_directory(R, 10);
    unknown.directories = false;
    EXPECT_EQ(hold(unknown, "e").oplock, OplockLevel::none);
}

TEST_F(DirectoryLeasesTest, ANewNameBreaksAndNobodyWaits) {
    const CreateResult held = hold(kept_);
    must_open(two_, make("d\\new"));
    const auto breaks = told();
    ASSERT_EQ(breaks.size(), 1u);
    EXPECT_EQ(breaks[0].key, kept_.key);
    EXPECT_EQ(breaks[0].to, 0u);
    EXPECT_TRUE(breaks[0].acknowledge);
    EXPECT_EQ(breaks[0].epoch, held.lease.epoch + 1);
    must_open(two_, make("d\\newer"));
    EXPECT_TRUE(told().empty()) << "told twice";
    EXPECT_TRUE(one_.files->acknowledge_lease(kept_.client, kept_.key, 0));
}

TEST_F(DirectoryLeasesTest, EachChangeOfWhatAListingTellsBreaks) {
    hold(read_);
    const CreateResult file = must_open(two_, make("d\\old"));
    EXPECT_TRUE(told().empty()) << "an open changes nothing";
    const auto breaks_again = [&](const char* what) {
        const auto breaks = told();
        ASSERT_EQ(breaks.size(), 1u) << what;
        EXPECT_FALSE(breaks[0].acknowledge) << what;
        hold(read_);
    };
    const uint8_t byte = 1;
    EXPECT_TRUE(file.open->write_now({&byte, 1}, 0, false));
    EXPECT_TRUE(told().empty()) << "what is written is told of at the close";
    EXPECT_TRUE(file.open->set_end_of_file(10));
    breaks_again("end of file");
    SetBasic basic;
    basic.attributes = attribute::hidden;
    EXPECT_TRUE(file.open->set_basic(basic));
    breaks_again("attributes");
    EXPECT_TRUE(file.open->link("d\\link", false));
    breaks_again("link");
    EXPECT_TRUE(file.open->rename("d\\renamed", false));
    breaks_again("rename");
    EXPECT_TRUE(file.open->rename("e\\moved", false));
    breaks_again("rename elsewhere");
    EXPECT_TRUE(file.open->rename("d\\back", false));
    breaks_again("rename from elsewhere");
    EXPECT_TRUE(file.open->write_now({&byte, 1}, 0, false));
    must_close(two_, *file.open);
    breaks_again("close of a written file");
    CreateParams deleting = params("d\\link", access::delete_);
    deleting.options = option::delete_on_close;
    must_close(two_, *must_open(two_, deleting).open);
    breaks_again("deletion");
}

TEST_F(DirectoryLeasesTest, WhoHoldsTheLeaseBreaksNothing) {
    hold(kept_);
    LeaseRequest below = request(R, 20);
    below.parent = kept_.key;
    CreateParams p = lease(below, "d\\new", rw_access | access::delete_);
    p.disposition = static_cast<uint32_t>(Disposition::create);
    const CreateResult file = must_open(one_, p);
    const uint8_t byte = 1;
    EXPECT_TRUE(file.open->write_now({&byte, 1}, 0, false));
    EXPECT_TRUE(file.open->rename("d\\newer", false));
    EXPECT_TRUE(file.open->set_disposition(true));
    must_close(one_, *file.open);
    EXPECT_TRUE(told().empty());
    LeaseRequest stranger = below;  // the same keys of another client
    stranger.client.bytes[0] = 2;
    CreateParams q = lease(stranger, "d\\new", rw_access);
    q.disposition = static_cast<uint32_t>(Disposition::create);
    must_open(two_, q);
    EXPECT_EQ(told().size(), 1u);
}

TEST_F(DirectoryLeasesTest, OtherDirectoriesAreNotConcerned) {
    hold(read_);
    must_open(two_, make("e\\new"));
    must_open(two_, make("new"));
    EXPECT_TRUE(told().empty());
}

TEST_F(DirectoryLeasesTest, TheRootHasOneToo) {
    hold(read_, "");
    must_open(two_, make("new"));
    EXPECT_EQ(told().size(), 1u);
}

TEST_F(DirectoryLeasesTest, DeletingTheDirectoryWaitsForItsHandles) {
    std::filesystem::remove(at("d/old"));
    hold(kept_);
    CreateParams deleting = params("d", access::delete_);
    deleting.options = option::delete_on_close | option::directory_file;
    CreateResult second;
    EXPECT_EQ(try_open(two_, deleting, second), NtStatus::PENDING);
    const auto breaks = told();
    ASSERT_EQ(breaks.size(), 1u);
    EXPECT_EQ(breaks[0].to, R);
    EXPECT_TRUE(one_.files->acknowledge_lease(kept_.client, kept_.key, R));
    EXPECT_EQ(try_open(two_, deleting, second), NtStatus::SUCCESS);
}

}  // namespace
}  // namespace Atoll::fsa

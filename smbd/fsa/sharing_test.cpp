// Share modes and deletion: MS-FSA 2.1.5.1.2.1, 2.1.5.1.2.2, 2.1.5.5, 2.1.5.15.3.
#include "smbd/fsa/fsa_fixture_test.h"
#include "smbd/fsa/share_modes.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;

class SharingTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        write("a");
    }
    NtStatus second(uint32_t access_1, uint32_t share_1, uint32_t access_2, uint32_t share_2) {
        CreateParams p = params("a", access_1);
        p.share_access = share_1;
        Open& first = open(p);
        CreateParams q = params("a", access_2);
        q.share_access = share_2;
        const NtStatus s = status(q);
        close(first);
        return s;
    }
};

TEST_F(SharingTest, EveryPairOfAccessAndSharing) {  // against the conditions as 2.1.5.1.2.2 writes them
    constexpr uint32_t kinds[] = {access::read_attributes, access::read_data, access::write_data,
                                  access::delete_,         access::execute,   access::append_data};
    for (const uint32_t a : kinds) {
        for (const uint32_t b : kinds) {
            for (uint32_t sa = 0; sa < 8; sa++) {
                for (uint32_t sb = 0; sb < 8; sb++) {
                    const uint32_t read = access::read_data | access::execute, write = access::write_data | access::append_data;
                    bool conflict = false;
                    if (a != access::read_attributes && b != access::read_attributes) {
                        conflict |= (sa & 1) == 0 && (b & read) != 0;
                        conflict |= (sa & 2) == 0 && (b & write) != 0;
                        conflict |= (sa & 4) == 0 && (b & access::delete_) != 0;
                        conflict |= (sb & 1) == 0 && (a & read) != 0;
                        conflict |= (sb & 2) == 0 && (a & write) != 0;
                        conflict |= (sb & 4) == 0 && (a & access::delete_) != 0;
                    }
                    ASSERT_EQ(sharing_conflicts(a, sa, b, sb), conflict) << a << " " << sa << " " << b << " " << sb;
                }
            }
        }
    }
}

TEST_F(SharingTest, ViolationsAreRefused) {
    const auto violation = NtStatus::SHARING_VIOLATION;
    EXPECT_EQ(second(access::read_data, sharing::read, access::write_data, sharing::all), violation);
    EXPECT_EQ(second(access::read_data, sharing::read, access::read_data, sharing::read), NtStatus::SUCCESS);
    EXPECT_EQ(second(access::write_data, sharing::all, access::read_data, sharing::read), violation);
    EXPECT_EQ(second(access::read_data, sharing::read | sharing::write, access::delete_, sharing::all), violation);
    EXPECT_EQ(second(access::read_data, 0, access::read_attributes, 0), NtStatus::SUCCESS);  // a stat open stands beside everything
    EXPECT_EQ(second(access::read_attributes, 0, access::write_data, 0), NtStatus::SUCCESS);
}

TEST_F(SharingTest, OverwritingCountsAsWriting) {
    CreateParams p = params("a", access::read_data);
    p.share_access = sharing::read;
    Open& first = open(p);
    EXPECT_EQ(status(params("a", access::read_data, D::overwrite)), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(status(params("a", access::read_data, D::supersede)), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(read("a"), "content");
    close(first);
    EXPECT_EQ(status(params("a", access::read_data, D::overwrite)), NtStatus::SUCCESS);
}

TEST_F(SharingTest, BetweenProcesses) {
    auto other = make_process(2);
    auto other_share = make_share(*other);
    CreateParams p = params("a", access::read_data);
    p.share_access = 0;
    Open& first = open(p);
    EXPECT_EQ(other->create(*other_share, params("a")).error(), NtStatus::SHARING_VIOLATION);
    close(first);
    auto now = other->create(*other_share, params("a"));
    ASSERT_TRUE(now);
    EXPECT_TRUE(other->close(*now->open));
}

TEST_F(SharingTest, EntriesOfTheDeadDoNotCount) {
    auto other = make_process(2);
    auto other_share = make_share(*other);
    CreateParams p = params("a", access::read_data);
    p.share_access = 0;
    auto held = other->create(*other_share, p);
    ASSERT_TRUE(held);
    EXPECT_EQ(status(params("a")), NtStatus::SHARING_VIOLATION);
    dead_.insert(2);
    EXPECT_EQ(status(params("a")), NtStatus::SUCCESS);
    EXPECT_TRUE(other->close(*held->open));
}

TEST_F(SharingTest, DeleteOnCloseOfTheDeadIsCarriedOut) {
    auto other = make_process(2);
    auto other_share = make_share(*other);
    CreateParams p = params("a", access::delete_, D::open, option::delete_on_close);
    p.share_access = 0;
    auto held = other->create(*other_share, p);
    ASSERT_TRUE(held);
    dead_.insert(2);
    EXPECT_EQ(status(params("a")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_FALSE(exists("a"));
    EXPECT_EQ(locking_->size(), 0u);
    EXPECT_TRUE(other->close(*held->open));
}

TEST_F(SharingTest, TheEndOfAHolderTakesItsEntriesAndDeletesWhatItWasToDelete) {
    for (const char* name : {"doomed", "kept", "beside", "renamed"}) write(name);
    auto other = make_process(2);
    auto other_share = make_share(*other);
    std::vector<fsa::Open*> held;
    const auto hold = [&](std::string_view name, uint32_t options) {
        auto r = other->create(*other_share, params(name, access::read_data | access::delete_, D::open, options));
        ASSERT_TRUE(r) << name;
        held.push_back(r->open);
    };
    hold("doomed", option::delete_on_close);
    hold("kept", 0);
    hold("beside", option::delete_on_close);
    hold("renamed", option::delete_on_close);
    Open& beside = open(params("beside"));
    // Made by others than us: the name is another file's by now.
    std::filesystem::rename(at("renamed"), at("elsewhere"));
    write("renamed", "another");

    const auto share_at = [&](const std::string& path) -> Share* { return path == root_ ? share_.get() : nullptr; };
    files_->end_holders({{0, 2, 0}}, share_at);  // it lives
    EXPECT_TRUE(exists("doomed"));
    dead_.insert(2);
    files_->end_holders({{0, 3, 0}}, share_at);  // another one
    EXPECT_TRUE(exists("doomed"));
    files_->end_holders({{0, 2, 0}}, share_at);
    EXPECT_FALSE(exists("doomed"));
    EXPECT_TRUE(exists("kept"));
    EXPECT_TRUE(exists("beside"));
    EXPECT_TRUE(exists("elsewhere"));
    EXPECT_EQ(read("renamed"), "another");
    EXPECT_EQ(locking_->size(), 1u);
    EXPECT_TRUE(beside.info()->delete_pending);
    close(beside);
    EXPECT_FALSE(exists("beside"));
    EXPECT_EQ(locking_->size(), 0u);
    files_->end_holders({{0, 2, 0}}, share_at);
    for (fsa::Open* o : held) EXPECT_TRUE(other->close(*o));
}

// As those of a lost node do.
TEST_F(SharingTest, ManyHoldersEndInOneWalk) {
    constexpr uint64_t first = 10, count = 20;
    struct Process {
        std::unique_ptr<FileSystem> files;
        std::unique_ptr<Share> share;
        Open* open;
    };
    std::vector<Process> processes;
    Holders ended;
    for (uint64_t pid = first; pid < first + count; pid++) {
        const std::string name = "of " + std::to_string(pid);
        write(name);
        Process& process = processes.emplace_back(Process{make_process(pid), nullptr, nullptr});
        process.share = make_share(*process.files);
        auto held =
            process.files->create(*process.share, params(name, access::read_data | access::delete_, D::open, option::delete_on_close));
        ASSERT_TRUE(held);
        process.open = held->open;
        dead_.insert(pid);
        ended.insert({0, pid, 0});
    }
    const size_t before = locking_->traversals(), before_of_locks = brlock_->traversals();
    files_->end_holders(ended, [&](const std::string&) { return share_.get(); });
    EXPECT_EQ(locking_->traversals() - before, 1u);
    EXPECT_EQ(brlock_->traversals() - before_of_locks, 1u);
    EXPECT_EQ(locking_->size(), 0u);
    for (uint64_t pid = first; pid < first + count; pid++) EXPECT_FALSE(exists("of " + std::to_string(pid)));
    files_->end_holders({}, [&](const std::string&) { return share_.get(); });
    EXPECT_EQ(locking_->traversals() - before, 1u);
    for (Process& process : processes) EXPECT_TRUE(process.files->close(*process.open));
}

TEST_F(SharingTest, TheEndOfAHolderInAShareThatIsGone) {
    auto other = make_process(2);
    auto other_share = make_share(*other);
    auto held = other->create(*other_share, params("a", access::delete_, D::open, option::delete_on_close));
    ASSERT_TRUE(held);
    dead_.insert(2);
    files_->end_holders({{0, 2, 0}}, [](const std::string&) { return nullptr; });
    EXPECT_TRUE(exists("a"));
    EXPECT_EQ(locking_->size(), 0u);
    EXPECT_TRUE(other->close(*held->open));
}

TEST_F(SharingTest, DeleteOnCloseByOption) {  // 2.1.5.5, phase 1
    Open& doomed = open(params("a", access::delete_, D::open, option::delete_on_close));
    Open& beside = open(params("a"));  // not pending before it is closed
    EXPECT_FALSE(beside.info()->delete_pending);
    close(doomed);
    EXPECT_TRUE(exists("a"));
    EXPECT_TRUE(beside.info()->delete_pending);
    EXPECT_EQ(beside.info()->links, 0u);
    EXPECT_EQ(status(params("a")), NtStatus::DELETE_PENDING);
    EXPECT_EQ(status(params("a", read_access, D::create)), NtStatus::DELETE_PENDING);
    close(beside);
    EXPECT_FALSE(exists("a"));
    EXPECT_EQ(locking_->size(), 0u);
}

TEST_F(SharingTest, DispositionSetAndTakenBack) {  // 2.1.5.15.3
    Open& one = open(params("a", access::delete_));
    ASSERT_TRUE(one.set_disposition(true));
    EXPECT_EQ(status(params("a")), NtStatus::DELETE_PENDING);
    ASSERT_TRUE(one.set_disposition(false));
    EXPECT_EQ(status(params("a")), NtStatus::SUCCESS);
    ASSERT_TRUE(one.set_disposition(true));
    close(one);
    EXPECT_FALSE(exists("a"));
    write("b");
    Open& weak = open(params("b"));
    EXPECT_EQ(weak.set_disposition(true).error(), NtStatus::ACCESS_DENIED);
}

TEST_F(SharingTest, WhatCannotBeDeleted) {  // 2.1.5.15.3
    mkdir("d");
    write("d/x");
    EXPECT_EQ(open(params("d", access::delete_)).set_disposition(true).error(), NtStatus::DIRECTORY_NOT_EMPTY);
    CreateParams p = params("r", access::delete_, D::create);
    p.attributes = attribute::readonly;
    EXPECT_EQ(open(p).set_disposition(true).error(), NtStatus::CANNOT_DELETE);
    EXPECT_EQ(open(params("", access::delete_)).set_disposition(true).error(), NtStatus::CANNOT_DELETE);
    mkdir("empty");
    Open& empty = open(params("empty", access::delete_));
    ASSERT_TRUE(empty.set_disposition(true));
    EXPECT_EQ(status(params("empty\\new", rw_access, D::create)), NtStatus::DELETE_PENDING);
    close(empty);
    EXPECT_FALSE(exists("empty"));
}

TEST_F(SharingTest, TheLastCloserDeletesUnderTheSettersRights) {
    if (!loop::is_privileged()) GTEST_SKIP() << "needs root";
    mkdir("private");
    write("private/f");
    ::chmod(at("private").c_str(), 0755);
    ::chmod(at("private/f").c_str(), 0644);
    Open& doomed = open(params("private\\f", access::delete_, D::open, option::delete_on_close));
    auto other = make_process(2);
    auto other_share = make_share(*other);
    act_as(12345);
    auto reader = other->create(*other_share, params("private\\f"));
    ASSERT_TRUE(reader);
    loop::take_root();
    close(doomed);
    EXPECT_TRUE(exists("private/f"));
    act_as(12345);
    ASSERT_TRUE(other->close(*reader->open));
    EXPECT_EQ(loop::current_identity().uid, 12345u);
    loop::take_root();
    EXPECT_FALSE(exists("private/f"));
}

TEST_F(SharingTest, WithoutTheRightToWriteReadersAreNotKeptOut) {  // 2.1.5.1.2.2, first step
    if (!loop::is_privileged()) GTEST_SKIP() << "needs root";
    ::chmod(at("a").c_str(), 0644);
    act_as(12345);
    CreateParams p = params("a", access::read_data);
    p.share_access = 0;
    Open& greedy = open(p);
    EXPECT_EQ(greedy.share_access(), sharing::read);
    EXPECT_EQ(status(params("a", access::read_data)), NtStatus::SUCCESS);
}

TEST_F(SharingTest, AJobKeepsTheDescriptorPastTheClose) {
    Open& one = open(params("a", rw_access));
    one.begin_job();
    close(one);
    std::array<uint8_t, 16> bytes;
    EXPECT_EQ(*one.run_read(bytes, 0), 7u);
    EXPECT_EQ(files_->opens(), 1u);
    one.end_job();
    EXPECT_EQ(files_->opens(), 0u);
}

}  // namespace
}  // namespace Atoll::fsa

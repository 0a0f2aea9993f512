// docs/design.md, "Grants": the node part, with a cluster part that a test plays. Two processes of one node.
#include "smbd/fsa/grants.h"

#include "smbd/fsa/oplocks_fixture_test.h"
#include "smbd/fsa/record_key.h"

namespace Atoll::fsa {
namespace {

using grants::rights;

class PlayedHome final : public grants::Home {
 public:
    void ask(Bytes file, const rights& wanted) override {
        asked.push_back(wanted);
        Buffer& key = files.emplace_back();
        key.assign(file);
    }
    void recalled(Bytes, const rights& lost, const rights& kept) override {
        given_up.push_back(lost);
        still_used.push_back(kept);
    }
    std::vector<rights> asked, given_up, still_used;
    std::vector<Buffer> files;
};

class GrantsTest : public OplocksTest {
 protected:
    void SetUp() override {
        OplocksTest::SetUp();
        held_ = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
        node_.emplace(*held_, home_);
        watches_->observe(*held_, "grants.tdb");
        for (Process* process : {&one_, &two_}) {
            process->share.reset();
            process->files.reset();
            process->grants = &*node_;
            start(*process);
        }
    }
    void answer_all() {
        for (; answered_ < home_.asked.size(); answered_++) ASSERT_TRUE(node_->granted(home_.files[answered_], home_.asked[answered_]));
        pump();
    }
    // Opens, however often the cluster part has to be asked.
    CreateResult open_answered(Process& process, const CreateParams& p) {
        CreateResult out;
        for (int i = 0; i < 4; i++) {
            const NtStatus status = try_open(process, p, out);
            if (status == NtStatus::SUCCESS) return out;
            EXPECT_EQ(status, NtStatus::PENDING);
            answer_all();
        }
        ADD_FAILURE() << "it is asked again and again";
        return out;
    }
    Bytes key_of_f() { return home_.files.at(0); }
    static rights leasing(uint8_t lease) {
        rights out;
        out.lease = lease;
        return out;
    }

    PlayedHome home_;
    std::unique_ptr<tdb::MemoryDatabase> held_;
    std::optional<grants::NodeGrants> node_;
    size_t answered_ = 0;
};

TEST_F(GrantsTest, AnOpenThatAddsNothingAsksNothing) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::PENDING);
    ASSERT_EQ(home_.asked.size(), 1u);
    EXPECT_TRUE(home_.asked[0].change);
    answer_all();
    EXPECT_EQ(waiter_->resumed, 1);
    for (int i = 0; i < 100; i++) {
        Process& process = i % 2 == 0 ? one_ : two_;
        must_close(process, *must_open(process, oplock(OplockLevel::none)).open);
    }
    must_close(two_, *must_open(two_, oplock(OplockLevel::none, "f", access::read_attributes)).open);
    EXPECT_EQ(home_.asked.size(), 1u) << "also not when nobody has it open any more";
    CreateParams alone = oplock(OplockLevel::none);
    alone.share_access = 0;
    must_close(two_, *open_answered(two_, alone).open);
    EXPECT_EQ(home_.asked.size(), 2u);
}

TEST_F(GrantsTest, NorDoesMakingAFile) {
    CreateParams made = oplock(OplockLevel::none, "new");
    made.disposition = static_cast<uint32_t>(Disposition::create);
    must_open(one_, made);
    EXPECT_TRUE(home_.asked.empty());
}

TEST_F(GrantsTest, WhatAnotherNodeKeepsIsASharingViolation) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::PENDING);
    ASSERT_TRUE(node_->refused(key_of_f(), home_.asked[0]));
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::SHARING_VIOLATION);
}

TEST_F(GrantsTest, ARefusedLeaseIsNotGrantedAndTheFileIsOpened) {
    const LeaseRequest wanted = request(R | H | W, 7);
    CreateResult out;
    EXPECT_EQ(try_open(one_, lease(wanted), out), NtStatus::PENDING);
    answer_all();
    EXPECT_EQ(try_open(one_, lease(wanted), out), NtStatus::PENDING);
    ASSERT_EQ(home_.asked.back().lease, grants::read_lease | grants::write_lease);
    ASSERT_TRUE(node_->refused(key_of_f(), home_.asked.back()));
    pump();
    EXPECT_EQ(must_open(one_, lease(wanted)).oplock, OplockLevel::none);
}

TEST_F(GrantsTest, ARecallBreaksWhatRestsOnIt) {
    const LeaseRequest kept = request(R | H | W, 7);
    ASSERT_EQ(open_answered(two_, lease(kept)).lease.state, R | H | W);
    one_.files->recalls().recall(key_of_f(), leasing(grants::write_lease));
    pump();
    ASSERT_EQ(two_.client.leases.size(), 1u);
    EXPECT_EQ(two_.client.leases[0].to, R | H);
    EXPECT_TRUE(home_.given_up.empty()) << "not before the client has answered";
    EXPECT_TRUE(two_.files->acknowledge_lease(kept.client, kept.key, R | H));
    pump();
    ASSERT_EQ(home_.given_up.size(), 1u);
    EXPECT_TRUE(grants::empty(home_.still_used[0]));
    // What is left is used without a question, what has gone is asked for.
    const size_t asked = home_.asked.size();
    const LeaseRequest read = request(R | H, 8);
    must_close(one_, *open_answered(one_, lease(read, "f", access::read_data)).open);
    EXPECT_EQ(home_.asked.size(), asked + 1) << "opens to read alone are new";
}

TEST_F(GrantsTest, WhatIsOpenStays) {
    const CreateResult open = open_answered(one_, oplock(OplockLevel::none));
    rights opens = home_.asked[0];
    two_.files->recalls().recall(key_of_f(), opens);
    pump();
    ASSERT_EQ(home_.still_used.size(), 1u);
    EXPECT_EQ(home_.still_used[0].opens, opens.opens);
    EXPECT_TRUE(home_.still_used[0].change);
    must_close(one_, *open.open);
    two_.files->recalls().recall(key_of_f(), opens);
    pump();
    ASSERT_EQ(home_.still_used.size(), 2u);
    EXPECT_TRUE(grants::empty(home_.still_used[1]));
    CreateResult out;
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::PENDING);
}

TEST_F(GrantsTest, ARecallClosesWhatIsOnlyKeptForLater) {
    const LeaseRequest kept = request(R | H, 7);
    const CreateResult cached = open_answered(one_, lease(kept));
    two_.files->recalls().recall(key_of_f(), home_.asked[0]);
    pump();
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_EQ(one_.client.leases[0].to, R);
    EXPECT_TRUE(home_.given_up.empty());
    must_close(one_, *cached.open);
    pump();
    ASSERT_EQ(home_.still_used.size(), 1u);
    EXPECT_TRUE(grants::empty(home_.still_used[0]));
}

}  // namespace
}  // namespace Atoll::fsa

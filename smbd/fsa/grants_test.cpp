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
        if (grants::contains({.change = true, .unlocked = true}, wanted)) return by_the_way.emplace_back(wanted, id_of(file)), void();
        asked.push_back(wanted);
        Buffer& key = files.emplace_back();
        key.assign(file);
    }
    [[nodiscard]] uint64_t session() const override { return 7; }
    Result<bool> take(Bytes, const rights&, Enter) override { return false; }
    void gave(Bytes, const rights& lost, const rights& kept, uint64_t) override {
        given_up.push_back(lost);
        still_used.push_back(kept);
    }
    Result<void> set_mark(Bytes, const std::optional<grants::deletion_mark>& its_mark) override { return mark = its_mark, Result<void>(); }
    Result<std::optional<grants::deletion_mark>> mark_of(Bytes) override { return mark; }
    std::optional<grants::deletion_mark> mark;  // of the one file that is marked
    std::vector<rights> asked, given_up, still_used;
    std::vector<Buffer> files;
    std::vector<std::pair<rights, FileId>> by_the_way;  // what nobody waits for
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
        for (; answered_ < home_.asked.size(); answered_++)
            ASSERT_TRUE(node_->granted(home_.files[answered_], home_.asked[answered_], 1, false));
        for (const auto& [wanted, file] : home_.by_the_way) ASSERT_TRUE(node_->granted(key_of(file), wanted, 1, false));
        home_.by_the_way.clear();
        pump();
    }
    CreateParams making(std::string_view path, uint32_t options = 0) {
        CreateParams made = oplock(OplockLevel::none, path);
        made.disposition = static_cast<uint32_t>(Disposition::create);
        made.options = options;
        return made;
    }
    static NtStatus status_of(const Result<void, NtStatus>& result) { return result ? NtStatus::SUCCESS : result.error(); }
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
    std::unique_ptr<tdb::MemoryDatabase> elsewhere_ = tdb::MemoryDatabase::open({"locking of another node", tdb::Rank::locking});
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
    for (const std::string file : {"f", "g"})
        must_close(two_, *must_open(two_, oplock(OplockLevel::none, file, access::read_attributes)).open);
    EXPECT_EQ(home_.asked.size(), 1u) << "also not when nobody has it open any more";
    CreateParams alone = oplock(OplockLevel::none);
    alone.share_access = 0;
    must_close(two_, *open_answered(two_, alone).open);
    EXPECT_EQ(home_.asked.size(), 2u);
}

// Its id is not known before it is there.
TEST_F(GrantsTest, ANewFileIsAskedForWhenItIsThere) {
    for (const uint32_t options : {0U, option::directory_file}) {
        const std::string name = options == 0 ? "new" : "new directory";
        const size_t asked = home_.asked.size();
        CreateParams made = making(name, options);
        made.attributes = attribute::hidden;
        CreateResult out;
        EXPECT_EQ(try_open(one_, made, out), NtStatus::PENDING);
        EXPECT_TRUE(waiter_->is_waiting());
        EXPECT_TRUE(exists(name));
        ASSERT_EQ(home_.asked.size(), asked + 1);
        EXPECT_EQ(home_.asked.back().change, options == 0);
        answer_all();
        EXPECT_FALSE(waiter_->is_waiting());
        ASSERT_EQ(try_open(one_, made, out), NtStatus::SUCCESS) << "though the name is there already";
        EXPECT_EQ(out.action, CreateAction::created);
        EXPECT_NE(out.info.basic.attributes & attribute::hidden, 0u);
        CreateResult second;
        EXPECT_EQ(try_open(two_, made, second), NtStatus::OBJECT_NAME_COLLISION);
        must_close(one_, *out.open);
        EXPECT_EQ(home_.asked.size(), asked + 1);
    }
}

TEST_F(GrantsTest, ANewFileThatAnotherNodeHasOpenIsItsFile) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::PENDING);
    ASSERT_TRUE(node_->refused(home_.files.back(), home_.asked.back()));
    pump();
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(one_.files->opens(), 0u);
}

TEST_F(GrantsTest, ANewFileThatSomebodyReplacesIsNotOurs) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::PENDING);
    write("another");
    std::filesystem::rename(at("another"), at("new"));
    answer_all();
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::OBJECT_NAME_COLLISION);
}

TEST_F(GrantsTest, WhoGivesUpLeavesTheNewFileToOthers) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::PENDING);
    waiter_->cancel();
    answer_all();
    EXPECT_EQ(try_open(one_, making("new"), out), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(must_open(two_, oplock(OplockLevel::none, "new")).action, CreateAction::opened);
}

TEST_F(GrantsTest, ANewStreamIsAskedForBeforeItIsThere) {
    for (Process* process : {&one_, &two_}) process->share = make_share(*process->files, "vfs objects = streams_xattr\n");
    for (const std::string file : {"f", "new"}) {
        SCOPED_TRACE(file);
        CreateResult out;
        EXPECT_EQ(try_open(one_, making(file + ":s"), out), NtStatus::PENDING);
        const size_t asked = home_.asked.size();
        EXPECT_EQ(try_open(two_, oplock(OplockLevel::none, file + ":s"), out), NtStatus::OBJECT_NAME_NOT_FOUND);
        answer_all();
        ASSERT_EQ(try_open(one_, making(file + ":s"), out), NtStatus::SUCCESS);
        EXPECT_EQ(out.action, CreateAction::created);
        must_close(one_, *out.open);
        EXPECT_EQ(home_.asked.size(), asked);
        EXPECT_EQ(must_open(two_, oplock(OplockLevel::none, file + ":s")).action, CreateAction::opened);
    }
}

TEST_F(GrantsTest, LocksAreAskedForOnceAndKeepTheirGrant) {
    Open& open = *open_answered(one_, oplock(OplockLevel::none)).open;
    const LockRange range{0, 1, true};
    const rights lock{.lock = true};
    EXPECT_EQ(status_of(open.lock({&range, 1})), NtStatus::LOCK_NOT_GRANTED) << "who does not wait gets none without it";
    EXPECT_EQ(status_of(open.may_lock(&*waiter_)), NtStatus::PENDING);
    ASSERT_EQ(home_.asked.back(), lock);
    const size_t asked = home_.asked.size();
    answer_all();
    EXPECT_FALSE(waiter_->is_waiting());
    EXPECT_TRUE(open.may_lock(&*waiter_));
    for (int i = 0; i < 100; i++) {
        ASSERT_TRUE(open.lock({&range, 1}));
        ASSERT_TRUE(open.unlock({&range, 1}));
    }
    EXPECT_EQ(home_.asked.size(), asked);
    ASSERT_TRUE(open.lock({&range, 1}));
    two_.files->recalls().recall(key_of_f(), lock);
    ASSERT_EQ(home_.still_used.size(), 1u);
    EXPECT_EQ(home_.still_used[0], lock);
    ASSERT_TRUE(open.unlock({&range, 1}));
    two_.files->recalls().recall(key_of_f(), lock);
    ASSERT_EQ(home_.still_used.size(), 2u);
    EXPECT_TRUE(grants::empty(home_.still_used[1]));
    EXPECT_EQ(status_of(open.lock({&range, 1}, &*waiter_)), NtStatus::PENDING);
    ASSERT_TRUE(node_->refused(key_of_f(), lock));
    pump();
    EXPECT_EQ(status_of(open.lock({&range, 1}, &*waiter_)), NtStatus::LOCK_NOT_GRANTED);
}

// An open asks, and does not wait, for the right to count on there being no locks elsewhere. Whether it is given or not, locks hold.
TEST_F(GrantsTest, LocksOfOtherNodesHold) {
    write("f", "x");
    auto elsewhere = FileSystem::create({.locking = *elsewhere_, .brlock = *brlock_, .self = {2, 1, 1}, .holder_exists = {}});
    auto share = make_share(*elsewhere);
    auto other = elsewhere->create(*share, oplock(OplockLevel::none));
    ASSERT_TRUE(other);
    const LockRange range{0, 1, true};
    CreateResult out;
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::PENDING);
    ASSERT_TRUE(node_->granted(key_of_f(), home_.asked[0], 1, false));
    Open& open = *must_open(one_, oplock(OplockLevel::none)).open;
    ASSERT_EQ(home_.by_the_way.size(), 1u);
    EXPECT_EQ(home_.by_the_way[0].first, rights{.unlocked = true});
    std::array<uint8_t, 1> byte;
    const auto reads = [&] { return open.read_now(byte, 0).ok(); };
    for (const bool given : {false, true}) {
        if (given) answer_all();
        EXPECT_TRUE(reads());
        ASSERT_TRUE(other->open->lock({&range, 1}));
        EXPECT_FALSE(reads()) << given;
        ASSERT_TRUE(other->open->unlock({&range, 1}));
        EXPECT_TRUE(reads()) << given;
    }
    rights lock{.lock = true};
    two_.files->recalls().recall(key_of_f(), lock);
    ASSERT_TRUE(other->open->lock({&range, 1}));
    two_.files->recalls().recall(key_of_f(), lock);
    ASSERT_EQ(home_.still_used.size(), 2u);
    EXPECT_TRUE(grants::empty(home_.still_used[1])) << "they are the other node's";
    EXPECT_TRUE(elsewhere->close(*other->open));
}

TEST_F(GrantsTest, WhoChangesADirectoryAsksForItAndDoesNotWait) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, making("d", option::directory_file), out), NtStatus::PENDING);
    answer_all();
    ASSERT_EQ(try_open(one_, making("d", option::directory_file), out), NtStatus::SUCCESS);
    ASSERT_EQ(home_.by_the_way.size(), 1u);
    EXPECT_TRUE(home_.by_the_way.back().first.change);
    const FileId root = home_.by_the_way.back().second;
    EXPECT_NE(root, out.open->file_id());
    answer_all();
    must_close(one_, *out.open);
    CreateResult again = open_answered(one_, oplock(OplockLevel::none, "d", access::delete_));
    EXPECT_EQ(status_of(again.open->rename("e", false, &*waiter_)), NtStatus::PENDING) << "a name is made as by an open of the directory";
    answer_all();
    EXPECT_TRUE(again.open->rename("e", false, &*waiter_));
    EXPECT_TRUE(home_.by_the_way.empty()) << "it is asked for once";
    rights change{.change = true};
    two_.files->recalls().recall(key_of(root), change);
    ASSERT_FALSE(home_.still_used.empty());
    EXPECT_TRUE(grants::empty(home_.still_used.back())) << "and nothing rests on it";
}

TEST_F(GrantsTest, WhatIsTakenBackIsAskedForAgainIfItHasGone) {
    const LeaseRequest kept = request(R | H | W, 7);
    const CreateResult made = open_answered(one_, lease(kept));
    ASSERT_TRUE(*one_.files->make_lasting(*made.open, Lasting::while_cached));
    RemainingOpen remains;
    one_.opened.erase(made.open);
    ASSERT_TRUE(one_.files->disconnect(*made.open, remains));
    ASSERT_TRUE(held_->wipe());  // the machine was started again
    const auto take_back = [&] { return two_.files->reconnect(*two_.share, remains, std::nullopt, &*waiter_); };
    const size_t asked = home_.asked.size();
    auto taken = take_back();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), NtStatus::PENDING);
    answer_all();
    taken = take_back();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), NtStatus::PENDING) << "the lease";
    EXPECT_EQ(home_.asked.size(), asked + 2);
    ASSERT_TRUE(node_->refused(home_.files.back(), home_.asked.back()));
    answered_ = home_.asked.size();
    pump();
    taken = take_back();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error(), NtStatus::OBJECT_NAME_NOT_FOUND) << "all that it cached, or nothing";
    ASSERT_TRUE(node_->granted(home_.files.back(), home_.asked.back(), 1, false));
    taken = take_back();
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->lease.state, R | H | W);
    two_.opened.insert(taken->open);
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

TEST_F(GrantsTest, WhoHasAskedGetsToUseItBeforeItIsRecalled) {
    CreateResult out;
    EXPECT_EQ(try_open(one_, oplock(OplockLevel::none), out), NtStatus::PENDING);
    ASSERT_TRUE(node_->granted(home_.files[0], home_.asked[0], 1, true));
    two_.files->recalls().recall(key_of_f(), home_.asked[0]);
    EXPECT_TRUE(home_.given_up.empty());
    while (waiter_->resumed == 0) ASSERT_TRUE(loop_.run_once(monotonic_now() + std::chrono::milliseconds(100)));
    must_close(one_, *must_open(one_, oplock(OplockLevel::none)).open);
    pump();
    ASSERT_EQ(home_.given_up.size(), 1u);
    EXPECT_TRUE(grants::empty(home_.still_used[0]));
}

// What other nodes keep open they have marked by then.
TEST_F(GrantsTest, WhoDeletesAsksForIt) {
    Open& open = *open_answered(one_, oplock(OplockLevel::none, "f", rw_access | access::delete_)).open;
    const rights deletion{.deletion = true};
    EXPECT_EQ(status_of(open.set_disposition(true)), NtStatus::SHARING_VIOLATION) << "not without asking";
    EXPECT_FALSE(home_.mark);
    EXPECT_EQ(status_of(open.set_disposition(true, &*waiter_)), NtStatus::PENDING);
    ASSERT_EQ(home_.asked.back(), deletion);
    ASSERT_TRUE(home_.mark) << "before others are asked";
    ASSERT_TRUE(node_->refused(home_.files.back(), deletion));
    answered_ = home_.asked.size();
    pump();
    EXPECT_EQ(status_of(open.set_disposition(true, &*waiter_)), NtStatus::SUCCESS);
    EXPECT_TRUE(open.info()->delete_pending);
    EXPECT_TRUE(open.set_disposition(false));
    EXPECT_TRUE(home_.mark->withdrawn);
    EXPECT_EQ(status_of(open.set_disposition(true, &*waiter_)), NtStatus::PENDING);
    answer_all();
    EXPECT_EQ(status_of(open.set_disposition(true, &*waiter_)), NtStatus::SUCCESS);
    two_.files->recalls().recall(home_.files.back(), deletion);
    ASSERT_FALSE(home_.still_used.empty());
    EXPECT_EQ(home_.still_used.back(), deletion) << "while it is marked";
    EXPECT_TRUE(open.set_disposition(false));
    two_.files->recalls().recall(home_.files.back(), deletion);
    EXPECT_TRUE(grants::empty(home_.still_used.back()));
    must_close(one_, open);
    EXPECT_TRUE(exists("f"));
}

TEST_F(GrantsTest, WhoOpensToDeleteOnCloseAsksForIt) {
    CreateParams deleting = oplock(OplockLevel::none, "f", rw_access | access::delete_);
    deleting.options |= option::delete_on_close;
    CreateResult out;
    EXPECT_EQ(try_open(one_, deleting, out), NtStatus::PENDING);
    EXPECT_FALSE(home_.asked.back().deletion) << "it can do without";
    const CreateResult open = open_answered(one_, deleting);
    EXPECT_EQ(home_.asked.back(), rights{.deletion = true});
    must_close(one_, *open.open);
    EXPECT_FALSE(exists("f"));
    EXPECT_FALSE(home_.mark);
}

TEST_F(GrantsTest, WhatAnotherNodeDeletesIsMarkedHere) {
    Open& open = *open_answered(one_, oplock(OplockLevel::none, "f", rw_access | access::delete_)).open;
    EXPECT_EQ(status_of(open.set_disposition(true, &*waiter_)), NtStatus::PENDING);
    const auto mark = home_.mark;  // as the other node would set it
    waiter_->cancel();
    EXPECT_TRUE(open.set_disposition(false));
    EXPECT_FALSE(open.info()->delete_pending);
    home_.mark = mark;
    two_.files->recalls().recall(key_of_f(), home_.asked[0]);
    pump();
    ASSERT_FALSE(home_.still_used.empty());
    EXPECT_NE(home_.still_used.back().opens, 0u) << "it stays open";
    EXPECT_TRUE(open.info()->delete_pending);
    CreateResult out;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none, "f", rw_access | access::delete_), out), NtStatus::DELETE_PENDING);
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

// Change notification: MS-FSA 2.1.4.1, 2.1.5.11, and what each operation reports.
#include "smbd/fsa/notify.h"

#include "smbd/fsa/limits.h"
#include "smbd/fsa/notify_fixture_test.h"
#include "smbd/fsa/notify_index.h"

namespace Atoll::fsa {

constexpr uint32_t names = all_names;

TEST_F(NotifyTest, AnotherProcessIsHeard) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& first = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, first).status);
    other_make("d\\new");
    settle();
    EXPECT_EQ(first.ended, NtStatus::SUCCESS);
    EXPECT_EQ(first.what, "added new");
    // What changes between requests is kept for the next.
    other_make("d\\second");
    other_delete("d\\new");
    settle();
    Waiter& next = waiter(false, names, 1000);
    const Told told = ask(d, next);
    EXPECT_EQ(told.status, NtStatus::SUCCESS);
    EXPECT_EQ(told.what, "added second, removed new");
}

TEST_F(NotifyTest, OwnChangesComeAfterTheHandler) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    close(open(params("d\\f", rw_access, Disposition::create)));
    EXPECT_FALSE(waits.ended);
    settle();
    EXPECT_EQ(waits.what, "added f");
}

TEST_F(NotifyTest, TreesAndTheirNames) {
    mkdir("d");
    mkdir("d/e");
    Open& d = directory("d");
    Open& root = directory("");
    Waiter& flat = waiter(false, names, 1000);
    Waiter& deep = waiter(true, names, 1000);
    EXPECT_FALSE(ask(d, flat).status);
    EXPECT_FALSE(ask(root, deep).status);
    other_make("d\\e\\f");
    settle();
    EXPECT_FALSE(flat.ended);
    EXPECT_EQ(deep.what, "added d/e/f");
    // The watch's own directory is not below itself, but in its parent.
    other_make("d\\e\\g");
    settle();
    Waiter& again = waiter(true, names, 1000);
    EXPECT_EQ(ask(root, again).what, "added d/e/g");
}

TEST_F(NotifyTest, OnlyTheFirstRequestsFilterCounts) {  // MS-SMB2 3.3.1.3
    mkdir("d");
    Open& d = directory("d");
    Waiter& first = waiter(false, notify_filter::dir_name, 1000);
    Waiter& second = waiter(true, notify_filter::all, 1000);
    EXPECT_FALSE(ask(d, first).status);
    other_make("d\\e", option::directory_file);
    settle();
    EXPECT_EQ(first.what, "added e");
    EXPECT_FALSE(ask(d, second).status);
    other_make("d\\f");
    other_make("d\\e\\g", option::directory_file);
    settle();
    EXPECT_FALSE(second.ended);
    d.forget_changes(second);
}

TEST_F(NotifyTest, RequestsAreCompletedInTheirOrder) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& first = waiter(false, names, 1000);
    Waiter& second = waiter(false, names, 1000);
    Waiter& third = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, first).status);
    EXPECT_FALSE(ask(d, second).status);
    EXPECT_FALSE(ask(d, third).status);
    d.forget_changes(second);
    other_make("d\\a");
    settle();
    EXPECT_EQ(first.what, "added a");
    EXPECT_FALSE(third.ended);
    other_make("d\\b");
    settle();
    EXPECT_EQ(third.what, "added b");
    EXPECT_FALSE(second.ended);
}

TEST_F(NotifyTest, WhatDoesNotFitIsNotTold) {  // MS-FSA 2.1.5.11.1
    mkdir("d");
    Open& d = directory("d");
    Waiter& small = waiter(false, names, 12 + 2 * 3);
    Waiter& next = waiter(false, names, 1000);
    Waiter& rest = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, small).status);
    other_make("d\\abc");
    settle();
    EXPECT_EQ(small.what, "added abc");  // to the byte
    other_make("d\\ab");
    other_make("d\\c");
    settle();
    EXPECT_EQ(ask(d, next).status, NtStatus::NOTIFY_ENUM_DIR);  // the first request's room is the buffer's
    EXPECT_FALSE(ask(d, rest).status);
    other_make("d\\x");
    settle();
    EXPECT_EQ(rest.what, "added x");
    Waiter& none = waiter(false, names, 0);
    EXPECT_FALSE(ask(d, none).status);
    other_make("d\\y");
    settle();
    EXPECT_EQ(none.ended, NtStatus::NOTIFY_ENUM_DIR);
}

TEST_F(NotifyTest, RenamesComeInPairs) {  // MS-FSA 2.1.5.15.12
    mkdir("d");
    mkdir("e");
    write("d/f");
    Open& d = directory("d");
    Open& e = directory("e");
    Open& root = directory("");
    Waiter& in_d = waiter(false, names, 1000);
    Waiter& in_e = waiter(false, names, 1000);
    Waiter& above = waiter(true, names, 1000);
    EXPECT_FALSE(ask(d, in_d).status);
    EXPECT_FALSE(ask(root, above).status);
    Open& f = other_open(params("d\\f", access::delete_));
    ASSERT_TRUE(f.rename("d\\g", false));
    settle();
    EXPECT_EQ(in_d.what, "old f, new g");
    EXPECT_EQ(above.what, "old d/f, new d/g");
    Waiter& in_d2 = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, in_d2).status);
    EXPECT_FALSE(ask(e, in_e).status);
    ASSERT_TRUE(f.rename("e\\h", false));
    settle();
    EXPECT_EQ(in_d2.what, "removed g");
    EXPECT_EQ(in_e.what, "added h");
    ASSERT_TRUE(other_files_->close(f));
}

TEST_F(NotifyTest, EachChangeHasItsFilter) {
    write("f");
    struct Case {
        uint32_t filter;
        const char* what;
        std::function<void(Open&)> change;
    };
    SetBasic times;
    times.write = NtTime::now();
    SetBasic access_time;
    access_time.access = NtTime::now();
    SetBasic creation;
    creation.creation = NtTime::now();
    SetBasic hidden;
    hidden.attributes = attribute::hidden;
    const Case cases[] = {
        {notify_filter::last_write, "modified f", [&](Open& f) { EXPECT_TRUE(f.set_basic(times)); }},
        {notify_filter::last_access, "modified f", [&](Open& f) { EXPECT_TRUE(f.set_basic(access_time)); }},
        {notify_filter::creation, "modified f", [&](Open& f) { EXPECT_TRUE(f.set_basic(creation)); }},
        {notify_filter::attributes, "modified f", [&](Open& f) { EXPECT_TRUE(f.set_basic(hidden)); }},
        {notify_filter::size, "modified f", [&](Open& f) { EXPECT_TRUE(f.set_end_of_file(3)); }},
        {notify_filter::last_write, "modified f", [&](Open& f) { EXPECT_TRUE(f.write_now(as_bytes("x"), 0, false)); }},
    };
    for (const Case& one : cases) {
        Open& root = directory("");
        Open& deaf = directory("");
        Waiter& waits = waiter(false, one.filter, 1000);
        Waiter& other = waiter(false, notify_filter::all & ~one.filter & ~notify_filter::size & ~notify_filter::last_write, 1000);
        EXPECT_FALSE(ask(root, waits).status);
        EXPECT_FALSE(ask(deaf, other).status);
        Open& f = open(params("f", rw_access));
        one.change(f);
        settle();
        EXPECT_EQ(waits.what, one.what) << one.filter;
        EXPECT_FALSE(other.ended) << one.filter;
        close(f);
        close(root);
        close(deaf);
    }
}

TEST_F(NotifyTest, WrittenDataIsToldAtOnceAndAtTheClose) {
    write("f");
    Open& root = directory("");
    Waiter& at_once = waiter(false, notify_filter::size, 1000);
    Waiter& at_close = waiter(false, notify_filter::size, 1000);
    EXPECT_FALSE(ask(root, at_once).status);
    Open& f = open(params("f", rw_access));
    EXPECT_TRUE(f.write_now(as_bytes("x"), 0, false));
    settle();
    EXPECT_EQ(at_once.what, "modified f");
    EXPECT_FALSE(ask(root, at_close).status);
    for (int i = 0; i < 10; i++) EXPECT_TRUE(f.write_now(as_bytes("x"), 0, false));
    settle();
    EXPECT_FALSE(at_close.ended);
    close(f);
    settle();
    EXPECT_EQ(at_close.what, "modified f");
}

TEST_F(NotifyTest, CloseEndsRequests) {  // MS-FSA 2.1.5.5, phase 5
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    EXPECT_EQ(index_->size(), 2u);  // the directory's, and the count
    close(d);
    EXPECT_EQ(waits.ended, NtStatus::NOTIFY_CLEANUP);
    EXPECT_EQ(index_->size(), 1u);
    EXPECT_FALSE(NotifyIndex(index_.get()).anyone());
}

TEST_F(NotifyTest, ADirectoryThatIsToBeDeletedIsNotWatched) {  // MS-FSA 2.1.5.15.3
    mkdir("d");
    Open& d = directory("d");
    Open& marks = directory("d", access::delete_);
    Waiter& waits = waiter(false, names, 1000);
    Waiter& other = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    ASSERT_TRUE(marks.set_disposition(true));
    settle();
    EXPECT_EQ(waits.ended, NtStatus::DELETE_PENDING);
    Waiter& after = waiter(false, names, 1000);
    EXPECT_EQ(ask(d, after).status, NtStatus::DELETE_PENDING);
    ASSERT_TRUE(marks.set_disposition(false));
    EXPECT_EQ(ask(marks, other).status, NtStatus::DELETE_PENDING);  // never reset
}

TEST_F(NotifyTest, AWatchedDirectoryThatIsRenamedGoesOnBeingWatched) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    CreateParams p = params("d", access::delete_);
    Open& same = other_open(p);
    ASSERT_TRUE(same.rename("moved", false));
    ASSERT_TRUE(other_files_->close(same));
    settle();
    other_make("moved\\f");
    settle();
    EXPECT_EQ(waits.what, "added f");
    close(d);
    EXPECT_EQ(index_->size(), 1u);
}

TEST_F(NotifyTest, AnEndedProcessLeavesNothing) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = waiter(false, names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    NotifyIndex index(index_.get());
    EXPECT_TRUE(index.anyone());
    const size_t before = index_->traversals();
    EXPECT_TRUE(index.end_processes({{3, 1, 1}, {3, 2, 2}}).empty());
    EXPECT_EQ(index_->traversals() - before, 1u);
    EXPECT_EQ(index.end_processes({messages_->self()}), std::vector<std::string>{std::filesystem::canonical(at("d")).string()});
    EXPECT_FALSE(index.anyone());
    d.forget_changes(waits);
}

// One a node.
TEST_F(NotifyTest, EachNodeHasALocalWatcher) {
    NotifyIndex index(index_.get());
    const tdb::server_id first{0, 10, 1}, again{0, 11, 2}, other{1, 10, 3};
    EXPECT_TRUE(index.local_watchers().empty());
    ASSERT_TRUE(index.set_local_watcher(first, true));
    ASSERT_TRUE(index.set_local_watcher(other, false));
    ASSERT_EQ(index.local_watchers().size(), 2u);
    EXPECT_FALSE(index.anyone());
    ASSERT_NE(index.hears_own_changes(0), nullptr);
    EXPECT_EQ(*index.hears_own_changes(0), first);
    EXPECT_EQ(index.hears_own_changes(1), nullptr) << "it knows them by their pids";
    ASSERT_TRUE(index.set_local_watcher(again, false));
    ASSERT_EQ(index.local_watchers().size(), 2u);
    EXPECT_FALSE(index.anyone());
    EXPECT_EQ(index.hears_own_changes(0), nullptr);
    EXPECT_TRUE(index.end_processes({messaging::ServerId(other)}).empty());
    ASSERT_EQ(index.local_watchers().size(), 1u);
    EXPECT_EQ(index.local_watchers()[0].process, again);
}

TEST_F(NotifyTest, WithoutWatchersNothingIsLookedFor) {
    NotifyIndex index(index_.get());
    EXPECT_FALSE(index.anyone());
    index_->fail_writes(1, Code::io, 1000);  // what is written would fail
    close(open(params("f", rw_access, Disposition::create)));
    EXPECT_EQ(index_->size(), 0u);
}

TEST_F(NotifyTest, VetoedFilesDoNotChange) {
    share_.reset();
    connect("veto files = /secret/\n");
    Open& root = directory("");
    Waiter& waits = waiter(true, names, 1000);
    EXPECT_FALSE(ask(root, waits).status);
    other_make("secret");
    other_make("plain");
    settle();
    EXPECT_EQ(waits.what, "added plain");
}

}  // namespace Atoll::fsa

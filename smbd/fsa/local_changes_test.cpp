// What a local program changes, seen by fanotify and by inotify. Here a child process is the program, and this one is the server.
#include "smbd/fsa/local_changes.h"

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/wait.h>

#include "base/unique_fd.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/notify_fixture_test.h"

namespace Atoll::fsa {
namespace {

class LocalChangesTest : public NotifyTest, public ::testing::WithParamInterface<bool> {
 protected:
    void SetUp() override {
        NotifyTest::SetUp();
        if (GetParam() && !UniqueFd(::fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_UNLIMITED_MARKS, O_RDONLY)))
            GTEST_SKIP() << "fanotify is not permitted here";
        auto socket = messaging::MessageSocket::open(mailboxes_, messaging::ProcessClass::client);
        ASSERT_TRUE(socket);
        keeper_ = messaging::make_local_messaging(loop_, std::move(*socket));
        start();
    }
    void TearDown() override {
        changes_.reset();
        NotifyTest::TearDown();
    }
    void start() {
        changes_ = LocalChanges::start({loop_, *keeper_, *index_, [this] { return own_; }, GetParam()});
    }

    // Of another process, which is none of the server's.
    template <class F>
    void locally(F change) {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(change() ? 0 : 1);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_EQ(status, 0);
    }
    void make_locally(const std::string& path) {
        locally([&] { return UniqueFd(::open(at(path).c_str(), O_CREAT | O_WRONLY, 0600)).valid(); });
    }
    void mkdir_locally(const std::string& path) {
        locally([&] { return ::mkdir(at(path).c_str(), 0700) == 0; });
    }
    void rename_locally(const std::string& from, const std::string& to) {
        locally([&] { return ::rename(at(from).c_str(), at(to).c_str()) == 0; });
    }

    void run_until(const std::function<bool()>& condition) {
        const Monotonic deadline = monotonic_now() + std::chrono::seconds(10);
        while (!condition() && monotonic_now() < deadline) (void)loop_.run_once(deadline);
    }
    // Begins to watch, and waits until that is so for local changes too.
    Waiter& begin(Open& open, bool tree, uint32_t filter = all_names) {
        Waiter& waits = waiter(tree, filter, 4096);
        EXPECT_FALSE(ask(open, waits).status);
        run_until([&] { return open.sees_local_changes(); });
        EXPECT_TRUE(open.sees_local_changes());
        return waits;
    }
    // What is told, request after request, until all of `expected` has been, or more.
    std::string told(Open& open, Waiter* waits, size_t expected, bool tree) {
        std::string all;
        for (;;) {
            run_until([&] { return waits->ended.has_value(); });
            if (!waits->ended) {
                open.forget_changes(*waits);
                return all + " and no more";
            }
            all += (all.empty() ? "" : ", ") + waits->what;
            if (all.size() >= expected) return all;
            waits = &waiter(tree, all_names, 4096);
            const Told at_once = ask(open, *waits);
            if (at_once.status) {
                waits->ended = at_once.status;
                waits->what = at_once.what;
            }
        }
    }
    void expect_told(Open& open, Waiter& waits, const std::string& what, bool tree) {
        EXPECT_EQ(told(open, &waits, what.size(), tree), what);
    }

    std::unique_ptr<messaging::Messaging> keeper_;
    std::unique_ptr<LocalChanges> changes_;
    std::set<uint64_t> own_{static_cast<uint64_t>(::getpid())};  // processes of the server
};

class FanotifyTest : public LocalChangesTest {};

// Whoever sends to a process that was killed removes its mailbox, perhaps before its last changes are looked at.
TEST_P(FanotifyTest, WhatOneOfOursDidBeforeItsEndIsNoLocalChange) {
    mkdir("d");
    Open& d = directory("d");
    Waiter* waits = &begin(d, false);
    int go[2];
    ASSERT_EQ(::pipe(go), 0);
    const pid_t ours = ::fork();
    if (ours == 0) {
        char byte = 0;
        if (::read(go[0], &byte, 1) != 1) ::_exit(1);
        ::_exit(UniqueFd(::open(at("d/ours").c_str(), O_CREAT | O_WRONLY, 0600)).valid() ? 0 : 1);
    }
    own_.insert(static_cast<uint64_t>(ours));
    make_locally("d/first");
    expect_told(d, *waits, "added first", false);

    waits = &begin(d, false);
    make_locally("d/second");
    ASSERT_EQ(::write(go[1], "", 1), 1);
    int status = -1;
    ASSERT_EQ(::waitpid(ours, &status, 0), ours);
    ASSERT_EQ(status, 0);
    own_.erase(static_cast<uint64_t>(ours));
    make_locally("d/third");
    expect_told(d, *waits, "added second, added third", false);
    ::close(go[0]);
    ::close(go[1]);
}

TEST_P(LocalChangesTest, TheRequestWaitsUntilTheyAreSeen) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = waiter(false, all_names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    EXPECT_FALSE(d.sees_local_changes());
    run_until([&] { return waits.seen; });
    EXPECT_TRUE(d.sees_local_changes());
    make_locally("d/f");
    expect_told(d, waits, "added f", false);
}

TEST_P(LocalChangesTest, EveryKindOfChange) {
    mkdir("d");
    Open& d = directory("d");
    Waiter* waits = &begin(d, false);
    make_locally("d/f");
    expect_told(d, *waits, "added f", false);
    waits = &begin(d, false);
    rename_locally("d/f", "d/g");
    expect_told(d, *waits, "old f, new g", false);
    waits = &begin(d, false);
    rename_locally("d/g", "out");
    expect_told(d, *waits, "removed g", false);
    waits = &begin(d, false);
    rename_locally("out", "d/in");
    expect_told(d, *waits, "added in", false);
    waits = &begin(d, false);
    locally([&] { return ::unlink(at("d/in").c_str()) == 0; });
    expect_told(d, *waits, "removed in", false);
    waits = &begin(d, false);
    mkdir_locally("d/e");
    expect_told(d, *waits, "added e", false);
    // Not below it.
    waits = &begin(d, false);
    make_locally("d/e/f");
    make_locally("d/last");
    expect_told(d, *waits, "added last", false);
}

TEST_P(LocalChangesTest, Modifications) {
    write("f");
    Open& root = directory("");
    Waiter& waits = begin(root, false, notify_filter::size);
    locally([&] {
        const UniqueFd fd(::open(at("f").c_str(), O_WRONLY));
        return ::write(fd.get(), "x", 1) == 1;
    });
    run_until([&] { return waits.ended.has_value(); });
    EXPECT_EQ(waits.what, "modified f");
    close(root);
    Open& again = directory("");
    Waiter& attributes = begin(again, false, notify_filter::security);
    locally([&] { return ::chmod(at("f").c_str(), 0640) == 0; });
    run_until([&] { return attributes.ended.has_value(); });
    EXPECT_EQ(attributes.what, "modified f");
}

TEST_P(LocalChangesTest, Trees) {
    mkdir("d");
    mkdir("d/e");
    mkdir("other");
    Open& d = directory("d");
    Waiter* waits = &begin(d, true);
    make_locally("d/e/f");
    expect_told(d, *waits, "added e/f", true);
    // What is new is watched too, and so is what has another name now.
    waits = &begin(d, true);
    mkdir_locally("d/e/new");
    make_locally("d/e/new/g");
    expect_told(d, *waits, "added e/new, added e/new/g", true);
    waits = &begin(d, true);
    rename_locally("d/e", "d/E2");
    make_locally("d/E2/new/h");
    expect_told(d, *waits, "old e, new E2, added E2/new/h", true);
    // What has left it is not.
    waits = &begin(d, true);
    rename_locally("d/E2/new", "other/new");
    make_locally("other/new/i");
    make_locally("d/last");
    expect_told(d, *waits, "removed E2/new, added last", true);
}

TEST_P(LocalChangesTest, WhatOurProcessesChangeIsToldOnce) {
    mkdir("d");
    Open& d = directory("d");
    Waiter* waits = &begin(d, true);
    other_make("d\\a");
    other_make("d\\e", option::directory_file);
    other_make("d\\e\\b");
    Open& f = other_open(params("d\\a", access::delete_));
    ASSERT_TRUE(f.rename("d\\c", false));
    ASSERT_TRUE(other_files_->close(f));
    other_delete("d\\c");
    make_locally("d/last");
    expect_told(d, *waits, "added a, added e, added e/b, old a, new c, removed c, added last", true);
}

TEST_P(LocalChangesTest, AnotherMayTakeOver) {
    mkdir("d");
    Open& d = directory("d");
    Waiter& waits = begin(d, false);
    changes_.reset();
    start();
    make_locally("d/f");
    expect_told(d, waits, "added f", false);
}

TEST_P(LocalChangesTest, WhoDoesNotAnswerIsNotWaitedForForever) {
    mkdir("d");
    changes_.reset();  // its mailbox stays
    Open& d = directory("d");
    Waiter& waits = waiter(false, all_names, 1000);
    EXPECT_FALSE(ask(d, waits).status);
    EXPECT_FALSE(d.sees_local_changes());
    const Monotonic begun = monotonic_now();
    run_until([&] { return waits.seen; });
    EXPECT_TRUE(d.sees_local_changes());
    EXPECT_GE(monotonic_now() - begun, limits::local_watch_patience);
    other_make("d\\f");
    settle();
    EXPECT_EQ(waits.what, "added f");
}

TEST_P(LocalChangesTest, UnwatchedDirectoriesCostNothing) {
    mkdir("d");
    Open& d = directory("d");
    (void)begin(d, true);
    close(d);
    settle();
    Open& again = directory("d");
    Waiter& waits = begin(again, false);
    mkdir_locally("d/e");
    make_locally("d/e/f");
    make_locally("d/g");
    run_until([&] { return waits.ended.has_value(); });
    EXPECT_EQ(waits.what.substr(0, 7), "added e");
    const std::string rest = waits.what;
    EXPECT_EQ(rest.find("e/f"), std::string::npos);
}

std::string name_of(const ::testing::TestParamInfo<bool>& info) { return info.param ? "Fanotify" : "Inotify"; }

INSTANTIATE_TEST_SUITE_P(Fanotify, FanotifyTest, ::testing::Values(true));
INSTANTIATE_TEST_SUITE_P(Kernel, LocalChangesTest, ::testing::Bool(), name_of);

}  // namespace
}  // namespace Atoll::fsa

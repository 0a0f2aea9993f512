// What the tests of change notification share: two processes of the server, as far as this room can tell.
#pragma once

#include <deque>
#include <optional>

#include "smbd/fsa/fsa_fixture_test.h"
#include "smbd/fsa/notify.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::fsa {

// "added a, modified b"
inline std::string describe(const NotifyEvents& events) {
    static const char* const names[] = {"",    "added",        "removed",        "modified",       "old",
                                        "new", "added stream", "removed stream", "modified stream"};
    std::string out;
    for (size_t i = 0; i < events.size(); i++) {
        if (i > 0) out += ", ";
        out += names[static_cast<uint32_t>(events[i].action)];
        out += ' ';
        out += events[i].name;
    }
    return out;
}

class Waiter final : public NotifyWait {
 public:
    Waiter(bool whole_tree, uint32_t of, uint32_t bytes) {
        tree = whole_tree;
        filter = of;
        room = bytes;
    }
    void changed(NtStatus status, const NotifyEvents& events) override {
        ended = status;
        what = describe(events);
    }
    void watching() override { seen = true; }

    std::optional<NtStatus> ended;
    std::string what;
    bool seen = false;
};

// Two processes of the server, as far as this room can tell: each has its mailbox, its FileSystem and its tree connect.
class NotifyTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        index_ = tdb::MemoryDatabase::open({"notify_index", tdb::Rank::watches});
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_notify_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        mailboxes_ = pattern;
        share_.reset();
        files_ = process(messages_);
        connect();
        other_files_ = process(other_messages_);
        other_share_ = make_share(*other_files_);
    }
    void TearDown() override {
        other_share_.reset();
        other_files_.reset();
        FsaTest::TearDown();
        std::filesystem::remove_all(mailboxes_);
    }

    std::unique_ptr<FileSystem> process(std::unique_ptr<messaging::Messaging>& messages) {
        auto socket = messaging::MessageSocket::open(mailboxes_, messaging::ProcessClass::client);
        EXPECT_TRUE(socket);
        messages = messaging::make_local_messaging(loop_, std::move(*socket));
        const auto& self = messages->self();
        return FileSystem::create({.locking = *locking_,
                                   .brlock = *brlock_,
                                   .self = {self.node, self.pid, self.unique_id},
                                   .holder_exists = [](const Holder&) { return true; },
                                   .messaging = messages.get(),
                                   .loop = &loop_,
                                   .notify_index = index_.get()});
    }

    Open& directory(const std::string& path, uint32_t more = 0) {
        CreateParams p = params(path, access::list_directory | more);
        p.options = option::directory_file;
        return open(p);
    }
    // What a request on `open` is told once all messages are there; "" and nothing if it waits.
    struct Told {
        std::optional<NtStatus> status;
        std::string what;
    };
    Told ask(Open& open, Waiter& waiter) {
        NotifyEvents events;
        const NtStatus status = open.wait_for_changes(waiter, events);
        if (status == NtStatus::PENDING) return {};
        return {status, describe(events)};
    }
    void settle() { (void)loop_.run_until(monotonic_now() + std::chrono::milliseconds(30)); }
    // By the other process.
    Open& other_open(CreateParams p) {
        auto r = other_files_->create(*other_share_, p);
        EXPECT_TRUE(r) << p.path << ": " << to_string(r.error());
        return *r->open;
    }
    void other_make(const std::string& path, uint32_t options = 0) {
        ASSERT_TRUE(other_files_->close(other_open(params(path, rw_access, Disposition::create, options))));
    }
    void other_delete(const std::string& path) {
        ASSERT_TRUE(other_files_->close(other_open(params(path, access::delete_, Disposition::open, option::delete_on_close))));
    }

    // Lives until everything is closed.
    Waiter& waiter(bool tree, uint32_t filter, uint32_t room) { return waiters_.emplace_back(tree, filter, room); }

    loop::Loop loop_;
    std::deque<Waiter> waiters_;
    std::string mailboxes_;
    std::unique_ptr<tdb::MemoryDatabase> index_;
    std::unique_ptr<messaging::Messaging> messages_, other_messages_;
    std::unique_ptr<FileSystem> other_files_;
    std::unique_ptr<Share> other_share_;
};

constexpr uint32_t all_names = notify_filter::file_name | notify_filter::dir_name;

}  // namespace Atoll::fsa

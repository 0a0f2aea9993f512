// The directories that this process's clients watch (MS-FSA 2.1.1.8, ChangeNotifyEntry), and the requests that wait for changes of them.
//
// A directory is watched from the first request on its Open until its close. What changes while no request waits is kept for the next one,
// as far as the first request has room for it (limits::max_notify_buffer at most); what goes beyond is forgotten, and the next request told
// so. A watch counts as one of local changes too when the local watcher has answered, or has not for limits::local_watch_patience.
// Requests are completed on the loop after the handler that caused it: all that one handler changes comes in one answer. Main thread
// only.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/loop/loop.h"
#include "smbd/fsa/fsa.h"
#include "smbd/fsa/notifier.h"
#include "smbd/fsa/notify.h"

namespace Atoll::fsa {

class OpenFile;

class NotifyWatches final : public NotifyReceiver, private loop::Deferred {
 public:
    NotifyWatches(tdb::Database* notify_index, messaging::Messaging* messaging, loop::Loop* loop);
    ~NotifyWatches() override;  // nothing is watched any more

    // As Open::wait_for_changes and its kin. NOT_SUPPORTED without a database, messages or a loop.
    NtStatus wait(OpenFile& open, NotifyWait& wait, NotifyEvents& events);
    [[nodiscard]] bool sees_local_changes(const OpenFile& open) const;
    void forget(OpenFile& open, NotifyWait& wait);
    // Before its open id is gone.
    void close(OpenFile& open);

 private:
    struct Watched {
        OpenFile* open = nullptr;
        std::string path;  // absolute; the key in notify_index
        size_t limit = 0;  // bytes of events that are kept
        NotifyEvents events;
        bool lost = false;     // there were more
        bool watching = true;  // the local watcher sees what it should
        Monotonic patience{};  // until which it is waited for
        NotifyWait* first = nullptr;
        NotifyWait* last = nullptr;
        bool ready = false;           // in ready_
        bool marked_deleted = false;  // its requests are to end
    };
    using Place = std::unordered_map<uint64_t, std::unique_ptr<Watched>>::iterator;

    void told(const notify_told& news) override;
    void run_deferred() override;
    Result<Watched*, NtStatus> begin(OpenFile& open, const NotifyWait& wait);
    void ask_local_watcher(uint64_t open_id, Watched& watched);
    void send_look(uint64_t open_id, const std::string& directory);
    void ask_again();
    static void watched_locally(Watched& watched);
    void take(Watched& watched, NotifyAction action, std::string_view name);
    void moved(uint64_t open_id, const std::string& path);
    void make_ready(uint64_t open_id, Watched& watched);
    NtStatus collect(Watched& watched, size_t room, NotifyEvents& events);
    void end(Place place, NtStatus status);

    messaging::Messaging* messaging_;
    loop::Loop* loop_;
    NotifyIndex index_;
    std::unique_ptr<loop::Timer> ask_again_;
    std::unordered_map<uint64_t, std::unique_ptr<Watched>> watched_;  // by open id
    std::vector<uint64_t> ready_;                                     // whose first request has something to be told
    notify_told news_;
    look_at_watches look_;
    Buffer encoded_;
    NotifyEvents handed_out_;
};

}  // namespace Atoll::fsa

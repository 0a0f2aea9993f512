// The records of notify_index: who watches which directory. Paths are absolute and canonical. Each function is one locked step on one
// record, or several such steps.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "smbd/fsa/notify.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::fsa {

class NotifyIndex {
 public:
    // `database` counts its changes, for anyone(). Null: nobody watches anything.
    explicit NotifyIndex(tdb::Database* database) : database_(database) {}

    [[nodiscard]] bool usable() const { return database_ != nullptr; }
    // Whether anybody on the node watches anything. One look into shared memory as long as nobody comes or goes.
    bool anyone();
    // The watches of a directory; valid until the next call.
    const std::vector<directory_watch>& watches_of(std::string_view directory);

    Result<void> add(std::string_view directory, const directory_watch& watch);
    void remove(std::string_view directory, const tdb::server_id& holder, uint64_t open_id);
    // What has been at `from`, or below it, is at `to`. Gives the directories that have moved.
    struct Moved {
        std::string to;
        std::vector<directory_watch> watches;
    };
    std::vector<Moved> move(std::string_view from, std::string_view to);
    // Takes out the watches of processes that have ended, and local watchers; the directories that they watched. Looks at every record, and holds none but
    // those of these directories.
    std::vector<std::string> end_processes(const messaging::ServerIds& ended);
    std::vector<std::string> directories();

    // Who reports changes that no process of ours makes, one a node: each sees what its node's kernel sees. Valid until the next call.
    const std::vector<local_watcher>& local_watchers();
    // In place of its node's former one. Code::no_space: MAX_LOCAL_WATCHERS nodes have one.
    Result<void> set_local_watcher(const tdb::server_id& process, bool wants_own_changes);
    // Whom a process of that node tells of what it changes; null: nobody wants to know. As of the last anyone().
    [[nodiscard]] const tdb::server_id* hears_own_changes(uint32_t node) const;

 private:
    Result<void> append(std::string_view directory, const directory_watch* watches, size_t count);
    Result<void> enter(std::string_view directory, const directory_watch* watches, size_t count);
    template <class Predicate>
    size_t take_out(std::string_view directory, Predicate which);
    bool load_state();
    Result<void> change_count(int64_t by);
    void drop_local_watchers(const messaging::ServerIds& ended);
    bool load(const tdb::LockedRecord& locked);

    tdb::Database* database_;
    uint32_t seen_ = 0;  // sequence number as of which `some_` is true
    bool known_ = false, some_ = false;
    std::vector<tdb::server_id> hear_own_;  // of each node, as of `seen_`
    directory_watches record_;                 // scratch, kept for its capacity
    notify_state state_;
    Buffer encoded_;
};

}  // namespace Atoll::fsa

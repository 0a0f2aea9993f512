// Tells who watches a directory what has changed below it (MS-FSA 2.1.4.1).
//
// Each successful operation reports its changes here, after it has made them and without holding a record. While nobody on the node
// watches anything that is one look into shared memory; else a look for each directory above the file, and a message for each process that
// is to hear of it. Within this process no message is needed. Changes of one process arrive in their order.
//
// A process that does not take its messages is told later, once, that it missed some. Main thread only, in whatever identity it has.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop/loop.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.h"
#include "smbd/fsa/notify_index.h"
#include "smbd/fsa/share_root.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::fsa {

// Takes the news that are for this process.
class NotifyReceiver {
 public:
    virtual void told(const notify_told& news) = 0;

 protected:
    ~NotifyReceiver() = default;
};

// What the new name of a rename was before (MS-FSA 2.1.5.15.12).
enum class RenameTarget : uint8_t {
    nothing,
    same_name,   // another file of exactly that name, which is replaced
    other_case,  // another file whose name differs in case, which is replaced
};

class Notifier {
 public:
    // Without a database, messages or a loop nobody hears anything. `own`: of this process; may be null.
    Notifier(tdb::Database* notify_index, messaging::Messaging* messaging, loop::Loop* loop, NotifyReceiver* own);
    ~Notifier();

    // `name` from the share's root, '/' between components; of a stream with ":name" behind it. `filter` as FilterMatch, of notify_filter.
    void changed(const ShareRoot& share, std::string_view name, NotifyAction action, uint32_t filter) {
        if (index.anyone()) report_own(full_path(share, name), action, filter);
    }
    void added(const ShareRoot& share, std::string_view name, bool directory) {
        changed(share, name, NotifyAction::added, directory ? notify_filter::dir_name : notify_filter::file_name);
    }
    void removed(const ShareRoot& share, std::string_view name, bool directory) {
        changed(share, name, NotifyAction::removed, directory ? notify_filter::dir_name : notify_filter::file_name);
    }
    // A rename; watches of a directory go with it. `replaced`: the former name of what is replaced with RenameTarget::other_case.
    void renamed(const ShareRoot& share, std::string_view from, std::string_view to, bool directory, RenameTarget target,
                 std::string_view replaced = {});
    // A directory is to be deleted: requests that wait for changes of it end (MS-FSA 2.1.5.15.3).
    void marked_deleted(const ShareRoot& share, std::string_view name);
    // The same of one that another node has marked: those who have it open on this one hear of it.
    void marked_deleted(const std::vector<share_mode>& opens);

    // --- The same of changes that others have made, known by absolute path.
    void report(std::string_view path, NotifyAction action, uint32_t filter);
    // From null: it comes from somewhere that nobody watches; to null likewise.
    void report_rename(const std::string* from, const std::string* to, bool directory);
    // Changes went unseen: all who watch are told so.
    void report_lost();

    NotifyIndex index;

 private:
    struct Recipient {
        tdb::server_id process;
        notify_told news;
        uint64_t change = 0;  // the last that is in `news`
    };

    void report_own(std::string_view path, NotifyAction action, uint32_t filter);
    void add_own(std::string_view path, NotifyAction action, uint32_t filter, uint32_t but_not = 0);
    static std::string full_path(const ShareRoot& share, std::string_view name);
    void add(std::string_view path, NotifyAction action, uint32_t filter, uint32_t but_not = 0);
    void send();
    Recipient& recipient(const tdb::server_id& process);
    void tell(const tdb::server_id& process, const notify_told& news);
    void tell_watches(notify_news what, std::string_view name, const std::vector<directory_watch>& watches);
    void moved(std::string_view from, std::string_view to);
    void owe(const tdb::server_id& process, const notify_told& news);
    void pay();

    messaging::Messaging* messaging_;
    NotifyReceiver* own_;
    std::unique_ptr<loop::Timer> pay_;
    std::map<messaging::ServerId, std::set<uint64_t>> owed_;  // opens that missed changes, of processes that were too busy
    std::vector<Recipient> recipients_;                       // of the changes in hand; kept for capacity
    size_t recipients_in_use_ = 0;
    notify_told own_news_;  // for whoever hears our own changes; empty but within one operation
    uint64_t change_ = 0;
    Buffer encoded_;
};

}  // namespace Atoll::fsa

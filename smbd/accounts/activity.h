// When accounts logged on: noted by authd, read by the tools of administrators, kept in the durable state.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/sid.h"
#include "base/time.h"
#include "smbd/accounts/activity.idl.h"
#include "tdb/committer/durable_store.h"

namespace Atoll::accounts {

constexpr const char* activity_database = "account_activity";

// Main thread of authd. Log-ons do not wait for it: it has the committer store what it notes, and what cannot be stored is lost with a line
// in the log.
class ActivityNotes {
 public:
    // `commits` with a loop; it must outlive the notes.
    explicit ActivityNotes(committer::CommitClient& commits) : commits_(commits) {}

    // One note an account in limits::logon_note_seconds, so that a client that logs on all the time does not keep the disk busy.
    void logged_on(const Sid& account, const std::string& user, const std::string& peer_address);

 private:
    committer::CommitClient& commits_;
    std::map<Sid, Monotonic> noted_;
};

// nullopt: it has not logged on since there is a server. Errors are those of the database.
Result<std::optional<account_activity>> activity_of(committer::DurableStore& store, const Sid& account);

}  // namespace Atoll::accounts

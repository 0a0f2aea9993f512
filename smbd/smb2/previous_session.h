// The session that a client had before it lost its connection, and names in SESSION_SETUP (MS-SMB2 3.3.5.5.3, PreviousSessionId): it ends,
// in whatever process it is, before its successor is answered; so its opens are no longer in the client's way.
#pragma once

#include "base/loop/loop.h"
#include "smbd/smb2/request.h"
#include "tdb/watch/watches.h"

namespace Atoll::smb2 {

// Waits for the end of a session that another process holds. Lives in the Connection.
class PreviousSession {
 public:
    // Begins to wait, and tells the holder. False from waits(): it has gone already.
    PreviousSession(Request& request, uint64_t session_id, const messaging::ServerId& holder);
    [[nodiscard]] bool waits() const { return watch_.is_armed(); }
    void give_up() { done(); }

 private:
    bool wait();
    void done();

    Request& request_;
    uint64_t session_id_;
    Monotonic deadline_;
    watch::Watch watch_;
};

// Ends the session `previous_id` if the request's session is of the same user. SUCCESS: it has ended, or there is none. PENDING: the
// request completes with SUCCESS when it has, or after limits::previous_session_timeout_seconds.
NtStatus end_previous_session(Request& request, uint64_t previous_id);

}  // namespace Atoll::smb2

// A LOCK that waits for its range; part of its Request.
#pragma once

#include "smbd/fsa/fsa.h"
#include "smbd/smb2/lock_sequence.h"

namespace Atoll::smb {
struct LockRequest;
}

namespace Atoll::smb2 {

struct Request;

class LockWait final : public fsa::Wait {
 public:
    explicit LockWait(Request& request) : request_(request) {}
    ~LockWait() override = default;

    // Tries for the range, and waits for it if it must. PENDING: the request is completed later.
    NtStatus start(const fsa::LockRange& range, const smb::LockRequest& lock);
    // Its open is closed: RANGE_NOT_LOCKED.
    void open_closed() { give_up(NtStatus::RANGE_NOT_LOCKED); }
    void resume() override;

 private:
    NtStatus attempt();
    void give_up(NtStatus status);
    void end(NtStatus status);

    Request& request_;
    fsa::LockRange range_;
    LockSequence sequence_;
};

}  // namespace Atoll::smb2

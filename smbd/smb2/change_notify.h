// A CHANGE_NOTIFY that waits (MS-SMB2 3.3.5.19).
#pragma once

#include "smbd/fsa/notify.h"

namespace Atoll::fsa {
class Open;
}

namespace Atoll::smb2 {

struct Request;

class ChangeNotify final : public fsa::NotifyWait {
 public:
    explicit ChangeNotify(Request& request) : request_(request) {}

    // Answers from what has changed already, or waits: `file` is the request's open, which may be closed meanwhile.
    NtStatus start(fsa::Open& file);

    // --- fsa::NotifyWait
    void changed(NtStatus status, const fsa::NotifyEvents& events) override;
    void watching() override;

 private:
    NtStatus answer(NtStatus status, const fsa::NotifyEvents& events);
    void abandon();

    Request& request_;
    fsa::Open* file_ = nullptr;  // while it waits
};

}  // namespace Atoll::smb2

#include "smbd/smb2/acting.h"

#include "base/loop/identity.h"

namespace Atoll::smb2 {

NtStatus act_as_user(const Request& request) {
    const loop::Identity& identity = request.tcon ? request.tcon->identity : request.session->identity;
    return loop::take_identity(identity) ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
}

}  // namespace Atoll::smb2

// FSCTL_LMR_REQUEST_RESILIENCY (MS-SMB2 3.3.5.15.9).
#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/durable.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/limits.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

NtStatus request_resiliency(Request& request, const smb::IoctlRequest& ioctl) {
    constexpr uint16_t first_dialect = 0x0210;
    if (request.connection().channel().dialect < first_dialect) return NtStatus::INVALID_DEVICE_REQUEST;
    const auto asked = smb::ResiliencyRequest::decode(ioctl.input);
    if (!asked.ok() || asked->timeout_ms > limits::max_durable_timeout_ms) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const NtStatus status = make_resilient(request, asked->timeout_ms == 0 ? limits::durable_timeout_ms : asked->timeout_ms);
    return status == NtStatus::SUCCESS ? answer_ioctl(request, ioctl, {}) : status;
}

}  // namespace Atoll::smb2

// A file's control codes (MS-SMB2 2.2.31), for the suites of what they do.
#pragma once

#include "libcli/client/file.h"
#include "libcli/smb/ioctl.h"

namespace Atoll::torture {

struct Answer {
    NtStatus status = NtStatus::SUCCESS;
    Buffer output;
};

// `room`: MaxOutputResponse.
Answer control(client::File& file, smb::ControlCode code, Bytes input, uint32_t room = 1024);

}  // namespace Atoll::torture

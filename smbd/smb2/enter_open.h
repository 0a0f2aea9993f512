// Enters an open that is no file's in smbXsrv_open_global.tdb (docs/design.md, "State").
#pragma once

#include "smbd/smb2/client.h"

namespace Atoll::smb2 {

// INSUFFICIENT_RESOURCES if the database fails, or no persistent id is found that no other process has.
inline NtStatus enter_open(Client& client, xsrv::Open& open) {
    constexpr int max_id_attempts = 8;
    for (int attempt = 0; attempt < max_id_attempts; attempt++) {
        const auto inserted = client.tables().insert_open(open);
        if (!inserted.ok()) return NtStatus::INSUFFICIENT_RESOURCES;
        if (*inserted) return NtStatus::SUCCESS;
        client.opens().renew_persistent_id(open);
    }
    return NtStatus::INSUFFICIENT_RESOURCES;
}

}  // namespace Atoll::smb2

// A tree connect (MS-SMB2 3.3.1.9). Main thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/loop/identity.h"
#include "base/time.h"
#include "conf/configuration.h"
#include "libcli/security/security.idl.h"
#include "smbd/fsa/fsa.h"
#include "smbd/xsrv/ref.h"

namespace Atoll::xsrv {

// Which requests a session or tree connect has seen, for those who look at it from outside (smbstatus(1)).
struct ProtectionSeen {
    static constexpr uint8_t is_signed = 0x1, is_unsigned = 0x2, is_sealed = 0x4, is_unsealed = 0x8;  // what is sealed counts as signed too
    uint8_t bits = 0;
    [[nodiscard]] bool has(uint8_t bit) const { return (bits & bit) != 0; }
};

class Tcon final : public Counted {
 public:
    uint32_t id = 0;
    uint64_t session_id = 0;
    std::shared_ptr<const conf::ShareConf> conf;  // null for IPC$
    std::shared_ptr<fsa::Share> share;            // null for IPC$
    std::string share_name;
    std::string share_path;  // root in the local file system; empty for IPC$
    bool is_ipc = false;
    bool is_home = false;                 // made from [homes]: not found by its own name
    bool encrypt_data = false;            // requests on it must be sealed
    bool continuously_available = false;  // MS-SMB2 3.3.1.6, Share.IsCA
    uint32_t maximal_access = 0;          // ACCESS_MASK: no open gets more
    security::Token token;                // the session's, or that of `force user`
    loop::Identity identity;
    uint32_t open_count = 0;
    ProtectionSeen seen;
    NtTime created = NtTime::now();
};

}  // namespace Atoll::xsrv

// A session (MS-SMB2 3.3.1.8) as its process holds it. Main thread only, but for signer, sealer and opener, which any thread may use.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/loop/identity.h"
#include "base/time.h"
#include "libcli/security/security.idl.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"
#include "smbd/xsrv/ref.h"
#include "smbd/xsrv/tcon.h"

namespace Atoll::xsrv {

enum class SessionState : uint8_t { in_progress, valid, expired };

class Session final : public Counted {
 public:
    explicit Session(uint64_t session_id) : id(session_id) {}

    const uint64_t id;
    SessionState state = SessionState::in_progress;
    security::Token token;
    loop::Identity identity;  // the token's, as the kernel knows it
    std::string account_name;
    std::string domain_name;
    bool is_guest = false;
    bool is_anonymous = false;
    bool signing_required = false;
    bool encrypt_data = false;          // every message of the session must be sealed
    std::optional<smb::Signer> signer;  // empty for guests and anonymous: nothing of them is signed
    std::optional<smb::Sealer> sealer;  // SMB 3.x with a cipher
    std::optional<smb::Opener> opener;
    smb::Key application_key;
    NtTime created = NtTime::now();

    [[nodiscard]] Ref<Tcon> find_tcon(uint32_t tree_id) const {
        const auto found = tcons.find(tree_id);
        return found == tcons.end() ? Ref<Tcon>() : found->second;
    }

    std::map<uint32_t, Ref<Tcon>> tcons;
    uint32_t next_tree_id = 1;
};

}  // namespace Atoll::xsrv

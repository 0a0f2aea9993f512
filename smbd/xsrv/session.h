// A session (MS-SMB2 3.3.1.8) as its process holds it. Main thread only, but for signers, sealer and opener, which any thread may use.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/guid.h"
#include "base/loop/identity.h"
#include "base/time.h"
#include "libcli/security/security.idl.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"
#include "smbd/xsrv/ref.h"
#include "smbd/xsrv/tcon.h"

namespace Atoll::xsrv {

// What signs the messages of a session on a channel. Counted, for an answer in the pool's hands may outlive session and channel.
class SigningKey final : public Counted {
 public:
    SigningKey(smb::SigningAlgorithm algorithm, Bytes key) : signer(algorithm, key) {}
    const smb::Signer signer;
};

// A connection of a session (MS-SMB2 3.3.1.14), as other processes are told of it.
struct SessionChannel {
    uint64_t id = 0;  // of this process's counting
    NtTime connected;
    std::string local_address;
    std::string remote_address;
    uint16_t signing_algorithm = 0;  // SMB2_SIGNING_CAPABILITIES id
    uint16_t local_port = 0;
    uint16_t remote_port = 0;
};

class Session final : public Counted {
 public:
    explicit Session(uint64_t session_id) : id(session_id) {}

    const uint64_t id;
    bool ended = false;  // in no table any more
    NtTime expires;      // from then on its user has to prove himself anew (MS-SMB2 3.3.5.2.9); zero: never
    security::Token token;
    loop::Identity identity;  // the token's, as the kernel knows it
    std::string account_name;
    std::string domain_name;
    bool is_guest = false;
    bool is_anonymous = false;
    bool signing_required = false;
    bool encrypt_data = false;  // every message of the session must be sealed
    ProtectionSeen seen;
    uint16_t dialect = 0;               // of all its channels
    uint16_t cipher = 0;                // likewise
    uint16_t signing_algorithm = 0;     // of its first channel
    Guid client_guid;                   // of its first channel
    Ref<SigningKey> signing_key;        // null for guests and anonymous: nothing of them is signed
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
    std::vector<SessionChannel> channels;
};

}  // namespace Atoll::xsrv

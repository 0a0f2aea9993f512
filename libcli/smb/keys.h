// The keys of an SMB 3 session (MS-SMB2 3.1.4.2, 3.2.5.3, 3.3.5.5.3). Pure functions: thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

using PreauthHash = std::array<uint8_t, 64>;

// A secret of up to 32 bytes; cleared when it goes.
class Key {
 public:
    static constexpr size_t max_size = 32;

    Key() = default;
    explicit Key(Bytes bytes);  // asserts at most max_size
    Key(const Key&) = default;
    Key& operator=(const Key&) = default;
    ~Key();

    [[nodiscard]] Bytes bytes() const { return {bytes_.data(), size_}; }
    [[nodiscard]] size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    operator Bytes() const { return bytes(); }
    bool operator==(const Key& other) const;  // in constant time

 private:
    std::array<uint8_t, max_size> bytes_{};
    uint8_t size_ = 0;
};

// SP800-108 section 5.1: counter mode, HMAC-SHA256, r = 32. `label` and `context` are used as they are: the terminating zero byte that
// MS-SMB2 counts into them is the caller's to include. `size` is 16 or 32.
Key derive_key(Bytes key, Bytes label, Bytes context, size_t size);

struct SessionKeys {
    Key signing;           // 16 bytes, all dialects
    Key client_to_server;  // sealing; size of the cipher's key; empty below 3.0
    Key server_to_client;
    Key application;  // 16 bytes; for 2.x the session key itself
};

// `session_key` is what the authentication gave (any length; Session.SessionKey is its first 16 bytes, padded with zeros).
// `cipher` matters for 3.1.1 only (3.0 and 3.0.2 always use AES-128-CCM); Cipher::none there derives 128-bit keys.
// `preauth` is Session.PreauthIntegrityHashValue, used by 3.1.1 only. For dialects 2.0.2 and 2.1 signing is the session key.
SessionKeys derive_session_keys(Dialect dialect, Cipher cipher, Bytes session_key, const PreauthHash& preauth);

// Channel.SigningKey of a connection that binds to a session: from the session key of the binding's own authentication
// (MS-SMB2 3.3.5.5.3).
Key derive_channel_signing_key(Dialect dialect, Bytes session_key, const PreauthHash& preauth);

}  // namespace Atoll::smb

// AES-GCM and AES-CCM over data in several parts, in place. Private to the room. One object per concurrent use.
#pragma once

#include <memory>
#include <span>

#include "base/buffer.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

class Aead {
 public:
    virtual ~Aead() = default;
    // `nonce` has nonce_size(cipher) bytes. `tag` may not overlap the parts.
    virtual void encrypt(Bytes nonce, Bytes associated, std::span<const MutableBytes> parts, Signature& tag) = 0;
    // False if the tag does not fit; the data is then garbage.
    virtual bool decrypt(Bytes nonce, Bytes associated, MutableBytes data, const Signature& tag) = 0;
};

// `key` has key_size(cipher) bytes; cipher is not none.
std::unique_ptr<Aead> make_aead(Cipher cipher, Bytes key);

}  // namespace Atoll::smb

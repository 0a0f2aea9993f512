// CBC-MAC over AES, the core of AES-CMAC (RFC 4493) and of CCM (RFC 3610). Built on the CBC cipher because OpenSSL's own CMAC calls
// the cipher once a block, which halves its speed. Private to the room. One object per concurrent use.
#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"
#include "libcli/smb/evp.h"

namespace Atoll::smb {

class CbcMac {
 public:
    using Block = std::array<uint8_t, 16>;

    explicit CbcMac(Bytes key);  // 16 or 32 bytes

    void start();  // begins a message
    void update(Bytes bytes);
    // Adds zeros up to a whole block, as CCM wants after each of its two parts.
    void pad();
    // The value after all whole blocks; asserts that none is partial (pad() first, or use finish_cmac).
    Block finish();
    // RFC 4493: the last block, whole or padded, is mixed with a subkey first.
    Block finish_cmac();

    // AES of one block with the same key, from a clean start.
    Block encrypt_block(const Block& block);

 private:
    void blocks(const uint8_t* data, size_t size);  // a multiple of 16
    void derive_subkeys();

    evp::CipherContext cipher_;
    Block state_{};    // value after the blocks so far
    Block pending_{};  // bytes not yet a block; CMAC holds back a full last one
    size_t pending_size_ = 0;
    Block subkey1_{};
    Block subkey2_{};
};

}  // namespace Atoll::smb

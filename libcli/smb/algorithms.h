// The cryptographic algorithms that NEGOTIATE chooses, by their numbers on the wire (MS-SMB2 2.2.3.1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::smb {

enum class HashAlgorithm : uint16_t { sha512 = 0x0001 };  // MS-SMB2 2.2.3.1.1

enum class Cipher : uint16_t {  // MS-SMB2 2.2.3.1.2
    none = 0x0000,
    aes128_ccm = 0x0001,
    aes128_gcm = 0x0002,
    aes256_ccm = 0x0003,
    aes256_gcm = 0x0004,
};

enum class SigningAlgorithm : uint16_t {  // MS-SMB2 2.2.3.1.7
    hmac_sha256 = 0x0000,
    aes_cmac = 0x0001,
    aes_gmac = 0x0002,
};

constexpr bool is_gcm(Cipher cipher) { return cipher == Cipher::aes128_gcm || cipher == Cipher::aes256_gcm; }
// Bytes of the key; 0 for none.
constexpr size_t key_size(Cipher cipher) {
    if (cipher == Cipher::none) return 0;
    return cipher == Cipher::aes256_ccm || cipher == Cipher::aes256_gcm ? 32 : 16;
}
// Bytes of the transform header's nonce field that count (MS-SMB2 2.2.41).
constexpr size_t nonce_size(Cipher cipher) { return is_gcm(cipher) ? 12 : 11; }

}  // namespace Atoll::smb

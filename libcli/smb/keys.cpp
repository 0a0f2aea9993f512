#include "libcli/smb/keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "libcli/smb/evp.h"

namespace Atoll::smb {
namespace {

constexpr size_t prf_size = 32;  // of HMAC-SHA256

// String literals with their terminating zero byte, which MS-SMB2 counts in.
template <size_t N>
Bytes with_zero(const char (&text)[N]) {
    return as_bytes(std::string_view(text, N));
}

// Session.SessionKey: the first 16 bytes, padded with zeros (MS-SMB2 3.2.5.3, 3.3.1.8).
Key first_16(Bytes session_key) {
    std::array<uint8_t, 16> bytes{};
    const size_t n = std::min(session_key.size(), bytes.size());
    if (n > 0) std::memcpy(bytes.data(), session_key.data(), n);
    Key key{Bytes(bytes)};
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return key;
}

bool uses_kdf(Dialect dialect) { return dialect == Dialect::smb3_00 || dialect == Dialect::smb3_02 || dialect == Dialect::smb3_11; }

}  // namespace

Key::Key(Bytes bytes) : size_(static_cast<uint8_t>(bytes.size())) {
    ATOLL_ASSERT(bytes.size() <= max_size);
    if (!bytes.empty()) std::memcpy(bytes_.data(), bytes.data(), bytes.size());
}

Key::~Key() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

bool Key::operator==(const Key& other) const {
    return size_ == other.size_ && CRYPTO_memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
}

Key derive_key(Bytes key, Bytes label, Bytes context, size_t size) {
    ATOLL_ASSERT(size == 16 || size == 32);  // one round of the PRF is enough
    evp::MacContext mac(EVP_MAC_CTX_new(evp::algorithms().hmac));
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    uint8_t counter[4], bits[4];
    const uint8_t separator = 0;
    store_be32(counter, 1);
    store_be32(bits, static_cast<uint32_t>(size * 8));
    std::array<uint8_t, prf_size> out{};
    size_t written = 0;
    // An HMAC key of no bytes is legal but a null pointer is not.
    const uint8_t* key_data = key.empty() ? &separator : key.data();
    ATOLL_ASSERT(mac && EVP_MAC_init(mac.get(), key_data, key.size(), params) == 1);
    ATOLL_ASSERT(EVP_MAC_update(mac.get(), counter, sizeof counter) == 1 && EVP_MAC_update(mac.get(), label.data(), label.size()) == 1 &&
                 EVP_MAC_update(mac.get(), &separator, 1) == 1 && EVP_MAC_update(mac.get(), context.data(), context.size()) == 1 &&
                 EVP_MAC_update(mac.get(), bits, sizeof bits) == 1);
    ATOLL_ASSERT(EVP_MAC_final(mac.get(), out.data(), &written, out.size()) == 1 && written == out.size());
    Key derived{Bytes(out).first(size)};
    OPENSSL_cleanse(out.data(), out.size());
    return derived;
}

Key derive_channel_signing_key(Dialect dialect, Bytes session_key, const PreauthHash& preauth) {
    const Key key = first_16(session_key);
    if (dialect == Dialect::smb3_11) return derive_key(key, with_zero("SMBSigningKey"), preauth, 16);
    if (uses_kdf(dialect)) return derive_key(key, with_zero("SMB2AESCMAC"), with_zero("SmbSign"), 16);
    return key;
}

SessionKeys derive_session_keys(Dialect dialect, Cipher cipher, Bytes session_key, const PreauthHash& preauth) {
    SessionKeys keys;
    const Key key = first_16(session_key);
    keys.signing = derive_channel_signing_key(dialect, session_key, preauth);
    if (dialect == Dialect::smb3_11) {
        const bool wide = key_size(cipher) == 32;
        // Session.FullSessionKey for the 256-bit ciphers (MS-SMB2 3.3.5.5.3).
        const Bytes sealing_base = wide ? session_key : key.bytes();
        keys.client_to_server = derive_key(sealing_base, with_zero("SMBC2SCipherKey"), preauth, wide ? 32 : 16);
        keys.server_to_client = derive_key(sealing_base, with_zero("SMBS2CCipherKey"), preauth, wide ? 32 : 16);
        keys.application = derive_key(key, with_zero("SMBAppKey"), preauth, 16);
    } else if (uses_kdf(dialect)) {
        keys.client_to_server = derive_key(key, with_zero("SMB2AESCCM"), with_zero("ServerIn "), 16);
        keys.server_to_client = derive_key(key, with_zero("SMB2AESCCM"), with_zero("ServerOut"), 16);
        keys.application = derive_key(key, with_zero("SMB2APP"), with_zero("SmbRpc"), 16);
    } else {
        keys.application = key;
    }
    return keys;
}

}  // namespace Atoll::smb

#include "libcli/auth/ntlm.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>
#include <memory>
#include <string>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/utf.h"
#include "libcli/auth/md4.h"
#include "libcli/auth/ntlmssp.h"

namespace Atoll::auth {
namespace {

struct Free {
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
    void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
};

struct Algorithms {
    EVP_MD* md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_CIPHER* des3 = EVP_CIPHER_fetch(nullptr, "DES-EDE3-ECB", nullptr);
};

const Algorithms& algorithms() {
    static const Algorithms fetched;
    ATOLL_ASSERT(fetched.md5 && fetched.hmac && fetched.des3);
    return fetched;
}

thread_local uint64_t calls = 0;

// DES of one block with a 7-byte key (MS-NLMP 6, DES and DESL). OpenSSL has triple DES in its default provider but not DES; with the same
// key three times they are the same function.
void des_block(const uint8_t* key7, const Challenge& in, uint8_t* out) {
    calls++;
    uint64_t bits = 0;
    for (size_t i = 0; i < 7; i++) bits = bits << 8 | key7[i];
    uint8_t key[24];
    for (size_t i = 0; i < 8; i++) key[i] = static_cast<uint8_t>((bits >> (49 - 7 * i) & 0x7F) << 1);
    std::memcpy(key + 8, key, 8);
    std::memcpy(key + 16, key, 8);
    const std::unique_ptr<EVP_CIPHER_CTX, Free> context(EVP_CIPHER_CTX_new());
    int n = 0;
    ATOLL_ASSERT(context && EVP_EncryptInit_ex2(context.get(), algorithms().des3, key, nullptr, nullptr) == 1);
    ATOLL_ASSERT(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
    ATOLL_ASSERT(EVP_EncryptUpdate(context.get(), out, &n, in.data(), static_cast<int>(in.size())) == 1 && n == 8);
    OPENSSL_cleanse(key, sizeof key);
}

// The constants of MS-NLMP 3.4.5.2 and 3.4.5.3 are null-terminated.
template <size_t N>
Bytes magic(const char (&text)[N]) {
    return as_bytes(std::string_view(text, N));
}

}  // namespace

uint64_t digest_calls() { return calls; }

Digest md5(std::initializer_list<Bytes> parts) {
    calls++;
    thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    Digest digest;
    unsigned written = 0;
    ATOLL_ASSERT(context && EVP_DigestInit_ex2(context.get(), algorithms().md5, nullptr) == 1);
    for (const Bytes part : parts) ATOLL_ASSERT(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
    ATOLL_ASSERT(EVP_DigestFinal_ex(context.get(), digest.data(), &written) == 1 && written == digest.size());
    return digest;
}

Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts) {
    calls++;
    thread_local const std::unique_ptr<EVP_MAC_CTX, Free> context(EVP_MAC_CTX_new(algorithms().hmac));
    char name[] = "MD5";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
    Digest digest;
    size_t written = 0;
    ATOLL_ASSERT(!key.empty() && context && EVP_MAC_init(context.get(), key.data(), key.size(), params) == 1);
    for (const Bytes part : parts) {
        if (!part.empty()) ATOLL_ASSERT(EVP_MAC_update(context.get(), part.data(), part.size()) == 1);
    }
    ATOLL_ASSERT(EVP_MAC_final(context.get(), digest.data(), &written, digest.size()) == 1 && written == digest.size());
    return digest;
}

bool equal_in_constant_time(Bytes a, Bytes b) {
    return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::optional<NtHash> nt_hash(std::string_view password) {
    auto wide = utf8_to_utf16le(password);
    if (!wide) return std::nullopt;
    const NtHash hash = md4(*wide);
    if (!wide->empty()) OPENSSL_cleanse(wide->data(), wide->size());
    return hash;
}

Digest ntowf_v2(const NtHash& hash, std::string_view user, std::string_view domain) {
    Buffer wide;
    // Names that are not UTF-8 cannot come from the wire codec; a caller's own then hash as empty and match nothing that a client sends.
    (void)append_utf16le(wide, to_upper_utf8(user));
    (void)append_utf16le(wide, domain);
    return hmac_md5(hash, {wide.bytes()});
}

Digest nt_proof(const Digest& ntowf, const Challenge& server_challenge, Bytes temp) { return hmac_md5(ntowf, {server_challenge, temp}); }

Digest session_base_key_v2(const Digest& ntowf, const Digest& proof) { return hmac_md5(ntowf, {proof}); }

std::array<uint8_t, 24> ntlm_v1_response(const NtHash& hash, const Challenge& challenge) {
    uint8_t keys[21] = {};
    std::memcpy(keys, hash.data(), hash.size());
    std::array<uint8_t, 24> response;
    for (size_t i = 0; i < 3; i++) des_block(keys + 7 * i, challenge, response.data() + 8 * i);
    OPENSSL_cleanse(keys, sizeof keys);
    return response;
}

Digest session_base_key_v1(const NtHash& hash) { return md4(hash); }

Challenge ntlm2_session_challenge(const Challenge& server_challenge, const Challenge& client_challenge) {
    const Digest digest = md5({server_challenge, client_challenge});
    Challenge out;
    std::memcpy(out.data(), digest.data(), out.size());
    return out;
}

Digest ntlm_sign_key(const SessionKey& exported, NtlmSide sender) {
    if (sender == NtlmSide::client) return md5({exported, magic("session key to client-to-server signing key magic constant")});
    return md5({exported, magic("session key to server-to-client signing key magic constant")});
}

Digest ntlm_seal_key(const SessionKey& exported, uint32_t flags, NtlmSide sender) {
    const size_t size = (flags & ntlm_flags::key_128) ? 16 : (flags & ntlm_flags::key_56) ? 7 : 5;
    const Bytes key = Bytes(exported).first(size);
    if (sender == NtlmSide::client) return md5({key, magic("session key to client-to-server sealing key magic constant")});
    return md5({key, magic("session key to server-to-client sealing key magic constant")});
}

NtlmSecurity::NtlmSecurity(NtlmSide self, uint32_t flags, const SessionKey& exported)
    : key_exchange_((flags & ntlm_flags::key_exchange) != 0),
      sending_{ntlm_sign_key(exported, self), Rc4(ntlm_seal_key(exported, flags, self))},
      receiving_{ntlm_sign_key(exported, self == NtlmSide::client ? NtlmSide::server : NtlmSide::client),
                 Rc4(ntlm_seal_key(exported, flags, self == NtlmSide::client ? NtlmSide::server : NtlmSide::client))} {}

bool NtlmSecurity::can_sign(uint32_t flags) { return (flags & ntlm_flags::extended_session_security) && (flags & ntlm_flags::sign); }

Digest NtlmSecurity::checksum(const Direction& direction, Bytes message) {
    uint8_t sequence[4];
    store_le<uint32_t>(sequence, direction.sequence);
    return hmac_md5(direction.sign_key, {Bytes(sequence), message});
}

// MS-NLMP 3.4.4.2: version, checksum (through the key stream if keys were exchanged), sequence number.
NtlmSecurity::Signature NtlmSecurity::finish(Direction& direction, const Digest& digest) const {
    Signature signature{};
    store_le<uint32_t>(signature.data(), 1);
    std::memcpy(signature.data() + 4, digest.data(), 8);
    if (key_exchange_) direction.stream.apply(MutableBytes(signature).subspan(4, 8));
    store_le<uint32_t>(signature.data() + 12, direction.sequence++);
    return signature;
}

NtlmSecurity::Signature NtlmSecurity::make(Direction& direction, Bytes message) const {
    return finish(direction, checksum(direction, message));
}

NtlmSecurity::Signature NtlmSecurity::sign(Bytes message) { return make(sending_, message); }

bool NtlmSecurity::verify(Bytes message, Bytes signature) { return equal_in_constant_time(make(receiving_, message), signature); }

NtlmSecurity::Signature NtlmSecurity::seal(Bytes message, MutableBytes data) {
    // The checksum is of the plain message, but the data take the key stream before it does (MS-NLMP 3.4.3).
    const Digest digest = checksum(sending_, message);
    sending_.stream.apply(data);
    return finish(sending_, digest);
}

bool NtlmSecurity::unseal(Bytes message, MutableBytes data, Bytes signature) {
    receiving_.stream.apply(data);
    return equal_in_constant_time(make(receiving_, message), signature);
}

NtlmSecurity::Signature NtlmSecurity::sign_mech_list(Bytes mech_types) {
    const Rc4 original = sending_.stream;
    const Signature signature = make(sending_, mech_types);
    sending_.stream = original;
    return signature;
}

bool NtlmSecurity::verify_mech_list(Bytes mech_types, Bytes signature) {
    const Rc4 original = receiving_.stream;
    const bool right = equal_in_constant_time(make(receiving_, mech_types), signature);
    receiving_.stream = original;
    return right;
}

}  // namespace Atoll::auth

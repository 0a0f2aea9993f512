#include "libcli/smb/signing.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "libcli/smb/cbc_mac.h"
#include "libcli/smb/evp.h"
#include "libcli/smb/keys.h"

namespace Atoll::smb {
namespace {

constexpr size_t command_offset = 12;  // of the fields of the SMB2 header (MS-SMB2 2.2.1.1) that the GMAC nonce is made of
constexpr size_t flags_offset = 16;
constexpr size_t message_id_offset = 24;

// One way to make a MAC, with its contexts. Used by one thread at a time.
class Mac {
 public:
    virtual ~Mac() = default;
    virtual void start(const uint8_t* header) = 0;
    virtual void update(Bytes bytes) = 0;
    virtual void finish(Signature& out) = 0;
};

class HmacSha256 final : public Mac {
 public:
    explicit HmacSha256(Bytes key) : mac_(EVP_MAC_CTX_new(evp::algorithms().hmac)) {
        char digest[] = "SHA256";
        const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
        ATOLL_ASSERT(mac_ && EVP_MAC_init(mac_.get(), key.data(), key.size(), params) == 1);
    }
    void start(const uint8_t*) override { ATOLL_ASSERT(EVP_MAC_init(mac_.get(), nullptr, 0, nullptr) == 1); }
    void update(Bytes bytes) override { ATOLL_ASSERT(EVP_MAC_update(mac_.get(), bytes.data(), bytes.size()) == 1); }
    void finish(Signature& out) override {
        uint8_t whole[32];
        size_t written = 0;
        ATOLL_ASSERT(EVP_MAC_final(mac_.get(), whole, &written, sizeof whole) == 1 && written == sizeof whole);
        std::memcpy(out.data(), whole, out.size());
    }

 private:
    evp::MacContext mac_;
};

class AesCmac final : public Mac {
 public:
    explicit AesCmac(Bytes key) : mac_(key) {}
    void start(const uint8_t*) override { mac_.start(); }
    void update(Bytes bytes) override { mac_.update(bytes); }
    void finish(Signature& out) override { out = mac_.finish_cmac(); }

 private:
    CbcMac mac_;
};

// GMAC is GCM with nothing to encrypt (RFC 4543).
class AesGmac final : public Mac {
 public:
    explicit AesGmac(Bytes key) : cipher_(EVP_CIPHER_CTX_new()) {
        ATOLL_ASSERT(cipher_ && EVP_EncryptInit_ex2(cipher_.get(), evp::algorithms().aes128_gcm, key.data(), nullptr, nullptr) == 1);
    }
    // MS-SMB2 3.1.4.1: the message id, then bit 0 for the server and bit 1 for a CANCEL request.
    void start(const uint8_t* header) override {
        const bool server = (load_le<uint32_t>(header + flags_offset) & header_flags::server_to_redir) != 0;
        const bool cancel = load_le<uint16_t>(header + command_offset) == static_cast<uint16_t>(Command::cancel);
        uint8_t nonce[12];
        std::memcpy(nonce, header + message_id_offset, 8);
        store_le<uint32_t>(nonce + 8, (server ? 1u : 0u) | (cancel && !server ? 2u : 0u));
        ATOLL_ASSERT(EVP_EncryptInit_ex2(cipher_.get(), nullptr, nullptr, nonce, nullptr) == 1);
    }
    void update(Bytes bytes) override {
        int written = 0;
        ATOLL_ASSERT(EVP_EncryptUpdate(cipher_.get(), nullptr, &written, bytes.data(), evp::length(bytes.size())) == 1);
    }
    void finish(Signature& out) override {
        int written = 0;
        uint8_t none[16];
        ATOLL_ASSERT(EVP_EncryptFinal_ex(cipher_.get(), none, &written) == 1);
        ATOLL_ASSERT(EVP_CIPHER_CTX_ctrl(cipher_.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(out.size()), out.data()) == 1);
    }

 private:
    evp::CipherContext cipher_;
};

std::unique_ptr<Mac> make_mac(SigningAlgorithm algorithm, Bytes key) {
    switch (algorithm) {
        case SigningAlgorithm::hmac_sha256: return std::make_unique<HmacSha256>(key);
        case SigningAlgorithm::aes_cmac: return std::make_unique<AesCmac>(key);
        case SigningAlgorithm::aes_gmac: return std::make_unique<AesGmac>(key);
    }
    ATOLL_ASSERT(false);
    return nullptr;
}

}  // namespace

struct Signer::State {
    SigningAlgorithm algorithm;
    Key key;
    evp::Pool<Mac> contexts;

    // The signature with the signature field taken as zero, whatever stands there.
    Signature compute(Bytes first, std::span<const Bytes> rest) {
        static constexpr Signature zero{};
        auto mac = contexts.take([&] { return make_mac(algorithm, key); });
        mac->start(first.data());
        mac->update(first.first(signature_offset));
        mac->update(zero);
        if (first.size() > header_size) mac->update(first.subspan(header_size));
        for (const Bytes& part : rest) {
            if (!part.empty()) mac->update(part);
        }
        Signature signature;
        mac->finish(signature);
        contexts.give_back(std::move(mac));
        return signature;
    }
};

Signer::Signer(SigningAlgorithm algorithm, Bytes key) : state_(std::make_unique<State>()) {
    ATOLL_ASSERT(key.size() == 16);
    state_->algorithm = algorithm;
    state_->key = Key(key);
}
Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;

SigningAlgorithm Signer::algorithm() const { return state_->algorithm; }

void Signer::sign(MutableBytes first, std::span<const Bytes> rest) const {
    ATOLL_ASSERT(first.size() >= header_size);
    const Signature signature = state_->compute(first, rest);
    std::memcpy(first.data() + signature_offset, signature.data(), signature.size());
}

bool Signer::verify(Bytes first, std::span<const Bytes> rest) const {
    if (first.size() < header_size) return false;
    const Signature signature = state_->compute(first, rest);
    return CRYPTO_memcmp(first.data() + signature_offset, signature.data(), signature.size()) == 0;
}

SigningAlgorithm signing_algorithm(Dialect dialect, SigningAlgorithm negotiated) {
    if (dialect == Dialect::smb3_11) return negotiated;
    if (dialect == Dialect::smb3_00 || dialect == Dialect::smb3_02) return SigningAlgorithm::aes_cmac;
    return SigningAlgorithm::hmac_sha256;
}

}  // namespace Atoll::smb

#include "libcli/smb/aead.h"

#include <openssl/crypto.h>

#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "libcli/smb/cbc_mac.h"
#include "libcli/smb/evp.h"

namespace Atoll::smb {
namespace {

class Gcm final : public Aead {
 public:
    explicit Gcm(Bytes key) : encrypt_(EVP_CIPHER_CTX_new()), decrypt_(EVP_CIPHER_CTX_new()) {
        const EVP_CIPHER* cipher = key.size() == 32 ? evp::algorithms().aes256_gcm : evp::algorithms().aes128_gcm;
        ATOLL_ASSERT(encrypt_ && decrypt_);
        ATOLL_ASSERT(EVP_EncryptInit_ex2(encrypt_.get(), cipher, key.data(), nullptr, nullptr) == 1);
        ATOLL_ASSERT(EVP_DecryptInit_ex2(decrypt_.get(), cipher, key.data(), nullptr, nullptr) == 1);
    }

    void encrypt(Bytes nonce, Bytes associated, std::span<const MutableBytes> parts, Signature& tag) override {
        EVP_CIPHER_CTX* c = encrypt_.get();
        int n = 0;
        ATOLL_ASSERT(EVP_EncryptInit_ex2(c, nullptr, nullptr, nonce.data(), nullptr) == 1);
        ATOLL_ASSERT(EVP_EncryptUpdate(c, nullptr, &n, associated.data(), evp::length(associated.size())) == 1);
        for (const MutableBytes& part : parts) {
            if (part.empty()) continue;
            ATOLL_ASSERT(EVP_EncryptUpdate(c, part.data(), &n, part.data(), evp::length(part.size())) == 1);
            ATOLL_ASSERT(static_cast<size_t>(n) == part.size());
        }
        uint8_t none[16];
        ATOLL_ASSERT(EVP_EncryptFinal_ex(c, none, &n) == 1);
        ATOLL_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) == 1);
    }

    bool decrypt(Bytes nonce, Bytes associated, MutableBytes data, const Signature& tag) override {
        EVP_CIPHER_CTX* c = decrypt_.get();
        int n = 0;
        Signature expected = tag;  // OpenSSL's interface wants it writable
        ATOLL_ASSERT(EVP_DecryptInit_ex2(c, nullptr, nullptr, nonce.data(), nullptr) == 1);
        ATOLL_ASSERT(EVP_DecryptUpdate(c, nullptr, &n, associated.data(), evp::length(associated.size())) == 1);
        if (!data.empty()) ATOLL_ASSERT(EVP_DecryptUpdate(c, data.data(), &n, data.data(), evp::length(data.size())) == 1);
        ATOLL_ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()), expected.data()) == 1);
        uint8_t none[16];
        return EVP_DecryptFinal_ex(c, none, &n) == 1;
    }

 private:
    evp::CipherContext encrypt_;
    evp::CipherContext decrypt_;
};

// CCM (RFC 3610) with an 11-byte nonce, so L = 4, and a 16-byte tag, so M' = 7. Composed of CBC-MAC and CTR because OpenSSL's CCM takes
// its data in one piece only, and frames come in several.
class Ccm final : public Aead {
 public:
    explicit Ccm(Bytes key) : mac_(key), counter_(EVP_CIPHER_CTX_new()) {
        const EVP_CIPHER* cipher = key.size() == 32 ? evp::algorithms().aes256_ctr : evp::algorithms().aes128_ctr;
        ATOLL_ASSERT(counter_ && EVP_EncryptInit_ex2(counter_.get(), cipher, key.data(), nullptr, nullptr) == 1);
    }

    void encrypt(Bytes nonce, Bytes associated, std::span<const MutableBytes> parts, Signature& tag) override {
        size_t total = 0;
        for (const MutableBytes& part : parts) total += part.size();
        begin(nonce, associated, total);
        for (const MutableBytes& part : parts) {
            mac_.update(part);
            crypt(part);
        }
        tag = finish();
    }

    bool decrypt(Bytes nonce, Bytes associated, MutableBytes data, const Signature& tag) override {
        begin(nonce, associated, data.size());
        crypt(data);
        mac_.update(data);
        const Signature computed = finish();
        return CRYPTO_memcmp(computed.data(), tag.data(), tag.size()) == 0;
    }

 private:
    // RFC 3610 2.2 (B_0 and the associated data) and 2.3 (A_0, whose key stream hides the tag).
    void begin(Bytes nonce, Bytes associated, size_t total) {
        constexpr uint8_t length_bytes = 4, tag_code = 7, has_associated = 0x40;
        ATOLL_ASSERT(nonce.size() == 15 - length_bytes && associated.size() < 0xFF00 && total <= 0xFFFFFFFF);
        CbcMac::Block first{};
        first[0] = has_associated | tag_code << 3 | (length_bytes - 1);
        std::memcpy(first.data() + 1, nonce.data(), nonce.size());
        store_be32(first.data() + 12, static_cast<uint32_t>(total));
        uint8_t associated_size[2];
        store_be16(associated_size, static_cast<uint16_t>(associated.size()));
        mac_.start();
        mac_.update(first);
        mac_.update(associated_size);
        mac_.update(associated);
        mac_.pad();

        CbcMac::Block counter{};
        counter[0] = length_bytes - 1;
        std::memcpy(counter.data() + 1, nonce.data(), nonce.size());
        ATOLL_ASSERT(EVP_EncryptInit_ex2(counter_.get(), nullptr, nullptr, counter.data(), nullptr) == 1);
        hidden_ = {};
        crypt(hidden_);
    }
    void crypt(MutableBytes data) {
        if (data.empty()) return;
        int n = 0;
        ATOLL_ASSERT(EVP_EncryptUpdate(counter_.get(), data.data(), &n, data.data(), evp::length(data.size())) == 1);
    }
    Signature finish() {
        mac_.pad();
        Signature tag = mac_.finish();
        for (size_t i = 0; i < tag.size(); i++) tag[i] = static_cast<uint8_t>(tag[i] ^ hidden_[i]);
        return tag;
    }

    CbcMac mac_;
    evp::CipherContext counter_;
    CbcMac::Block hidden_{};
};

}  // namespace

std::unique_ptr<Aead> make_aead(Cipher cipher, Bytes key) {
    ATOLL_ASSERT(cipher != Cipher::none && key.size() == key_size(cipher));
    if (is_gcm(cipher)) return std::make_unique<Gcm>(key);
    return std::make_unique<Ccm>(key);
}

}  // namespace Atoll::smb

#include "libcli/smb/cbc_mac.h"

#include <algorithm>

#include "base/assert.h"

namespace Atoll::smb {
namespace {

constexpr size_t chunk_size = 4096;  // of the CBC output, which is thrown away but for its last block: stays in the first-level cache

// RFC 4493 2.3: doubling in GF(2^128).
CbcMac::Block doubled(const CbcMac::Block& in) {
    CbcMac::Block out;
    for (size_t i = 0; i < 16; i++) {
        const int next = i + 1 < 16 ? in[i + 1] >> 7 : 0;
        out[i] = static_cast<uint8_t>((in[i] << 1) | next);
    }
    if (in[0] & 0x80) out[15] = static_cast<uint8_t>(out[15] ^ 0x87);
    return out;
}

}  // namespace

CbcMac::CbcMac(Bytes key) : cipher_(EVP_CIPHER_CTX_new()) {
    const auto& algorithms = evp::algorithms();
    ATOLL_ASSERT(cipher_ && (key.size() == 16 || key.size() == 32));
    const EVP_CIPHER* cipher = key.size() == 32 ? algorithms.aes256_cbc : algorithms.aes128_cbc;
    const Block zero{};
    ATOLL_ASSERT(EVP_EncryptInit_ex2(cipher_.get(), cipher, key.data(), zero.data(), nullptr) == 1);
    ATOLL_ASSERT(EVP_CIPHER_CTX_set_padding(cipher_.get(), 0) == 1);
    derive_subkeys();
    start();
}

void CbcMac::derive_subkeys() {
    subkey1_ = doubled(encrypt_block(Block{}));
    subkey2_ = doubled(subkey1_);
}

CbcMac::Block CbcMac::encrypt_block(const Block& block) {
    start();
    blocks(block.data(), block.size());
    return state_;
}

void CbcMac::start() {
    const Block zero{};
    state_ = zero;
    pending_size_ = 0;
    ATOLL_ASSERT(EVP_EncryptInit_ex2(cipher_.get(), nullptr, nullptr, zero.data(), nullptr) == 1);
}

void CbcMac::blocks(const uint8_t* data, size_t size) {
    uint8_t scratch[chunk_size];
    while (size > 0) {
        const size_t n = std::min(size, chunk_size);
        int written = 0;
        ATOLL_ASSERT(EVP_EncryptUpdate(cipher_.get(), scratch, &written, data, evp::length(n)) == 1 && static_cast<size_t>(written) == n);
        std::memcpy(state_.data(), scratch + n - state_.size(), state_.size());
        data += n;
        size -= n;
    }
}

void CbcMac::update(Bytes bytes) {
    if (bytes.empty()) return;
    if (pending_size_ > 0) {
        const size_t n = std::min(bytes.size(), pending_.size() - pending_size_);
        std::memcpy(pending_.data() + pending_size_, bytes.data(), n);
        pending_size_ += n;
        bytes = bytes.subspan(n);
        if (bytes.empty()) return;
        blocks(pending_.data(), pending_.size());
        pending_size_ = 0;
    }
    // The last block is held back even when it is whole: CMAC treats it differently.
    const size_t whole = (bytes.size() - 1) / 16 * 16;
    blocks(bytes.data(), whole);
    pending_size_ = bytes.size() - whole;
    std::memcpy(pending_.data(), bytes.data() + whole, pending_size_);
}

void CbcMac::pad() {
    if (pending_size_ == 0) return;
    std::fill(pending_.begin() + static_cast<ptrdiff_t>(pending_size_), pending_.end(), uint8_t{0});
    blocks(pending_.data(), pending_.size());
    pending_size_ = 0;
}

CbcMac::Block CbcMac::finish() {
    ATOLL_ASSERT(pending_size_ == 0);
    return state_;
}

CbcMac::Block CbcMac::finish_cmac() {
    const bool whole = pending_size_ == pending_.size();
    if (!whole) {
        pending_[pending_size_] = 0x80;
        std::fill(pending_.begin() + static_cast<ptrdiff_t>(pending_size_) + 1, pending_.end(), uint8_t{0});
    }
    const Block& subkey = whole ? subkey1_ : subkey2_;
    for (size_t i = 0; i < 16; i++) pending_[i] = static_cast<uint8_t>(pending_[i] ^ subkey[i]);
    blocks(pending_.data(), pending_.size());
    return state_;
}

}  // namespace Atoll::smb

#include "libcli/smb/sealing.h"

#include <atomic>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/random.h"
#include "libcli/smb/aead.h"
#include "libcli/smb/evp.h"
#include "libcli/smb/keys.h"

namespace Atoll::smb {
namespace {

constexpr size_t tag_offset = 4;  // of the transform header's Signature (MS-SMB2 2.2.41)

struct Contexts {
    Cipher cipher = Cipher::none;
    Key key;
    evp::Pool<Aead> pool;

    std::unique_ptr<Aead> take() {
        return pool.take([&] { return make_aead(cipher, key); });
    }
};

}  // namespace

struct Sealer::State {
    Contexts contexts;
    uint64_t session_id = 0;
    std::atomic<uint64_t> next_nonce{0};
};

Sealer::Sealer(Cipher cipher, Bytes key, uint64_t session_id) : state_(std::make_unique<State>()) {
    ATOLL_ASSERT(cipher != Cipher::none && key.size() == key_size(cipher));
    state_->contexts.cipher = cipher;
    state_->contexts.key = Key(key);
    state_->session_id = session_id;
    state_->next_nonce = random_u64();
}
Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;

Cipher Sealer::cipher() const { return state_->contexts.cipher; }

void Sealer::seal(std::span<uint8_t, TransformHeader::size> header, std::span<const MutableBytes> parts) const {
    std::array<uint8_t, 16> nonce{};
    store_le<uint64_t>(nonce.data(), state_->next_nonce.fetch_add(1, std::memory_order_relaxed));
    seal_with_nonce(header, parts, nonce);
}

void Sealer::seal_with_nonce(std::span<uint8_t, TransformHeader::size> header, std::span<const MutableBytes> parts,
                             const std::array<uint8_t, 16>& nonce) const {
    size_t total = 0;
    for (const MutableBytes& part : parts) total += part.size();
    ATOLL_ASSERT(total + TransformHeader::size <= limits::max_frame);

    uint8_t* h = header.data();
    store_le<uint32_t>(h, transform_protocol_id);
    std::memcpy(h + TransformHeader::authenticated_offset, nonce.data(), nonce.size());
    store_le<uint32_t>(h + 36, static_cast<uint32_t>(total));
    store_le<uint16_t>(h + 40, 0);
    store_le<uint16_t>(h + 42, TransformHeader::encrypted);
    store_le<uint64_t>(h + 44, state_->session_id);

    auto aead = state_->contexts.take();
    Signature tag;
    aead->encrypt(Bytes(nonce).first(nonce_size(cipher())), Bytes(header).subspan(TransformHeader::authenticated_offset), parts, tag);
    state_->contexts.pool.give_back(std::move(aead));
    std::memcpy(h + tag_offset, tag.data(), tag.size());
}

struct Opener::State {
    Contexts contexts;
};

Opener::Opener(Cipher cipher, Bytes key) : state_(std::make_unique<State>()) {
    ATOLL_ASSERT(cipher != Cipher::none && key.size() == key_size(cipher));
    state_->contexts.cipher = cipher;
    state_->contexts.key = Key(key);
}
Opener::~Opener() = default;
Opener::Opener(Opener&&) noexcept = default;
Opener& Opener::operator=(Opener&&) noexcept = default;

Cipher Opener::cipher() const { return state_->contexts.cipher; }

Result<MutableBytes, NtStatus> Opener::open(MutableBytes frame) const {
    const auto header = TransformHeader::decode(frame);
    if (!header) return header.failure();
    const MutableBytes message = frame.subspan(TransformHeader::size);
    const Bytes associated = Bytes(frame).first(TransformHeader::size).subspan(TransformHeader::authenticated_offset);
    auto aead = state_->contexts.take();
    const bool authentic = aead->decrypt(Bytes(header->nonce).first(nonce_size(cipher())), associated, message, header->signature);
    state_->contexts.pool.give_back(std::move(aead));
    if (!authentic) return NtStatus::ACCESS_DENIED;
    return message;
}

}  // namespace Atoll::smb

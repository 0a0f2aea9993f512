// Encryption of SMB2 frames in place (MS-SMB2 2.2.41, 3.1.4.3, 3.3.5.2.1.1).
//
// Sealer and Opener each belong to one key of one session, that is to one direction. Any number of threads may use one at once (several
// frames in flight on the pool): they keep one set of OpenSSL contexts per concurrent use, made on the first such use and then reused, so
// the steady state allocates nothing. A session has one Sealer, shared by all its channels: it is what keeps nonces from repeating.
#pragma once

#include <memory>
#include <span>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

class Sealer {
 public:
    // `key` has key_size(cipher) bytes; cipher is not none.
    Sealer(Cipher cipher, Bytes key, uint64_t session_id);
    ~Sealer();
    Sealer(Sealer&&) noexcept;
    Sealer& operator=(Sealer&&) noexcept;

    // Encrypts the parts, which together are one plain SMB2 frame (a compound is one), in place, and fills `header`, which is sent before
    // them. Together they must be less than limits::max_frame.
    //
    // Nonces: a 64-bit counter that starts at random and is taken once per frame, then zeros; it does not repeat before 2^64 frames.
    void seal(std::span<uint8_t, TransformHeader::size> header, std::span<const MutableBytes> parts) const;
    // As above with a nonce of the caller's (16 bytes, the field of the header); for known-answer and hostile-client tests.
    void seal_with_nonce(std::span<uint8_t, TransformHeader::size> header, std::span<const MutableBytes> parts,
                         const std::array<uint8_t, 16>& nonce) const;

    [[nodiscard]] Cipher cipher() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

class Opener {
 public:
    Opener(Cipher cipher, Bytes key);
    ~Opener();
    Opener(Opener&&) noexcept;
    Opener& operator=(Opener&&) noexcept;

    // `frame` is a transform header and what follows; decrypts in place and returns the plain frame inside it. The caller has decoded the
    // header to find the session. INVALID_PARAMETER if the header is malformed, ACCESS_DENIED if the frame is not authentic; its
    // contents are then garbage and the connection ends (MS-SMB2 3.3.5.2.1.1).
    Result<MutableBytes, NtStatus> open(MutableBytes frame) const;

    [[nodiscard]] Cipher cipher() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace Atoll::smb

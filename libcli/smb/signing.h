// Signatures of SMB2 messages (MS-SMB2 3.1.4.1, 3.1.5.1).
//
// A Signer belongs to one key and may be used by any number of threads at once, the main thread and the pool alike: it keeps one
// OpenSSL context per concurrent use, made on the first such use and then reused, so the steady state allocates nothing.
#pragma once

#include <memory>
#include <span>

#include "base/buffer.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

class Signer {
 public:
    // `key` is 16 bytes.
    Signer(SigningAlgorithm algorithm, Bytes key);
    ~Signer();
    Signer(Signer&&) noexcept;
    Signer& operator=(Signer&&) noexcept;

    // Signs one message of a frame: `first` starts with its SMB2 header (64 bytes or more), `rest` are the message's further bytes in
    // order, padding included. Writes the signature field and nothing else: SMB2_FLAGS_SIGNED, the message id and all other fields
    // must be final. Whether client or server signs is read from SMB2_FLAGS_SERVER_TO_REDIR.
    void sign(MutableBytes first, std::span<const Bytes> rest = {}) const;

    // True if the signature field is right; takes the same time wherever it is wrong. Changes nothing. A message shorter than a
    // header is wrong.
    [[nodiscard]] bool verify(Bytes first, std::span<const Bytes> rest = {}) const;

    [[nodiscard]] SigningAlgorithm algorithm() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

// What a connection signs with: HMAC-SHA256 for 2.x, AES-CMAC for 3.0 and 3.0.2, for 3.1.1 what was negotiated (aes_cmac if nothing was).
SigningAlgorithm signing_algorithm(Dialect dialect, SigningAlgorithm negotiated);

}  // namespace Atoll::smb

// RC4, for NTLM's key exchange, signatures and sealing; OpenSSL keeps it in a provider that may not be installed. A copy continues on its
// own. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"

namespace Atoll::auth {

class Rc4 {
 public:
    explicit Rc4(Bytes key);  // 1 to 256 bytes
    void apply(MutableBytes data);

 private:
    std::array<uint8_t, 256> state_;
    uint8_t i_ = 0;
    uint8_t j_ = 0;
};

}  // namespace Atoll::auth

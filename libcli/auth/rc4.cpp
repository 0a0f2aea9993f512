#include "libcli/auth/rc4.h"

#include <utility>

#include "base/assert.h"

namespace Atoll::auth {

Rc4::Rc4(Bytes key) {
    ATOLL_ASSERT(!key.empty() && key.size() <= 256);
    for (size_t i = 0; i < state_.size(); i++) state_[i] = static_cast<uint8_t>(i);
    uint8_t j = 0;
    for (size_t i = 0; i < state_.size(); i++) {
        j = static_cast<uint8_t>(j + state_[i] + key[i % key.size()]);
        std::swap(state_[i], state_[j]);
    }
}

void Rc4::apply(MutableBytes data) {
    for (uint8_t& byte : data) {
        i_ = static_cast<uint8_t>(i_ + 1);
        j_ = static_cast<uint8_t>(j_ + state_[i_]);
        std::swap(state_[i_], state_[j_]);
        byte = static_cast<uint8_t>(byte ^ state_[static_cast<uint8_t>(state_[i_] + state_[j_])]);
    }
}

}  // namespace Atoll::auth

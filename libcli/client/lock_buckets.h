// Open.OperationBuckets (MS-SMB2 3.2.1.6, 3.2.4.19): the sequence numbers by which a server knows a LOCK that comes again.
#pragma once

#include <array>
#include <optional>

#include "libcli/client/file.h"

namespace Atoll::client {

class LockBuckets {
 public:
    static constexpr uint32_t count = 64;

    // One that no LOCK under way has; nothing if all are taken.
    std::optional<LockSequence> take() {
        for (uint32_t i = 0; i < count; i++) {
            if (taken_[i]) continue;
            taken_[i] = true;
            return LockSequence{i + 1, numbers_[i]};
        }
        return std::nullopt;
    }
    // That LOCK has been answered: the next one of its index has the next number, modulo 16.
    void give_back(LockSequence sequence) {
        ATOLL_ASSERT(sequence.index >= 1 && sequence.index <= count && taken_[sequence.index - 1]);
        taken_[sequence.index - 1] = false;
        numbers_[sequence.index - 1] = static_cast<uint8_t>((sequence.number + 1) % 16);
    }

 private:
    std::array<uint8_t, count> numbers_{};
    std::array<bool, count> taken_{};
};

}  // namespace Atoll::client

// Connection.CommandSequenceWindow and the credits that move it (MS-SMB2 3.3.1.1, 3.3.1.2, 3.3.5.2.3).
//
// The window is the range of message ids from the lowest one not yet used to the highest one granted. Its span is bounded by twice the
// credits that may be outstanding, so a client that leaves one id unused for ever cannot make it grow: it runs out of credits instead.
#pragma once

#include <cstdint>
#include <vector>

namespace Atoll::smb2 {

class MessageWindow {
 public:
    // `max_credits`: message ids that may be granted and unused at a time, at least 1.
    explicit MessageWindow(uint32_t max_credits);

    // Continues the window of another process: every id below `next` is used, `credits` from there on are granted.
    void adopt(uint64_t next, uint32_t credits);

    // Takes `charge` consecutive ids. False, with nothing taken, unless all were granted and none is used: the connection is to end.
    bool take(uint64_t first, uint16_t charge);

    // Grants up to `wanted` more ids, at least one if the client would have none, and returns how many.
    uint16_t grant(uint16_t wanted);

    [[nodiscard]] uint32_t available() const { return available_; }
    [[nodiscard]] uint64_t lowest() const { return low_; }

 private:
    [[nodiscard]] bool used(uint64_t id) const { return used_[id % span_ / 64] >> (id % 64) & 1; }
    void set_used(uint64_t id, bool value);

    uint32_t max_credits_;
    uint64_t span_;               // ids that the bitmap holds: a multiple of 64
    std::vector<uint64_t> used_;  // bit id % span_: id is used; only of ids in [low_, high_)
    uint64_t low_ = 0;            // the lowest id not yet used
    uint64_t high_ = 1;           // behind the highest id granted
    uint32_t available_ = 1;      // ids in [low_, high_) not used
};

}  // namespace Atoll::smb2

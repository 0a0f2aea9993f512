#include "smbd/smb2/message_window.h"

#include <algorithm>

#include "base/assert.h"

namespace Atoll::smb2 {

MessageWindow::MessageWindow(uint32_t max_credits)
    : max_credits_(std::max<uint32_t>(max_credits, 1)), span_((uint64_t{max_credits_} * 2 + 63) / 64 * 64), used_(span_ / 64) {}

void MessageWindow::adopt(uint64_t next, uint32_t credits) {
    ATOLL_ASSERT(credits <= span_);
    std::fill(used_.begin(), used_.end(), 0);
    low_ = next;
    high_ = next + credits;
    available_ = credits;
}

void MessageWindow::set_used(uint64_t id, bool value) {
    const uint64_t bit = uint64_t{1} << (id % 64);
    uint64_t& word = used_[id % span_ / 64];
    word = value ? word | bit : word & ~bit;
}

bool MessageWindow::take(uint64_t first, uint16_t charge) {
    if (first < low_ || first >= high_ || charge > high_ - first) return false;
    for (uint64_t id = first; id < first + charge; id++) {
        if (used(id)) return false;
    }
    for (uint64_t id = first; id < first + charge; id++) set_used(id, true);
    available_ -= charge;
    while (low_ < high_ && used(low_)) set_used(low_++, false);
    return true;
}

uint16_t MessageWindow::grant(uint16_t wanted) {
    uint64_t granted = wanted;
    granted = std::min<uint64_t>(granted, max_credits_ > available_ ? max_credits_ - available_ : 0);
    granted = std::min<uint64_t>(granted, low_ + span_ - high_);
    if (granted == 0 && available_ == 0 && low_ + span_ > high_) granted = 1;
    high_ += granted;
    available_ += static_cast<uint32_t>(granted);
    return static_cast<uint16_t>(granted);
}

}  // namespace Atoll::smb2

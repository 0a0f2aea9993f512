// A value that several clients write and read, every written value another: which of them a read may give.
#pragma once

#include <cstdint>
#include <vector>

#include "torture/hammer/claims.h"

namespace Atoll::hammer {

class Register {
 public:
    // A write begins; the value is new.
    void begins(uint64_t value, Moment now) { writes_.push_back({value, now, never}); }
    // It has certainly been done; one that never ends may have happened or not.
    void done(uint64_t value, Moment now);
    // It may never have been done after all: it was cached by somebody who died, or the same writer overwrote it.
    void undone(uint64_t value);
    // A read that lasted from `from` to `to` gave `value`: false if it cannot have, because nobody wrote it, or because it had been
    // overwritten before the read began.
    [[nodiscard]] bool may_read(uint64_t value, Moment from, Moment to) const;
    // Forgets writes that no read may give which has begun at `oldest_read` or later.
    void forget(Moment oldest_read);
    [[nodiscard]] size_t size() const { return writes_.size(); }

 private:
    struct Write {
        uint64_t value;
        Moment begun, done;
    };
    std::vector<Write> writes_;
};

}  // namespace Atoll::hammer

#include "smbd/fsa/caching.h"

#include "tdb/watch/watches.h"

namespace Atoll::fsa {

Wait::Wait() = default;
Wait::~Wait() = default;

void Wait::cancel() {
    made_.reset();
    question_ = 0;
    if (watch_) watch_->cancel();
}

bool Wait::is_waiting() const { return watch_ && watch_->is_armed(); }

Result<void> Wait::arm(watch::Watches& watches, loop::Loop& loop, const tdb::LockedRecord& record, Monotonic deadline) {
    if (!watch_) watch_ = std::make_unique<watch::Watch>(watches, loop, [this](watch::Woken) { resume(); });
    return watch_->arm(record, deadline);
}

}  // namespace Atoll::fsa

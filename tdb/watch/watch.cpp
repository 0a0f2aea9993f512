// A waiter's side: arming, cancelling, being woken.
#include <utility>

#include "tdb/watch/watches.h"

namespace Atoll::watch {

Watch::Watch(Watches& watches, loop::Loop& loop, Handler handler)
    : watches_(watches),
      handler_(std::move(handler)),
      timer_(loop,
             [this] {
                 watches_.strike_out(companion_, number());
                 wake(Woken::timed_out);
             }),
      place_(watches.take_place(*this)) {}

Watch::~Watch() {
    cancel();
    watches_.places_[place_] = nullptr;
    if (destroyed_ != nullptr) *destroyed_ = true;
}

Result<void> Watch::arm(const tdb::LockedRecord& record, Monotonic deadline) {
    cancel();
    watches_.find(record, companion_);
    generation_++;
    if (auto entered = watches_.enter(companion_, number()); !entered) return entered;
    armed_ = true;
    if (deadline != Monotonic::max()) timer_.set_at(deadline);
    return {};
}

void Watch::cancel() {
    if (!armed_) return;
    armed_ = false;
    timer_.cancel();
    watches_.strike_out(companion_, number());
}

void Watch::wake(Woken why) {
    armed_ = false;
    timer_.cancel();
    // The handler lives until it returns, though it may end the watch.
    Handler running = std::exchange(handler_, {});
    bool destroyed = false;
    destroyed_ = &destroyed;
    running(why);
    if (destroyed) return;
    destroyed_ = nullptr;
    handler_ = std::move(running);
}

}  // namespace Atoll::watch

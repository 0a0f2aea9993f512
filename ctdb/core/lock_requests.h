// What a leader asks of the cluster lock. The answers are events: LockTaken or LockRefused, LockChecked, RegisterWritten.
#pragma once

#include "ctdb/core/context.h"

namespace Atoll::ctdb {

class LockRequests {
 public:
    virtual ~LockRequests() = default;
    virtual void take() = 0;
    virtual void check(const CheckLock& check) = 0;
    virtual void release() = 0;
    virtual void write(WriteRegister write) = 0;
};

// The lock is the world's: the requests are actions.
class OutsideLock final : public LockRequests {
 public:
    explicit OutsideLock(Context& context) : context_(context) {}
    void take() override { context_.act(TakeLock{}); }
    void check(const CheckLock& check) override { context_.act(check); }
    void release() override { context_.act(ReleaseLock{}); }
    void write(WriteRegister write) override { context_.act(std::move(write)); }

 private:
    Context& context_;
};

}  // namespace Atoll::ctdb

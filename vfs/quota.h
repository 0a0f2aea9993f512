// Disk quotas of users: what a file system keeps of what each uid uses and may use, quotactl(2). Sizes in bytes; a limit of 0 is none.
//
// Errors are errno. EOPNOTSUPP: no quotas are kept here. EPERM: not the caller's to see or set.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "base/result.h"

namespace Atoll::vfs {

struct File;

enum class QuotaState : uint8_t { off, tracked, enforced };

struct QuotaLimits {
    uint64_t soft = 0;  // may be passed for a time
    uint64_t hard = 0;
};

struct Quota {
    uid_t uid = 0;
    uint64_t used = 0;
    QuotaLimits limits;
    [[nodiscard]] bool has_limits() const { return limits.soft != 0 || limits.hard != 0; }
};

// Main thread, under the identity that the calling thread has.
class Quotas {
 public:
    virtual ~Quotas() = default;
    // False only if there are none whatever is asked; costs at most one system call.
    virtual bool kept() = 0;
    virtual Result<QuotaState, int> state() = 0;
    // A user without an entry has one of zeros. Everybody may see his own.
    virtual Result<Quota, int> of(uid_t uid) = 0;
    // The entry with the least uid that is at least `from`; ENOENT: there is none.
    virtual Result<Quota, int> next(uid_t from) = 0;
    // Limits are rounded up to units of 1024 bytes. Those of the number of files stay.
    virtual Result<void, int> set(uid_t uid, const QuotaLimits& limits) = 0;
    // What users have who have no limits of their own.
    virtual Result<QuotaLimits, int> defaults() = 0;
    virtual Result<void, int> set_defaults(QuotaState state, const QuotaLimits& limits) = 0;
};

// The kernel's, of the file system that `file` is on; the file must outlive it. It keeps no defaults.
std::unique_ptr<Quotas> kernel_quotas(const File& file);

}  // namespace Atoll::vfs

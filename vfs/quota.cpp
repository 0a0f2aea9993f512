#include "vfs/quota.h"

#include <linux/dqblk_xfs.h>
#include <linux/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfs/vfs.h"

namespace Atoll::vfs {

namespace {

constexpr uint64_t unit = QIF_DQBLKSIZE;  // of limits

// What says that there are no quotas: a kernel or a file system without them, or with them switched off (quotactl(2)).
int plain(int error) {
    return error == ENOSYS || error == ESRCH || error == ENOTSUP || error == EINVAL || error == ENOTBLK ? EOPNOTSUPP : error;
}

class KernelQuotas final : public Quotas {
 public:
    explicit KernelQuotas(const File& file) : file_(file) {}

    bool kept() override { return state().ok(); }

    Result<QuotaState, int> state() override {
        fs_quota_stat stat{};
        if (auto r = call(Q_XGETQSTAT, 0, &stat); !r) return r.failure();
        if ((stat.qs_flags & FS_QUOTA_UDQ_ACCT) == 0) return EOPNOTSUPP;
        return (stat.qs_flags & FS_QUOTA_UDQ_ENFD) != 0 ? QuotaState::enforced : QuotaState::tracked;
    }

    Result<Quota, int> of(uid_t uid) override {
        if_dqblk block{};
        auto r = call(Q_GETQUOTA, uid, &block);
        if (!r && r.error() == ENOENT) return Quota{uid, 0, {}};  // XFS
        if (!r) return r.failure();
        return Quota{uid, block.dqb_curspace, {block.dqb_bsoftlimit * unit, block.dqb_bhardlimit * unit}};
    }

    Result<Quota, int> next(uid_t from) override {
        if_nextdqblk block{};
        if (auto r = call(Q_GETNEXTQUOTA, from, &block); !r) return r.failure();
        return Quota{block.dqb_id, block.dqb_curspace, {block.dqb_bsoftlimit * unit, block.dqb_bhardlimit * unit}};
    }

    Result<void, int> set(uid_t uid, const QuotaLimits& limits) override {
        if_dqblk block{};
        block.dqb_bsoftlimit = limits.soft / unit + (limits.soft % unit != 0);
        block.dqb_bhardlimit = limits.hard / unit + (limits.hard % unit != 0);
        block.dqb_valid = QIF_BLIMITS;
        return call(Q_SETQUOTA, uid, &block);
    }

    Result<QuotaLimits, int> defaults() override {
        if (auto r = state(); !r) return r.failure();
        return QuotaLimits{};
    }

    // The state is the administrator's of the machine to choose (quotaon(8), mount options).
    Result<void, int> set_defaults(QuotaState /*state*/, const QuotaLimits& limits) override {
        if (auto r = state(); !r) return r.failure();
        if (limits.soft != 0 || limits.hard != 0) return EOPNOTSUPP;
        return {};
    }

 private:
    // By descriptor (Linux 5.14), so that no device is looked for by name. O_PATH is enough for it.
    Result<void, int> call(int command, uid_t uid, void* data) {
        const auto quota_command = static_cast<unsigned>(QCMD(static_cast<unsigned>(command), USRQUOTA));
        if (::syscall(SYS_quotactl_fd, file_.fd.get(), quota_command, uid, data) != 0) return plain(errno);
        return {};
    }

    const File& file_;
};

}  // namespace

std::unique_ptr<Quotas> kernel_quotas(const File& file) { return std::make_unique<KernelQuotas>(file); }

}  // namespace Atoll::vfs

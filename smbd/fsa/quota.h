// The quotas of the volume that a share is on, by SID (MS-FSA 2.1.1.1: Volume.QuotaInformation and its kin). Main thread, under the
// identity of the user; whose rights suffice is the caller's to check. Sizes in bytes.
//
// Errors: NOT_SUPPORTED where the volume has no quotas.
#pragma once

#include <memory>
#include <optional>

#include "base/nt_status.h"
#include "base/result.h"
#include "base/sid.h"
#include "libcli/security/id_map.h"
#include "smbd/fsa/types.h"
#include "vfs/quota.h"

namespace Atoll::fsa {

class VolumeQuotas final : public QuotaIndex {
 public:
    VolumeQuotas(std::unique_ptr<vfs::Quotas> quotas, security::IdMap& ids) : quotas_(std::move(quotas)), ids_(ids) {}

    bool kept() override { return quotas_->kept(); }
    Result<QuotaControl, NtStatus> control() override;
    Result<void, NtStatus> set_control(const QuotaControl& value) override;
    Result<QuotaEntry, NtStatus> of(const Sid& sid) override;
    Result<QuotaEntry, NtStatus> next(uint64_t& position) override;
    Result<uint64_t, NtStatus> position_after(const Sid& sid) override;
    Result<void, NtStatus> set(const QuotaEntry& entry) override;

    // What of the volume is the user's own: his limit, and what is left of it (MS-FSA 2.1.5.13.4, .6).
    void apply_to(VolumeSize& size, uid_t uid);

 private:
    std::unique_ptr<vfs::Quotas> quotas_;
    security::IdMap& ids_;
};

}  // namespace Atoll::fsa

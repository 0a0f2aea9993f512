// Opening what a file was: SMB2_CREATE_TIMEWARP_TOKEN (MS-SMB2 2.2.13.2.7, 3.3.5.9.4) and @GMT tokens in names. To vfs both are a token
// as the first component of the path, whose name an Open keeps.
#include "vfs/snapshot_token.h"

#include "smbd/fsa/core.h"
#include "smbd/fsa/create.h"

namespace Atoll::fsa {

std::string snapshot_token(int64_t time) { return vfs::snapshot_token(time); }

Result<void, NtStatus> CreateOperation::enter_snapshot() {
    int64_t time = params_.snapshot;
    if (!vfs_.has_snapshots()) return time == 0 ? Result<void, NtStatus>() : NtStatus::OBJECT_NAME_NOT_FOUND;
    std::string& path = core_.parsed.path;
    const int64_t by_name = vfs::take_snapshot_token(path);
    if (time == 0) time = by_name;
    if (time == 0) return {};
    const std::string token = time > 0 ? vfs::snapshot_token(time) : std::string();
    if (token.empty()) return NtStatus::OBJECT_NAME_NOT_FOUND;
    // MS-FSA 2.1.5.1: of a volume that is read-only.
    if (overwrites() || params_.disposition == static_cast<uint32_t>(Disposition::create)) return NtStatus::MEDIA_WRITE_PROTECTED;
    path.insert(0, path.empty() ? token : token + "/");
    return {};
}

// A directory on the way is missing; or is it the whole snapshot (MS-SMB2 3.3.5.9.4)?
NtStatus CreateOperation::why_not_found(const std::string& path) const {
    const std::string first = path.substr(0, path.find('/'));
    if (!vfs_.has_snapshots() || !vfs::parse_snapshot_token(first)) return NtStatus::OBJECT_PATH_NOT_FOUND;
    return vfs_.open(first.c_str(), {}) ? NtStatus::OBJECT_PATH_NOT_FOUND : NtStatus::OBJECT_NAME_NOT_FOUND;
}

std::string_view OpenFile::name_for_clients() const {
    if (file.snapshot == 0) return name;
    const size_t slash = name.find('/');
    return slash == std::string::npos ? std::string_view() : std::string_view(name).substr(slash + 1);
}

Result<void, NtStatus> OpenFile::list_snapshots(std::vector<int64_t>& out) {
    out.clear();
    if (auto r = vfs().list_snapshots(name, out); !r) return nt_status_from_errno(r.error());
    return {};
}

}  // namespace Atoll::fsa

// Object ids (MS-FSA 2.1.5.10.1, .2, .13, .35, .36): a file has one from the first time that one is asked for or set, kept as the
// FILE_OBJECTID_BUFFER of MS-FSCC 2.1.3.1 (docs/formats/object_id.md).
#include <algorithm>

#include "base/guid.h"
#include "base/loop/identity.h"
#include "libcli/security/access_check.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/kept_beside.h"

namespace Atoll::fsa {

namespace {

constexpr size_t id_size = 16;
constexpr uint32_t changing = access::write_data | access::write_attributes;

Result<ObjectId, NtStatus> read(vfs::Vfs& vfs, const vfs::File& file) {
    ObjectId out;
    const auto size = vfs.get_xattr(file, object_id_xattr, out.bytes);
    if (size && *size == out.bytes.size()) return out;
    return size || size.error() != EOPNOTSUPP ? NtStatus::OBJECTID_NOT_FOUND : NtStatus::VOLUME_NOT_UPGRADED;
}

Bytes id_of(const ObjectId& value) { return Bytes(value.bytes).first(id_size); }

// SeRestorePrivilege
bool may_restore(const ShareRoot& share) {
    if (loop::current_identity().uid == 0) return true;
    return share.token() != nullptr && security::has_privilege(*share.token(), security::privilege::restore);
}

}  // namespace

Result<ObjectId, NtStatus> OpenFile::object_id() { return read(vfs(), file); }

// Whoever may open the file may have it given an id.
Result<ObjectId, NtStatus> OpenFile::create_or_get_object_id() {
    auto existing = read(vfs(), file);
    if (existing) core_.object_ids.note(vfs(), file, id.volume, id_of(*existing));
    if (existing || existing.error() != NtStatus::OBJECTID_NOT_FOUND) return existing;
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    const auto volume = share_->volume();
    if (!volume) return volume.failure();
    const Guid fresh = Guid::random();
    ObjectId out;
    std::ranges::copy(fresh.bytes, out.bytes.begin());
    std::ranges::copy(volume->object_id.bytes, out.bytes.begin() + id_size);  // born here,
    std::ranges::copy(fresh.bytes, out.bytes.begin() + 2 * id_size);          // as this
    if (auto r = give_object_id(out); !r) return r.failure();
    return out;
}

// DUPLICATE_NAME: another file of the volume has it.
Result<void, NtStatus> OpenFile::give_object_id(const ObjectId& value) {
    return core_.object_ids.claim(vfs(), file, id.volume, id_of(value),
                                  [&] { return set_beside(vfs(), file, object_id_xattr, value.bytes); });
}

Result<void, NtStatus> OpenFile::set_object_id(const ObjectId& value) {
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    if (!may_restore(*share_)) return NtStatus::ACCESS_DENIED;
    const auto existing = read(vfs(), file);
    if (existing) return NtStatus::OBJECT_NAME_COLLISION;
    if (existing.error() != NtStatus::OBJECTID_NOT_FOUND) return existing.failure();
    return give_object_id(value);
}

Result<void, NtStatus> OpenFile::set_object_id_extended(Bytes extended) {
    ATOLL_ASSERT(extended.size() == ObjectId::extended_size);
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    if ((granted & changing) == 0) return NtStatus::ACCESS_DENIED;
    auto value = read(vfs(), file);
    if (!value) return value.failure();
    std::ranges::copy(extended, value->bytes.begin() + id_size);
    return set_beside(vfs(), file, object_id_xattr, value->bytes);
}

// MS-FSA names no right for it; a file that may not be changed is not changed by this either.
Result<void, NtStatus> OpenFile::delete_object_id() {
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    const auto existing = read(vfs(), file);
    if (!existing) return existing.error() == NtStatus::OBJECTID_NOT_FOUND ? Result<void, NtStatus>() : existing.failure();
    if ((granted & changing) == 0) return NtStatus::ACCESS_DENIED;
    if (auto r = remove_beside(vfs(), file, object_id_xattr); !r) return r;
    core_.object_ids.forget(vfs(), file, id.volume, id_of(*existing));
    return {};
}

}  // namespace Atoll::fsa

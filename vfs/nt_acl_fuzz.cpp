// What acl_xattr may find in security.NTACL, the kernel's form of ACLs, and the mapping of each to the other.
#include <sys/stat.h>

#include "base/assert.h"
#include "vfs/nt_acl.h"
#include "vfs/posix_descriptor.h"

namespace {

using namespace Atoll;

vfs::Stat stat_of(mode_t type) {
    vfs::Stat stat;
    stat.mode = type | 0750;
    stat.uid = 1000;
    stat.gid = 100;
    return stat;
}

// A descriptor as POSIX ACLs: what is made of it is in the kernel's form, and is told to Windows again.
void map_descriptor(const security::SecurityDescriptor& descriptor, security::IdMap& ids) {
    vfs::PosixAcl access, defaults, again;
    for (const mode_t type : {mode_t{S_IFREG}, mode_t{S_IFDIR}}) {
        const vfs::Stat stat = stat_of(type);
        if (!vfs::posix_acls_of_descriptor(descriptor, stat, ids, true, access, defaults)) continue;
        Buffer bytes;
        vfs::encode_posix_acl(access, bytes);
        ATOLL_ASSERT(vfs::decode_posix_acl(bytes, again) && again == access);
        if (type == S_IFREG) ATOLL_ASSERT(defaults.empty());
        security::SecurityDescriptor mapped;
        if (vfs::descriptor_of_posix({stat, access, defaults}, {}, ids, mapped)) security::encode(mapped, bytes);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    security::UnixIdMap ids;
    vfs::NtAcl acl, again;
    if (vfs::decode_nt_acl({data, size}, acl).ok()) {
        Buffer bytes;
        vfs::encode_nt_acl(acl.descriptor, bytes);
        ATOLL_ASSERT(vfs::decode_nt_acl(bytes, again).ok());
        ATOLL_ASSERT(again.descriptor.dacl == acl.descriptor.dacl);
        map_descriptor(acl.descriptor, ids);
    }
    vfs::PosixAcl posix;
    if (!vfs::decode_posix_acl({data, size}, posix)) return 0;
    const vfs::Stat directory = stat_of(S_IFDIR);
    security::SecurityDescriptor mapped;
    vfs::NtAclHash hash;
    vfs::hash_posix_rights({directory, posix, posix}, hash);
    if (vfs::descriptor_of_posix({directory, posix, posix}, {}, ids, mapped)) vfs::hash_descriptor(mapped, hash);
    return 0;
}

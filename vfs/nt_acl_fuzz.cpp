// What acl_xattr may find in security.NTACL, and the kernel's form of ACLs.
#include "base/assert.h"
#include "vfs/nt_acl.h"
#include "vfs/posix_acl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    vfs::NtAcl acl, again;
    if (vfs::decode_nt_acl({data, size}, acl).ok()) {
        Buffer bytes;
        vfs::encode_nt_acl(acl.descriptor, bytes);
        ATOLL_ASSERT(vfs::decode_nt_acl(bytes, again).ok());
        ATOLL_ASSERT(again.descriptor.dacl == acl.descriptor.dacl);
    }
    vfs::PosixAcl posix;
    (void)vfs::decode_posix_acl({data, size}, posix);
    return 0;
}

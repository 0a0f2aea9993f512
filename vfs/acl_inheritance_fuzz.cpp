// What a file's owner may have put into user.SAMBA_PAI.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "vfs/acl_inheritance.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    vfs::AclInheritance value;
    if (!vfs::decode_acl_inheritance({data, size}, value)) return 0;
    Buffer again;
    vfs::encode_acl_inheritance(value, again);
    ATOLL_ASSERT(again.size() == size && std::equal(data, data + size, again.data()));
    return 0;
}

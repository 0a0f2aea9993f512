// What a file's owner may have put into user.DOSATTRIB.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "vfs/dos_attributes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const auto value = vfs::decode_dos_attrib({data, size});
    if (!value) return 0;
    Buffer again;
    vfs::encode_dos_attrib(again, *value);
    const auto back = vfs::decode_dos_attrib(again);
    ATOLL_ASSERT(back && back->attributes == value->attributes && back->create_time == value->create_time);
    return 0;
}

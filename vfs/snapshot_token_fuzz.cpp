// @GMT tokens in paths, as a client may send them.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "vfs/path.h"
#include "vfs/snapshot_token.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    std::string path(reinterpret_cast<const char*>(data), size);
    const bool valid = vfs::is_valid_path(path);
    const std::string before = path;
    const int64_t time = vfs::take_snapshot_token(path);
    if (time == 0) {
        ATOLL_ASSERT(path == before);
    } else {
        ATOLL_ASSERT(before.find(vfs::snapshot_token(time)) != std::string::npos && path.size() < before.size());
        ATOLL_ASSERT(!valid || vfs::is_valid_path(path));
    }
    return 0;
}

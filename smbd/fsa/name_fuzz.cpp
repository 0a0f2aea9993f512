// Names and search expressions as a client may send them: what comes out is a path that stays in the share, in bounded time.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "smbd/fsa/name.h"
#include "smbd/fsa/wildcard.h"
#include "vfs/path.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    fsa::ParsedName parsed;
    if (fsa::parse_name(text, parsed)) ATOLL_ASSERT(vfs::is_valid_path(parsed.path));
    const size_t middle = size / 2;
    const std::string_view name = text.substr(0, middle), expression = text.substr(middle);
    const bool exact = fsa::name_in_expression(name, expression, false);
    if (exact) ATOLL_ASSERT(fsa::name_in_expression(name, expression, true));
    return 0;
}

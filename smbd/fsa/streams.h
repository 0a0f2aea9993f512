// Named data streams of files and directories. What opens and renames them: members of CreateOperation, Core and OpenFile in streams.cpp.
#pragma once

#include <cstdint>
#include <string_view>

namespace Atoll::fsa {

// FileId::stream of a name, whatever its case. Never 0.
uint64_t stream_hash(std::string_view name);

}  // namespace Atoll::fsa

// Between fsa's plain values and the wire's structures.
#pragma once

#include "libcli/smb/create.h"
#include "smbd/fsa/types.h"

namespace Atoll::smb2 {

inline smb::FileTimesAndSizes times_and_sizes(const fsa::FileInfo& info) {
    return {info.basic.creation,  info.basic.access, info.basic.write,     info.basic.change,
            info.allocation_size, info.end_of_file,  info.basic.attributes};
}

}  // namespace Atoll::smb2

// Lists of extended attributes as the wire has them (MS-FSCC 2.4.16).
#pragma once

#include <vector>

#include "base/buffer.h"
#include "smbd/fsa/types.h"

namespace Atoll::smb2 {

// The entries of a FILE_FULL_EA_INFORMATION list, which refer to it. False: the list is not in a valid format.
bool decode_extended_attributes(Bytes list, std::vector<fsa::ExtendedAttribute>& out);

}  // namespace Atoll::smb2

// How the information of QUERY_INFO is appended to its response, within the client's buffer (MS-SMB2 3.3.5.20.1, 3.3.5.20.2).
#pragma once

#include <string_view>

#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// A structure of one size: whole, or INFO_LENGTH_MISMATCH.
template <class T>
NtStatus append_fixed(Request& request, size_t limit, const T& info) {
    if (limit < T::size) return NtStatus::INFO_LENGTH_MISMATCH;
    info.encode(request.out());
    return NtStatus::SUCCESS;
}

// Cuts what stands behind `start` to `limit` bytes: SUCCESS if nothing had to go, else BUFFER_OVERFLOW.
NtStatus cut(Request& request, size_t start, size_t limit);

// A structure that ends in a name: at least `least` bytes must fit, what of the name does not is cut.
template <class T>
NtStatus append_named(Request& request, size_t limit, size_t least, const T& info) {
    if (limit < least) return NtStatus::INFO_LENGTH_MISMATCH;
    const size_t start = request.out().position();
    info.encode(request.out());
    return cut(request, start, limit);
}

// A name as UTF-16LE in the connection's scratch memory: valid until the next one.
Bytes wire_name(Request& request, std::string_view name);

}  // namespace Atoll::smb2

#include "smbd/smb2/info_output.h"

#include "base/utf.h"
#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {

NtStatus cut(Request& request, size_t start, size_t limit) {
    const size_t size = request.out().position() - start;
    if (size <= limit) return NtStatus::SUCCESS;
    Buffer& out = request.out().buffer();
    out.resize(out.size() - (size - limit));
    return NtStatus::BUFFER_OVERFLOW;
}

Bytes wire_name(Request& request, std::string_view name) {
    Buffer& scratch = request.connection().scratch();
    scratch.clear();
    append_utf16le(scratch, name);
    return scratch;
}

}  // namespace Atoll::smb2

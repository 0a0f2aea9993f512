// Reparse points (MS-FSA 2.1.1.3: File.ReparseTag, ReparseGUID, ReparseData); symbolic links that a client makes are such. The buffer of
// MS-FSCC 2.1.2.2 or 2.1.2.3 is kept as it was sent, in an extended attribute, and FILE_ATTRIBUTE_REPARSE_POINT among the DOS attributes
// says whether to look for it (docs/formats/reparse.md). Nothing here follows one: that is the client's to do (MS-SMB2 3.3.5.9), and so
// none leads out of the share. What the file system itself has of symbolic links is another thing (smb.conf(5), `follow symlinks`).
#pragma once

#include "base/buffer.h"
#include "base/guid.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

struct ReparsePoint {
    static constexpr uint32_t mount_point = 0xA0000003, symlink = 0xA000000C;  // MS-FSCC 2.1.2.1
    static constexpr uint32_t last_reserved = 1;
    uint32_t tag = 0;
    Guid guid;  // of a tag that is not Microsoft's
    Bytes data;

    [[nodiscard]] bool is_microsoft() const { return (tag & 0x80000000) != 0; }
    // IO_REPARSE_DATA_INVALID: too short, too long, or of another length than it says.
    static Result<ReparsePoint, NtStatus> decode(Bytes buffer);
};

// The whole buffer that the file has, or a name in a directory (a symlink is not followed). False: it has none that could be read.
bool read_reparse_buffer(vfs::Vfs& vfs, const vfs::File& file, Buffer& out);
// The tag of it; 0: none.
uint32_t reparse_tag(vfs::Vfs& vfs, const vfs::File& file);
uint32_t reparse_tag(vfs::Vfs& vfs, const vfs::File& parent, const char* leaf);

}  // namespace Atoll::fsa

// Reparse data buffers (MS-FSCC 2.1.2). decode fails with IO_REPARSE_DATA_INVALID (MS-FSA 2.1.5.10.37).
#pragma once

#include "libcli/smb/fscc.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

struct ReparseData {  // MS-FSCC 2.1.2.2
    static constexpr size_t fixed_size = 8;
    uint32_t tag = 0;
    Bytes data;
    static Result<ReparseData, NtStatus> decode(Bytes in);
    void encode(ByteWriter& out) const;
};

// The data of a symbolic link (2.1.2.4), or of a mount point (2.1.2.5), which has no flags.
struct SymlinkReparse {
    static constexpr uint32_t relative = 0x00000001;
    uint32_t flags = 0;
    Bytes substitute_name;                                                     // UTF-16LE
    Bytes print_name;                                                          // UTF-16LE
    static Result<SymlinkReparse, NtStatus> decode(Bytes data, uint32_t tag);  // data: ReparseData::data
    void encode(ByteWriter& out, uint32_t tag) const;                          // the whole buffer, ReparseData included
};

struct NfsReparse {  // MS-FSCC 2.1.2.6
    static constexpr uint64_t type_symlink = 0x00000000014B4E4C;
    static constexpr uint64_t type_chr = 0x0000000000524843;
    static constexpr uint64_t type_blk = 0x00000000004B4C42;
    static constexpr uint64_t type_fifo = 0x000000004F464946;
    static constexpr uint64_t type_sock = 0x000000004B434F53;
    uint64_t type = 0;
    Bytes data;  // symlink: UTF-16LE target; chr and blk: major and minor, 4 bytes each
    static Result<NfsReparse, NtStatus> decode(Bytes data);
    void encode(ByteWriter& out) const;
};

}  // namespace Atoll::smb

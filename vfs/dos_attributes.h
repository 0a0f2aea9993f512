// DOS attributes as they are kept: in the extended attribute user.DOSATTRIB, in Samba's format (docs/formats/dosattrib.md), or in
// mode bits. Pure functions; Vfs::dos_attributes and set_dos_attributes do the reading and writing.
#pragma once

#include <optional>

#include "vfs/vfs.h"

namespace Atoll::vfs {

inline constexpr const char* dos_attrib_xattr = "user.DOSATTRIB";
inline constexpr size_t max_dos_attrib = 256;  // bytes of a value that we read; longer ones are ignored

// FILE_ATTRIBUTE_* (MS-FSCC 2.6), those that a file system keeps.
namespace attribute {
constexpr uint32_t readonly = 0x1, hidden = 0x2, system = 0x4, directory = 0x10, archive = 0x20, normal = 0x80, temporary = 0x100,
                   sparse_file = 0x200, reparse_point = 0x400, compressed = 0x800, offline = 0x1000, not_content_indexed = 0x2000,
                   encrypted = 0x4000;
// What a client may set (MS-FSCC 2.6 less what only the file system sets) and we store.
constexpr uint32_t settable = readonly | hidden | system | archive | temporary | offline | not_content_indexed;
// What we store: beside these, what the file system knows of only because we say so.
constexpr uint32_t stored = settable | sparse_file | reparse_point;
}  // namespace attribute

struct StoredAttributes {
    uint32_t attributes = 0;
    NtTime create_time{};  // 0: none stored
    NtTime change_time{};  // 0: none stored
    NtTime valid_until{};  // `change_time` holds as long as the file system's change time is not later
};

// nullopt for a value that is not in the format.
std::optional<StoredAttributes> decode_dos_attrib(Bytes value);
// Replaces `out`.
void encode_dos_attrib(Buffer& out, const StoredAttributes& value);

// The attributes that mode bits stand for under these options, DIRECTORY included; 0 for none.
uint32_t attributes_of_mode(const Options& options, const Stat& stat);
// The mode that stands for `attributes`.
mode_t mode_of_attributes(const Options& options, const Stat& stat, uint32_t attributes);

}  // namespace Atoll::vfs

// The numbers of MS-FSCC: information classes, attributes. The structures are in libcli/smb/fscc_file.h, fscc_directory.h, fscc_fs.h.
#pragma once

#include <cstdint>

namespace Atoll::smb {

enum class FileInformationClass : uint8_t {  // MS-FSCC 2.4
    directory = 1,
    full_directory = 2,
    both_directory = 3,
    basic = 4,
    standard = 5,
    internal = 6,
    ea = 7,
    access = 8,
    name = 9,
    rename = 10,
    link = 11,
    names = 12,
    disposition = 13,
    position = 14,
    full_ea = 15,
    mode = 16,
    alignment = 17,
    all = 18,
    allocation = 19,
    end_of_file = 20,
    alternate_name = 21,
    stream = 22,
    pipe = 23,
    pipe_local = 24,
    pipe_remote = 25,
    mailslot_query = 26,
    mailslot_set = 27,
    compression = 28,
    object_id = 29,
    move_cluster = 31,
    quota = 32,
    reparse_point = 33,
    network_open = 34,
    attribute_tag = 35,
    tracking = 36,
    id_both_directory = 37,
    id_full_directory = 38,
    valid_data_length = 39,
    short_name = 40,
    sfio_reserve = 44,
    sfio_volume = 45,
    hard_link = 46,
    normalized_name = 48,
    id_global_tx_directory = 50,
    standard_link = 54,
    id = 59,
    id_extd_directory = 60,
    id_64_extd_directory = 78,
    id_64_extd_both_directory = 79,
    id_all_extd_directory = 80,
    id_all_extd_both_directory = 81,
    disposition_ex = 64,
    rename_ex = 65,
};

enum class FsInformationClass : uint8_t {  // MS-FSCC 2.5
    volume = 1,
    label = 2,
    size = 3,
    device = 4,
    attribute = 5,
    control = 6,
    full_size = 7,
    object_id = 8,
    driver_path = 9,
    volume_flags = 10,
    sector_size = 11,
};

namespace file_attribute {  // MS-FSCC 2.6
constexpr uint32_t readonly = 0x00000001;
constexpr uint32_t hidden = 0x00000002;
constexpr uint32_t system = 0x00000004;
constexpr uint32_t directory = 0x00000010;
constexpr uint32_t archive = 0x00000020;
constexpr uint32_t normal = 0x00000080;
constexpr uint32_t temporary = 0x00000100;
constexpr uint32_t sparse_file = 0x00000200;
constexpr uint32_t reparse_point = 0x00000400;
constexpr uint32_t compressed = 0x00000800;
constexpr uint32_t offline = 0x00001000;
constexpr uint32_t not_content_indexed = 0x00002000;
constexpr uint32_t encrypted = 0x00004000;
constexpr uint32_t integrity_stream = 0x00008000;
constexpr uint32_t no_scrub_data = 0x00020000;
constexpr uint32_t recall_on_open = 0x00040000;
constexpr uint32_t pinned = 0x00080000;
constexpr uint32_t unpinned = 0x00100000;
constexpr uint32_t recall_on_data_access = 0x00400000;
}  // namespace file_attribute

namespace reparse_tag {  // MS-FSCC 2.1.2.1
constexpr uint32_t mount_point = 0xA0000003;
constexpr uint32_t symlink = 0xA000000C;
constexpr uint32_t nfs = 0x80000014;
constexpr uint32_t af_unix = 0x80000023;
constexpr uint32_t lx_symlink = 0xA000001D;
constexpr uint32_t lx_fifo = 0x80000024;
constexpr uint32_t lx_chr = 0x80000025;
constexpr uint32_t lx_blk = 0x80000026;
}  // namespace reparse_tag

}  // namespace Atoll::smb

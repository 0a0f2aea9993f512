// The operations that full_audit records, by the names that administrators know (vfs_full_audit(8), and what Debian's smbd 4.17 takes
// besides).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace Atoll::vfs {

// What our interface calls them. Several of Samba's names may stand for one, and one of Samba's names for several.
enum class Audited : uint8_t {
    connect,
    disconnect,
    create_file,
    open,
    open_stream,
    mkdir,
    unlink,
    rmdir,
    remove_stream,
    rename,
    rename_stream,
    link,
    read_link,
    stat,
    stat_at,
    file_id,
    dos_attributes,
    set_dos_attributes,
    set_times,
    chmod,
    chown,
    space,
    set_compressed,
    get_descriptor,
    set_descriptor,
    get_xattr,
    set_xattr,
    remove_xattr,
    list_xattr,
    list_streams,
    list_snapshots,
    pread,
    pwrite,
    fsync,
    truncate,
    allocate,
    copy_range,
    seek,
    lock_range,
    read_directory,
};
constexpr size_t audited_operations = static_cast<size_t>(Audited::read_directory) + 1;

// Which of them are recorded, and under which name; null: not recorded.
class AuditSelection {
 public:
    // `words` of full_audit:success or full_audit:failure, one after the other: "all", "none", a name, "!name". The error names one that
    // is none.
    static Result<AuditSelection> parse(const std::vector<std::string>& words);

    [[nodiscard]] const char* name(Audited operation) const { return names_[static_cast<size_t>(operation)]; }

 private:
    std::array<const char*, audited_operations> names_{};
};

// LOG_* of syslog(3) by their names without "LOG_", in any case; -1: there is none.
int syslog_facility(std::string_view name);
int syslog_priority(std::string_view name);

}  // namespace Atoll::vfs

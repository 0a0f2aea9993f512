#include "vfs/audit_operations.h"

#include <syslog.h>

#include <algorithm>
#include <span>

#include "base/utf.h"

namespace Atoll::vfs {

namespace {

struct Operation {
    Audited operation;
    std::array<const char*, 5> names;  // the first that is selected is the one it is recorded by
};

// In front of older names those of 4.17.
constexpr std::array<Operation, audited_operations> operations{{
    {Audited::connect, {"connect"}},
    {Audited::disconnect, {"disconnect"}},
    {Audited::create_file, {"create_file"}},
    {Audited::open, {"openat", "open"}},
    {Audited::open_stream, {"openat", "open"}},
    {Audited::mkdir, {"mkdirat", "mkdir"}},
    {Audited::unlink, {"unlinkat", "unlink"}},
    {Audited::rmdir, {"unlinkat", "rmdir"}},
    {Audited::remove_stream, {"unlinkat", "unlink"}},
    {Audited::rename, {"renameat", "rename"}},
    {Audited::rename_stream, {"renameat", "rename"}},
    {Audited::link, {"linkat", "link"}},
    {Audited::read_link, {"readlinkat", "readlink"}},
    {Audited::stat, {"fstat", "stat"}},
    {Audited::stat_at, {"lstat", "fstatat", "stat"}},
    {Audited::file_id, {"file_id_create"}},
    {Audited::dos_attributes, {"fget_dos_attributes", "get_dos_attributes"}},
    {Audited::set_dos_attributes, {"fset_dos_attributes", "set_dos_attributes"}},
    {Audited::set_times, {"fntimes", "ntimes"}},
    {Audited::chmod, {"fchmod", "chmod"}},
    {Audited::chown, {"fchown", "lchown", "chown"}},
    {Audited::space, {"disk_free", "statvfs"}},
    {Audited::set_compressed, {"set_compression"}},
    {Audited::get_descriptor, {"fget_nt_acl", "fget_nt_acl_at", "get_nt_acl"}},
    {Audited::set_descriptor, {"fset_nt_acl"}},
    {Audited::get_xattr, {"fgetxattr", "getxattr"}},
    {Audited::set_xattr, {"fsetxattr", "setxattr"}},
    {Audited::remove_xattr, {"fremovexattr", "removexattr"}},
    {Audited::list_xattr, {"flistxattr", "listxattr"}},
    {Audited::list_streams, {"fstreaminfo", "streaminfo"}},
    {Audited::list_snapshots, {"get_shadow_copy_data"}},
    {Audited::pread, {"pread", "pread_recv", "pread_send", "sendfile", "read"}},
    {Audited::pwrite, {"pwrite", "pwrite_recv", "pwrite_send", "recvfile", "write"}},
    {Audited::fsync, {"fsync", "fsync_recv", "fsync_send"}},
    {Audited::truncate, {"ftruncate"}},
    {Audited::allocate, {"fallocate"}},
    {Audited::copy_range, {"offload_write_recv", "offload_write_send"}},
    {Audited::seek, {"lseek"}},
    {Audited::lock_range, {"lock", "fcntl"}},
    {Audited::read_directory, {"readdir", "fdopendir", "opendir"}},
}};

// Names of things that do not happen here, or not in the file system: taken, and nothing comes of them.
constexpr std::array unused{
    "aio_force",
    "audit_file",
    "brl_lock_windows",
    "brl_unlock_windows",
    "chdir",
    "chflags",
    "close",
    "closedir",
    "connectpath",
    "create_dfs_pathat",
    "durable_cookie",
    "durable_disconnect",
    "durable_reconnect",
    "fchflags",
    "fget_compression",
    "filesystem_sharemode",
    "freaddir_attr",
    "fs_capabilities",
    "fs_file_id",
    "fsctl",
    "get_alloc_size",
    "get_dfs_referrals",
    "get_dos_attributes_recv",
    "get_dos_attributes_send",
    "get_quota",
    "get_real_filename",
    "get_real_filename_at",
    "getlock",
    "getwd",
    "getxattrat_recv",
    "getxattrat_send",
    "is_offline",
    "kernel_flock",
    "linux_setlease",
    "mknod",
    "mknodat",
    "offload_read_recv",
    "offload_read_send",
    "parent_pathname",
    "read_dfs_pathat",
    "readdir_attr",
    "realpath",
    "rewinddir",
    "seekdir",
    "set_offline",
    "set_quota",
    "snap_check_path",
    "snap_create",
    "snap_delete",
    "strict_lock_check",
    "symlink",
    "symlinkat",
    "sys_acl_blob_get_fd",
    "sys_acl_blob_get_file",
    "sys_acl_delete_def_fd",
    "sys_acl_get_fd",
    "sys_acl_get_file",
    "sys_acl_set_fd",
    "telldir",
    "translate_name",
};

struct Named {
    std::string_view name;
    int value;
};
constexpr std::array facilities{
    Named{"auth", LOG_AUTH},     Named{"authpriv", LOG_AUTHPRIV}, Named{"cron", LOG_CRON},     Named{"daemon", LOG_DAEMON},
    Named{"ftp", LOG_FTP},       Named{"kern", LOG_KERN},         Named{"lpr", LOG_LPR},       Named{"mail", LOG_MAIL},
    Named{"news", LOG_NEWS},     Named{"syslog", LOG_SYSLOG},     Named{"user", LOG_USER},     Named{"uucp", LOG_UUCP},
    Named{"local0", LOG_LOCAL0}, Named{"local1", LOG_LOCAL1},     Named{"local2", LOG_LOCAL2}, Named{"local3", LOG_LOCAL3},
    Named{"local4", LOG_LOCAL4}, Named{"local5", LOG_LOCAL5},     Named{"local6", LOG_LOCAL6}, Named{"local7", LOG_LOCAL7},
};
constexpr std::array priorities{
    Named{"emerg", LOG_EMERG},     Named{"alert", LOG_ALERT},   Named{"crit", LOG_CRIT}, Named{"err", LOG_ERR},
    Named{"warning", LOG_WARNING}, Named{"notice", LOG_NOTICE}, Named{"info", LOG_INFO}, Named{"debug", LOG_DEBUG},
};

int find(std::span<const Named> all, std::string_view name) {
    for (const Named& n : all) {
        if (equal_ignoring_ascii_case(n.name, name)) return n.value;
    }
    return -1;
}

bool is_known(std::string_view name) {
    const auto is_its = [&](const char* n) { return n != nullptr && name == n; };
    return std::ranges::any_of(unused, is_its) ||
           std::ranges::any_of(operations, [&](const Operation& o) { return std::ranges::any_of(o.names, is_its); });
}

}  // namespace

Result<AuditSelection> AuditSelection::parse(const std::vector<std::string>& words) {
    bool all = false;
    std::vector<std::string_view> with, without;
    for (const std::string& word : words) {
        if (word == "all") {
            all = true;
        } else if (word == "none") {
            all = false;
            with.clear();
        } else if (const bool no = word.starts_with('!'); !is_known(std::string_view(word).substr(no ? 1 : 0))) {
            return fail(Code::invalid, word, "there is no such VFS operation");
        } else {
            (no ? without : with).push_back(std::string_view(word).substr(no ? 1 : 0));
        }
    }
    AuditSelection out;
    for (const Operation& o : operations) {
        const auto is_in = [](const std::vector<std::string_view>& list, const char* name) {
            return name != nullptr && std::ranges::find(list, name) != list.end();
        };
        if (std::ranges::any_of(o.names, [&](const char* name) { return is_in(without, name); })) continue;
        const auto* named = std::ranges::find_if(o.names, [&](const char* name) { return is_in(with, name); });
        if (named != o.names.end())
            out.names_[static_cast<size_t>(o.operation)] = *named;
        else if (all)
            out.names_[static_cast<size_t>(o.operation)] = o.names.front();
    }
    return out;
}

int syslog_facility(std::string_view name) { return find(facilities, name); }
int syslog_priority(std::string_view name) { return find(priorities, name); }

}  // namespace Atoll::vfs

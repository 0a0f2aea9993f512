// full_audit: what clients do to files goes to the system's log (vfs_full_audit(8)): "PREFIX|OPERATION|RESULT|FILE".
//
// Where nothing is recorded of an operation it costs one look at a table. Data is read and written on any thread: all that these use is
// made when the share is connected.
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "vfs/audit_operations.h"
#include "vfs/module_options.h"
#include "vfs/modules.h"
#include "vfs/posix.h"

namespace Atoll::vfs {

namespace {

// Of an open file, as the kernel knows it now.
std::string path_of(const File& file) {
    std::array<char, PATH_MAX> path;
    const ssize_t n = ::readlink(ProcPath(file.fd.get()).text, path.data(), path.size());
    return n < 0 ? std::string() : std::string(path.data(), static_cast<size_t>(n));
}

std::string path_of(const File& parent, const char* leaf) { return path_of(parent) + "/" + leaf; }

const char* mode_of(const OpenHow& how) {
    return how.create || how.access == Access::write || how.access == Access::read_write ? "w|" : "r|";
}

const char* disposition_name(uint32_t disposition) {
    constexpr std::array names{"supersede", "open", "create", "open_if", "overwrite", "overwrite_if"};
    return disposition < names.size() ? names[disposition] : "unknown";
}

std::string error_text(int error) {
    std::array<char, 128> text;
    return ::strerror_r(error, text.data(), text.size());
}

class FullAudit final : public Module {
 public:
    explicit FullAudit(std::unique_ptr<Vfs> below);
    ~FullAudit() override {
        if (const char* name = success_.name(Audited::disconnect)) write(name, {}, options().share);
    }
    FullAudit(const FullAudit&) = delete;
    FullAudit& operator=(const FullAudit&) = delete;

    void note_create(const std::string& path, bool directory, uint32_t access, uint32_t disposition, NtStatus status) override;
    Result<File, int> open(const char* path, const OpenHow& how) override {
        return audited(Audited::open, next().open(path, how), [&] { return mode_of(how) + below_root(path); });
    }
    Result<File, int> open_below(const File& top, const char* path, const OpenHow& how) override {
        return audited(Audited::open, next().open_below(top, path, how), [&] { return mode_of(how) + path_of(top, path); });
    }
    Result<File, int> open_at(const File& parent, const char* leaf, const OpenHow& how) override {
        return audited(Audited::open, next().open_at(parent, leaf, how), [&] { return mode_of(how) + path_of(parent, leaf); });
    }
    Result<void, int> mkdir(const File& parent, const char* leaf, mode_t mode) override {
        return audited(Audited::mkdir, next().mkdir(parent, leaf, mode), [&] { return path_of(parent, leaf); });
    }
    Result<void, int> unlink(const File& parent, const char* leaf) override {
        return audited(Audited::unlink, next().unlink(parent, leaf), [&] { return path_of(parent, leaf); });
    }
    Result<void, int> rmdir(const File& parent, const char* leaf) override {
        return audited(Audited::rmdir, next().rmdir(parent, leaf), [&] { return path_of(parent, leaf); });
    }
    Result<void, int> rename(const File& parent, const char* leaf, const File& new_parent, const char* new_leaf, bool replace) override {
        return audited(Audited::rename, next().rename(parent, leaf, new_parent, new_leaf, replace),
                       [&] { return path_of(parent, leaf) + "|" + path_of(new_parent, new_leaf); });
    }
    Result<void, int> link(const File& file, const File& new_parent, const char* new_leaf) override {
        return audited(Audited::link, next().link(file, new_parent, new_leaf),
                       [&] { return path_of(file) + "|" + path_of(new_parent, new_leaf); });
    }
    Result<std::string, int> read_link(const File& parent, const char* leaf) override {
        return audited(Audited::read_link, next().read_link(parent, leaf), [&] { return path_of(parent, leaf); });
    }
    Result<Stat, int> stat(const File& file) override { return audited(Audited::stat, next().stat(file), file); }
    Result<Stat, int> stat_at(const File& parent, const char* leaf) override {
        return audited(Audited::stat_at, next().stat_at(parent, leaf), [&] { return path_of(parent, leaf); });
    }
    FileId file_id(const File& file, const Stat& stat) override;
    DosAttributes dos_attributes(const File& file, const Stat& stat, std::string_view leaf) override;
    DosAttributes dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) override;
    Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) override {
        return audited(Audited::set_dos_attributes, next().set_dos_attributes(file, stat, value), file);
    }
    Result<void, int> set_times(const File& file, const timespec& access, const timespec& write) override {
        return audited(Audited::set_times, next().set_times(file, access, write), file);
    }
    Result<void, int> chmod(const File& file, mode_t mode) override { return audited(Audited::chmod, next().chmod(file, mode), file); }
    Result<void, int> chown(const File& file, uid_t uid, gid_t gid) override {
        return audited(Audited::chown, next().chown(file, uid, gid), file);
    }
    Result<Space, int> space(const File& file) override { return audited(Audited::space, next().space(file), file); }
    Result<void, int> set_compressed(const File& file, bool compressed) override {
        return audited(Audited::set_compressed, next().set_compressed(file, compressed), file);
    }
    Result<void, int> get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) override {
        return audited(Audited::get_descriptor, next().get_descriptor(file, stat, out), file);
    }
    Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                     const security::SecurityDescriptor& value) override {
        return audited(Audited::set_descriptor, next().set_descriptor(file, stat, parts, value),
                       [&] { return path_of(file) + (log_descriptors_ ? " [" + security::to_sddl(value) + "]" : std::string()); });
    }
    Result<size_t, int> get_xattr(const File& file, const char* name, MutableBytes out) override {
        return audited(Audited::get_xattr, next().get_xattr(file, name, out), [&] { return path_of(file) + "|" + name; });
    }
    Result<void, int> set_xattr(const File& file, const char* name, Bytes value) override {
        return audited(Audited::set_xattr, next().set_xattr(file, name, value), [&] { return path_of(file) + "|" + name; });
    }
    Result<void, int> remove_xattr(const File& file, const char* name) override {
        return audited(Audited::remove_xattr, next().remove_xattr(file, name), [&] { return path_of(file) + "|" + name; });
    }
    Result<size_t, int> list_xattr(const File& file, MutableBytes out) override {
        return audited(Audited::list_xattr, next().list_xattr(file, out), file);
    }
    Result<size_t, int> get_xattr_at(const File& parent, const char* leaf, const char* name, MutableBytes out) override {
        return audited(Audited::get_xattr, next().get_xattr_at(parent, leaf, name, out),
                       [&] { return path_of(parent, leaf) + "|" + name; });
    }
    Result<size_t, int> list_xattr_at(const File& parent, const char* leaf, MutableBytes out) override {
        return audited(Audited::list_xattr, next().list_xattr_at(parent, leaf, out), [&] { return path_of(parent, leaf); });
    }
    Result<File, int> open_stream(const File& file, std::string& name, const OpenHow& how) override {
        return audited(Audited::open_stream, next().open_stream(file, name, how),
                       [&] { return mode_of(how) + path_of(file) + ":" + name; });
    }
    Result<void, int> remove_stream(const File& file, const std::string& stored) override {
        return audited(Audited::remove_stream, next().remove_stream(file, stored), [&] { return path_of(file) + ":" + stored; });
    }
    Result<void, int> rename_stream(const File& file, const std::string& stored, const std::string& new_name) override {
        return audited(Audited::rename_stream, next().rename_stream(file, stored, new_name),
                       [&] { return path_of(file) + ":" + stored + "|" + path_of(file) + ":" + new_name; });
    }
    Result<void, int> list_streams(const File& file, std::vector<StreamInfo>& out) override {
        return audited(Audited::list_streams, next().list_streams(file, out), file);
    }
    Result<void, int> list_snapshots(const std::string& path, std::vector<int64_t>& times) override {
        return audited(Audited::list_snapshots, next().list_snapshots(path, times), [&] { return below_root(path.c_str()); });
    }
    Result<size_t, int> pread(const File& file, MutableBytes out, uint64_t offset) override {
        return audited(Audited::pread, next().pread(file, out, offset), file);
    }
    Result<size_t, int> pread_cached(const File& file, MutableBytes out, uint64_t offset) override;
    Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) override {
        return audited(Audited::pwrite, next().pwrite(file, data, offset), file);
    }
    Result<void, int> fsync(const File& file) override { return audited(Audited::fsync, next().fsync(file), file); }
    Result<void, int> truncate(const File& file, uint64_t size) override {
        return audited(Audited::truncate, next().truncate(file, size), file);
    }
    Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) override {
        return audited(Audited::allocate, next().allocate(file, how, offset, length), file);
    }
    Result<size_t, int> copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) override {
        return audited(Audited::copy_range, next().copy_range(source, from, target, to, length),
                       [&] { return path_of(source) + "|" + path_of(target); });
    }
    Result<void, int> clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) override {
        return audited(Audited::copy_range, next().clone_range(source, from, target, to, length),
                       [&] { return path_of(source) + "|" + path_of(target); });
    }
    Result<uint64_t, int> seek(const File& file, Seek what, uint64_t offset) override {
        return audited(Audited::seek, next().seek(file, what, offset), file);
    }
    Result<void, int> lock_range(const File& file, RangeLock lock, uint64_t offset, uint64_t length) override {
        return audited(Audited::lock_range, next().lock_range(file, lock, offset, length), file);
    }
    Result<size_t, int> read_directory(const File& directory, MutableBytes out) override {
        return audited(Audited::read_directory, next().read_directory(directory, out), directory);
    }

 private:
    [[nodiscard]] std::string below_root(const char* path) const { return *path == '\0' ? root_path_ : root_path_ + "/" + path; }
    // "" as result: "ok"
    void write(const char* operation, const std::string& error, const std::string& what) const;
    template <class T, class What>
    Result<T, int> audited(Audited operation, Result<T, int> result, What what) const {
        const char* name = (result ? success_ : failure_).name(operation);
        if (name != nullptr) write(name, result ? std::string() : error_text(result.error()), what());
        return result;
    }
    template <class T>
    Result<T, int> audited(Audited operation, Result<T, int> result, const File& file) const {
        return audited(operation, std::move(result), [&] { return path_of(file); });
    }

    AuditSelection success_, failure_;
    std::string prefix_, root_path_;
    int priority_ = LOG_USER | LOG_NOTICE;
    bool to_syslog_ = true, log_descriptors_ = false;
};

FullAudit::FullAudit(std::unique_ptr<Vfs> below) : Module(std::move(below)) {
    const Options& o = options();
    auto success = AuditSelection::parse(option_list(o, "full_audit:success"));
    auto failure = AuditSelection::parse(option_list(o, "full_audit:failure"));
    ATOLL_ASSERT(success && failure);  // check_full_audit
    success_ = *success;
    failure_ = *failure;
    prefix_ = expanded_text(o, "full_audit:prefix", "%u|%I");
    to_syslog_ = option_flag(o, "full_audit:syslog", true);
    log_descriptors_ = option_flag(o, "full_audit:log_secdesc", false);
    const std::string facility = option_text(o, "full_audit:facility", "user"), priority = option_text(o, "full_audit:priority", "notice");
    if (syslog_facility(facility) < 0) log_warning("share '{}': full_audit:facility = '{}' is none: it is USER", o.share, facility);
    if (syslog_priority(priority) < 0) log_warning("share '{}': full_audit:priority = '{}' is none: it is NOTICE", o.share, priority);
    priority_ = (syslog_facility(facility) < 0 ? LOG_USER : syslog_facility(facility)) |
                (syslog_priority(priority) < 0 ? LOG_NOTICE : syslog_priority(priority));
    root_path_ = path_of(root());
    if (to_syslog_) ::openlog("smbd_audit", 0, LOG_USER);  // nobody else in this process writes there
    if (const char* name = success_.name(Audited::connect)) write(name, {}, o.share);
}

void FullAudit::write(const char* operation, const std::string& error, const std::string& what) const {
    const std::string result = error.empty() ? "ok" : "fail (" + error + ")";
    if (to_syslog_) {
        ::syslog(priority_, "%s|%s|%s|%s", prefix_.c_str(), operation, result.c_str(), what.c_str());
    } else {
        log_at(LogLevel::warning, "smbd_audit: {}|{}|{}|{}", prefix_, operation, result, what);
    }
}

void FullAudit::note_create(const std::string& path, bool directory, uint32_t access, uint32_t disposition, NtStatus status) {
    next().note_create(path, directory, access, disposition, status);
    const bool ok = status == NtStatus::SUCCESS;
    const char* name = (ok ? success_ : failure_).name(Audited::create_file);
    if (name == nullptr) return;
    std::array<char, 16> mask;
    std::snprintf(mask.data(), mask.size(), "0x%x", access);
    write(name, ok ? std::string() : to_string(status),
          std::string(mask.data()) + (directory ? "|dir|" : "|file|") + disposition_name(disposition) + "|" + below_root(path.c_str()));
}

FileId FullAudit::file_id(const File& file, const Stat& stat) {
    const FileId id = next().file_id(file, stat);
    if (const char* name = success_.name(Audited::file_id)) write(name, {}, path_of(file));
    return id;
}

DosAttributes FullAudit::dos_attributes(const File& file, const Stat& stat, std::string_view leaf) {
    if (const char* name = success_.name(Audited::dos_attributes)) write(name, {}, path_of(file));
    return next().dos_attributes(file, stat, leaf);
}

DosAttributes FullAudit::dos_attributes_at(const File& parent, const char* leaf, const Stat& stat) {
    if (const char* name = success_.name(Audited::dos_attributes)) write(name, {}, path_of(parent, leaf));
    return next().dos_attributes_at(parent, leaf, stat);
}

// That something is not in the cache is no failure to read it: pread follows.
Result<size_t, int> FullAudit::pread_cached(const File& file, MutableBytes out, uint64_t offset) {
    auto result = next().pread_cached(file, out, offset);
    if (!result && (result.error() == EAGAIN || result.error() == EOPNOTSUPP)) return result;
    return audited(Audited::pread, std::move(result), file);
}

}  // namespace

Result<void> check_full_audit(const Options& options) {
    for (const char* list : {"full_audit:success", "full_audit:failure"}) {
        if (auto parsed = AuditSelection::parse(option_list(options, list)); !parsed) return parsed.failure();
    }
    return {};
}

std::unique_ptr<Vfs> make_full_audit(std::unique_ptr<Vfs> next) { return std::make_unique<FullAudit>(std::move(next)); }

}  // namespace Atoll::vfs

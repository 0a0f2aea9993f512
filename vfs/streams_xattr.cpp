// streams_xattr: alternate data streams in extended attributes, in Samba's form (docs/formats/dosstream.md, vfs_streams_xattr(8)).
//
// A stream that is open is a descriptor of its file and the name of its attribute; its bytes are read and written with the whole
// attribute. A write changes what it has read, so writers keep each other out: threads by a mutex, processes by flock(2).
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/utf.h"
#include "vfs/module_options.h"
#include "vfs/modules.h"

namespace Atoll::vfs {

namespace {

constexpr size_t max_value = 65536;          // XATTR_SIZE_MAX of Linux
constexpr size_t max_size = max_value - 1;   // one byte is the NUL's
constexpr size_t usual_names = 1024;         // bytes of attributes' names that fit without an allocation
constexpr unsigned max_lock_attempts = 100;  // of a millisecond each: another writer needs microseconds
constexpr std::string_view type_suffix = ":$DATA";

struct OpenStream : FileExtension {
    std::string xattr;
};

const std::string& xattr_of(const File& file) { return static_cast<const OpenStream&>(*file.extension).xattr; }

// The value of an attribute, and room for the largest there is. One for each thread, so that reading and writing allocate nothing.
MutableBytes scratch() {
    static thread_local std::vector<uint8_t> bytes(max_value);
    return bytes;
}

size_t size_of(size_t value) { return value == 0 ? 0 : value - 1; }

// What does not fit into an attribute, or into a file's attributes.
int full(int error) { return error == E2BIG || error == ERANGE || error == ENOSPC ? ENOSPC : error; }

// Keeps writers of other processes out. Somebody else, who locks files for reasons of his own, is waited for a tenth of a second.
class WriteLock {
 public:
    WriteLock(std::mutex& mutex, const File& file) : threads_(mutex), fd_(file.path_only ? -1 : file.fd.get()) {
        for (unsigned i = 0; fd_ >= 0 && i < max_lock_attempts; i++) {
            if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
            if (errno != EWOULDBLOCK) break;
            const timespec moment{0, 1'000'000};
            (void)::nanosleep(&moment, nullptr);
        }
        fd_ = -1;
    }
    ~WriteLock() {
        if (fd_ >= 0) (void)::flock(fd_, LOCK_UN);
    }
    WriteLock(const WriteLock&) = delete;
    WriteLock& operator=(const WriteLock&) = delete;

 private:
    std::scoped_lock<std::mutex> threads_;
    int fd_;
};

class StreamsXattr final : public Module {
 public:
    explicit StreamsXattr(std::unique_ptr<Vfs> below) : Module(std::move(below)) {
        prefix_ = option_text(options(), "streams_xattr:prefix", "user.DosStream.");
        if (option_flag(options(), "streams_xattr:store_stream_type", true)) suffix_ = type_suffix;
        if (option_number(options(), "streams_xattr:max xattrs per stream", 1) != 1)
            log_warning("share '{}': streams_xattr:max xattrs per stream does not count: a stream is one attribute", options().share);
    }

    bool has_streams() const override { return true; }
    Result<File, int> open_stream(const File& file, std::string& name, const OpenHow& how) override;
    Result<void, int> remove_stream(const File& file, const std::string& stored) override {
        return next().remove_xattr(file, xattr(stored).c_str());
    }
    Result<void, int> rename_stream(const File& file, const std::string& stored, const std::string& new_name) override;
    Result<void, int> list_streams(const File& file, std::vector<StreamInfo>& out) override;
    bool owns_xattr(std::string_view name) const override {
        return equal_ignoring_case(name.substr(0, prefix_.size()), prefix_) || next().owns_xattr(name);
    }

    Result<File, int> reopen(const File& file, Access access) override;
    Result<Stat, int> stat(const File& file) override;
    Result<void, int> set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) override;
    Result<size_t, int> pread(const File& file, MutableBytes out, uint64_t offset) override;
    Result<size_t, int> pread_cached(const File& file, MutableBytes out, uint64_t offset) override;
    Result<size_t, int> pwrite(const File& file, Bytes data, uint64_t offset) override;
    Result<void, int> truncate(const File& file, uint64_t size) override;
    Result<void, int> allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) override;

 private:
    [[nodiscard]] std::string xattr(std::string_view name) const { return prefix_ + std::string(name) + suffix_; }
    template <class Visit>
    Result<void, int> for_each(const File& file, Visit visit);
    Result<void, int> find(const File& file, std::string& name);
    Result<size_t, int> size(const File& file, const char* xattr);
    Result<size_t, int> load(const File& stream, MutableBytes value);
    Result<void, int> store(const File& stream, MutableBytes value, size_t size);

    std::string prefix_, suffix_;
    std::mutex writing_;
};

// visit(name, xattr) of each stream; false ends it.
template <class Visit>
Result<void, int> StreamsXattr::for_each(const File& file, Visit visit) {
    std::array<uint8_t, usual_names> few;
    Buffer many;
    MutableBytes names = few;
    auto size = next().list_xattr(file, names);
    if (!size && size.error() == ERANGE) {
        many.resize(limits::max_xattr_names);
        names = many.mutable_bytes();
        size = next().list_xattr(file, names);
    }
    if (!size) return size.error() == EOPNOTSUPP ? Result<void, int>() : size.failure();
    std::string_view rest = as_text(names.first(*size));
    while (!rest.empty()) {
        const std::string_view xattr = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(xattr.size() + 1, rest.size()));
        if (!xattr.starts_with(prefix_) || !xattr.ends_with(suffix_) || xattr.size() <= prefix_.size() + suffix_.size()) continue;
        const std::string_view name = xattr.substr(prefix_.size(), xattr.size() - prefix_.size() - suffix_.size());
        if (name.find(':') == std::string_view::npos && !visit(name, xattr.data())) break;
    }
    return {};
}

Result<size_t, int> StreamsXattr::size(const File& file, const char* xattr) {
    auto value = next().get_xattr(file, xattr, {});
    if (!value) return value;
    return size_of(*value);
}

// ENOENT if there is none of that name, in whatever case.
Result<void, int> StreamsXattr::find(const File& file, std::string& name) {
    auto exact = size(file, xattr(name).c_str());
    if (exact) return {};
    if (exact.error() == ERANGE) return ENAMETOOLONG;
    if (exact.error() != ENODATA) return exact.error() == EOPNOTSUPP ? ENOENT : exact.error();
    if (options().case_sensitive) return ENOENT;
    bool found = false;
    auto r = for_each(file, [&](std::string_view there, const char*) {
        found = equal_ignoring_case(there, name);
        if (found) name.assign(there);
        return !found;
    });
    if (!r) return r;
    return found ? Result<void, int>() : Result<void, int>(ENOENT);
}

Result<File, int> StreamsXattr::open_stream(const File& file, std::string& name, const OpenHow& how) {
    auto found = find(file, name);
    if (found && how.create) return EEXIST;
    if (!found && (found.error() != ENOENT || !how.create)) return found.failure();
    // Any descriptor that is no O_PATH one will do, since the kernel checks the right to write an attribute when it is written. EAGAIN: a
    // lease of the kernel on the file (`kernel oplocks`), which is not about its attributes.
    auto opened = next().reopen(file, how.access == Access::path ? Access::path : Access::read);
    if (!opened && (opened.error() == EACCES || opened.error() == EAGAIN)) opened = next().reopen(file, Access::path);
    if (!opened) return opened;
    auto extension = std::make_unique<OpenStream>();
    extension->xattr = xattr(name);
    opened->stream = true;
    opened->extension = std::move(extension);
    if (!found) {
        if (auto r = store(*opened, scratch(), 0); !r) return r.failure();
    }
    return opened;
}

Result<File, int> StreamsXattr::reopen(const File& file, Access access) {
    auto opened = next().reopen(file, !file.stream || access == Access::path ? access : Access::read);
    if (!opened && file.stream && opened.error() == EAGAIN) opened = next().reopen(file, Access::path);
    if (!opened || !file.stream) return opened;
    auto extension = std::make_unique<OpenStream>();
    extension->xattr = xattr_of(file);
    opened->stream = true;
    opened->extension = std::move(extension);
    return opened;
}

Result<void, int> StreamsXattr::rename_stream(const File& file, const std::string& stored, const std::string& new_name) {
    const MutableBytes value = scratch();
    auto got = next().get_xattr(file, xattr(stored).c_str(), value);
    if (!got) return got.failure();
    std::string replaced = new_name;
    const bool target = find(file, replaced).ok() && replaced != stored && replaced != new_name;
    if (auto r = next().set_xattr(file, xattr(new_name).c_str(), value.first(*got)); !r) return full(r.error());
    if (target) {
        if (auto r = next().remove_xattr(file, xattr(replaced).c_str()); !r) return r;
    }
    return next().remove_xattr(file, xattr(stored).c_str());
}

Result<void, int> StreamsXattr::list_streams(const File& file, std::vector<StreamInfo>& out) {
    return for_each(file, [&](std::string_view name, const char* xattr) {
        const auto bytes = size(file, xattr);
        if (bytes) out.push_back({std::string(name), *bytes, *bytes});  // else it has gone meanwhile
        return true;
    });
}

// A stream that has been removed under its open has no link any more, like a file.
Result<Stat, int> StreamsXattr::stat(const File& file) {
    auto out = next().stat(file);
    if (!out || !file.stream) return out;
    const auto bytes = size(file, xattr_of(file).c_str());
    if (!bytes && bytes.error() != ENODATA) return bytes.failure();
    out->size = out->allocated = bytes ? *bytes : 0;
    if (!bytes) out->links = 0;
    out->mode = S_IFREG | (out->mode & 07777u);
    return out;
}

// They are the file's, which may be a directory.
Result<void, int> StreamsXattr::set_dos_attributes(const File& file, const Stat& stat, const DosAttributes& value) {
    if (!file.stream) return next().set_dos_attributes(file, stat, value);
    auto its = next().stat(file);
    if (!its) return its.failure();
    return next().set_dos_attributes(file, *its, value);
}

Result<size_t, int> StreamsXattr::load(const File& stream, MutableBytes value) {
    auto got = next().get_xattr(stream, xattr_of(stream).c_str(), value);
    if (!got) return got;
    return size_of(*got);
}

// `value` has room for one byte behind the stream's.
Result<void, int> StreamsXattr::store(const File& stream, MutableBytes value, size_t bytes) {
    value[bytes] = 0;
    auto r = next().set_xattr(stream, xattr_of(stream).c_str(), value.first(bytes + 1));
    if (!r) return full(r.error());
    return {};
}

Result<size_t, int> StreamsXattr::pread(const File& file, MutableBytes out, uint64_t offset) {
    if (!file.stream) return next().pread(file, out, offset);
    const MutableBytes value = scratch();
    auto there = load(file, value);
    if (!there) return there;
    if (offset >= *there) return size_t{0};
    const size_t n = std::min(out.size(), *there - static_cast<size_t>(offset));
    std::memcpy(out.data(), value.data() + offset, n);
    return n;
}

Result<size_t, int> StreamsXattr::pread_cached(const File& file, MutableBytes out, uint64_t offset) {
    return file.stream ? pread(file, out, offset) : next().pread_cached(file, out, offset);
}

Result<size_t, int> StreamsXattr::pwrite(const File& file, Bytes data, uint64_t offset) {
    if (!file.stream) return next().pwrite(file, data, offset);
    if (offset > max_size || data.size() > max_size - offset) return ENOSPC;
    const WriteLock lock(writing_, file);
    const MutableBytes value = scratch();
    auto there = load(file, value);
    if (!there) return there;
    const auto at = static_cast<size_t>(offset);
    if (at > *there) std::memset(value.data() + *there, 0, at - *there);
    std::memcpy(value.data() + at, data.data(), data.size());
    if (auto r = store(file, value, std::max(*there, at + data.size())); !r) return r.failure();
    return data.size();
}

Result<void, int> StreamsXattr::truncate(const File& file, uint64_t size) {
    if (!file.stream) return next().truncate(file, size);
    if (size > max_size) return ENOSPC;
    const WriteLock lock(writing_, file);
    const MutableBytes value = scratch();
    auto there = load(file, value);
    if (!there) return there.failure();
    if (size > *there) std::memset(value.data() + *there, 0, static_cast<size_t>(size) - *there);
    return store(file, value, static_cast<size_t>(size));
}

// Nothing can be set aside for a stream; that it will not fit can be told.
Result<void, int> StreamsXattr::allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) {
    if (!file.stream) return next().allocate(file, how, offset, length);
    if (how == Allocate::keep_size)
        return offset > max_size || length > max_size - offset ? Result<void, int>(ENOSPC) : Result<void, int>();
    const WriteLock lock(writing_, file);
    const MutableBytes value = scratch();
    auto there = load(file, value);
    if (!there) return there.failure();
    if (offset >= *there) return {};
    const size_t n = static_cast<size_t>(std::min<uint64_t>(length, *there - offset));
    std::memset(value.data() + offset, 0, n);
    return store(file, value, *there);
}

}  // namespace

std::unique_ptr<Vfs> make_streams_xattr(std::unique_ptr<Vfs> next) { return std::make_unique<StreamsXattr>(std::move(next)); }

}  // namespace Atoll::vfs

#include "smbd/fsa/reparse.h"

#include <array>

#include "base/bytes.h"
#include "base/loop/identity.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/create.h"
#include "smbd/fsa/kept_beside.h"
#include "smbd/fsa/limits.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

constexpr uint32_t changing = access::write_data | access::write_attributes;

using Value = std::array<uint8_t, limits::max_reparse_buffer>;

uint32_t tag_in(Result<size_t, int> size, const Value& value) {
    if (!size) return 0;
    const auto point = ReparsePoint::decode(Bytes(value).first(*size));
    return point ? point->tag : 0;
}

}  // namespace

Result<ReparsePoint, NtStatus> ReparsePoint::decode(Bytes buffer) {
    if (buffer.size() > limits::max_reparse_buffer) return NtStatus::IO_REPARSE_DATA_INVALID;
    ByteReader in(buffer);
    ReparsePoint out;
    out.tag = in.u32();
    const size_t length = in.u16();
    in.skip(2);
    if (!out.is_microsoft()) in.copy(out.guid.bytes);
    out.data = in.rest();
    if (!in.ok() || out.data.size() != length) return NtStatus::IO_REPARSE_DATA_INVALID;
    return out;
}

bool read_reparse_buffer(vfs::Vfs& vfs, const vfs::File& file, Buffer& out) {
    Value value;
    const auto size = vfs.get_xattr(file, reparse_xattr, value);
    if (!size) return false;
    out.assign(Bytes(value).first(*size));
    return true;
}

uint32_t reparse_tag(vfs::Vfs& vfs, const vfs::File& file) {
    Value value;
    return tag_in(vfs.get_xattr(file, reparse_xattr, value), value);
}

uint32_t reparse_tag(vfs::Vfs& vfs, const vfs::File& parent, const char* leaf) {
    Value value;
    return tag_in(vfs.get_xattr_at(parent, leaf, reparse_xattr, value), value);
}

// MS-FSA 2.1.5.10.14
Result<void, NtStatus> OpenFile::get_reparse_point(Buffer& out) {
    if (!share_->keeps_attributes()) return NtStatus::VOLUME_NOT_UPGRADED;
    if (auto r = refresh(); !r) return r;
    if ((attributes.attributes & attribute::reparse_point) == 0 || !read_reparse_buffer(vfs(), file, out))
        return NtStatus::NOT_A_REPARSE_POINT;
    return {};
}

Result<void, NtStatus> OpenFile::check_new_reparse_point(const ReparsePoint& point) {
    if (point.tag <= ReparsePoint::last_reserved) return NtStatus::IO_REPARSE_DATA_INVALID;  // MS-FSCC 2.3.82
    if (point.tag == ReparsePoint::mount_point && !directory) return NtStatus::NOT_A_DIRECTORY;
    if (name.empty()) return NtStatus::ACCESS_DENIED;  // the share's root: nobody could come back
    if (directory) {
        const auto empty = is_empty_directory();
        if (!empty) return empty.failure();
        if (!*empty) return NtStatus::DIRECTORY_NOT_EMPTY;
    }
    if (!directory && point.tag == ReparsePoint::symlink && stat.size != 0) return NtStatus::IO_REPARSE_DATA_INVALID;
    if ((attributes.attributes & attribute::reparse_point) == 0 && ea_length() != 0) return NtStatus::EAS_NOT_SUPPORTED;
    return {};
}

// What there is must be of the same kind. `if_none`: the file is no reparse point yet.
Result<void, NtStatus> OpenFile::check_same_reparse_point(const ReparsePoint& point, Result<void, NtStatus> if_none) {
    Buffer buffer;
    if ((attributes.attributes & attribute::reparse_point) == 0 || !read_reparse_buffer(vfs(), file, buffer)) return if_none;
    const auto existing = ReparsePoint::decode(buffer);
    if (!existing) return if_none;
    if (existing->tag != point.tag) return NtStatus::IO_REPARSE_TAG_MISMATCH;
    if (!point.is_microsoft() && existing->guid != point.guid) return NtStatus::REPARSE_ATTRIBUTE_CONFLICT;
    return {};
}

// MS-FSA 2.1.5.10.37. Who may make the file what it is to be may make it a symbolic link: POSIX knows no right of its own for that.
Result<void, NtStatus> OpenFile::set_reparse_point(Bytes buffer) {
    if ((granted & changing) == 0) return NtStatus::ACCESS_DENIED;
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    if (!share_->keeps_attributes()) return NtStatus::VOLUME_NOT_UPGRADED;
    const auto point = ReparsePoint::decode(buffer);
    if (!point) return point.failure();
    if (auto r = refresh(); !r) return r;
    if (auto r = check_new_reparse_point(*point); !r) return r;
    if (auto r = check_same_reparse_point(*point, {}); !r) return r;
    // The attribute last: what it announces is there.
    if (auto r = set_beside(vfs(), file, reparse_xattr, buffer); !r) return r;
    return mark_reparse_point(true);
}

// MS-FSA 2.1.5.10.3, MS-FSCC 2.3.6
Result<void, NtStatus> OpenFile::delete_reparse_point(Bytes buffer) {
    if ((granted & changing) == 0) return NtStatus::ACCESS_DENIED;
    if (share_->read_only()) return NtStatus::MEDIA_WRITE_PROTECTED;
    if (!share_->keeps_attributes()) return NtStatus::VOLUME_NOT_UPGRADED;
    const auto point = ReparsePoint::decode(buffer);
    if (!point || !point->data.empty()) return NtStatus::IO_REPARSE_DATA_INVALID;
    if (point->tag <= ReparsePoint::last_reserved) return NtStatus::IO_REPARSE_TAG_INVALID;
    if (auto r = refresh(); !r) return r;
    if (auto r = check_same_reparse_point(*point, NtStatus::NOT_A_REPARSE_POINT); !r) return r;
    if (auto r = mark_reparse_point(false); !r) return r;
    return remove_beside(vfs(), file, reparse_xattr);
}

Result<void, NtStatus> OpenFile::mark_reparse_point(bool set) {
    vfs::DosAttributes value = attributes;
    value.change_time = {};
    value.attributes = set ? value.attributes | attribute::reparse_point : value.attributes & ~attribute::reparse_point;
    if (!directory) value.attributes = (value.attributes | attribute::archive) & ~attribute::normal;
    if (auto r = store_attributes(value); !r) return r;
    report(NotifyAction::modified, set ? notify_filter::attributes : notify_filter::attributes | notify_filter::last_access);
    return refresh();
}

// MS-FSA 2.1.5.1, phase 6, and 2.1.5.1.2: a create goes no further than a reparse point. `rest`: of the path, in bytes of UTF-8.
Result<void, NtStatus> CreateOperation::stop_at(const vfs::File& file, size_t rest) {
    if (!share_.keeps_attributes()) return {};
    Buffer buffer;
    if (!read_reparse_buffer(vfs_, file, buffer)) return {};
    const auto point = ReparsePoint::decode(buffer);
    if (!point) return {};
    if (point->tag != ReparsePoint::symlink) return NtStatus::IO_REPARSE_TAG_NOT_HANDLED;
    if (params_.stopped_at != nullptr) *params_.stopped_at = {std::move(buffer), rest};
    return NtStatus::STOPPED_ON_SYMLINK;
}

Result<void, NtStatus> CreateOperation::stop_at_leaf() {
    if ((open_->attributes.attributes & attribute::reparse_point) == 0 || (params_.options & option::open_reparse_point) != 0) return {};
    return stop_at(open_->file, 0);
}

Result<void, NtStatus> CreateOperation::stop_at_parent() {
    const size_t length = vfs::parent_of(core_.parsed.path).size();
    if (length == 0) return {};
    return stop_at(core_.located.parent, params_.path.size() - length);
}

// A component is not there, or is no directory: is the last one that is there a reparse point? Always fails.
Result<void, NtStatus> CreateOperation::missing_component() {
    const std::string& path = core_.parsed.path;
    vfs::File last;
    size_t length = 0;
    std::string stored;
    for (size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
        auto file = share_.lookup().open(std::string_view(path).substr(0, end), {}, stored);
        if (!file) break;
        last = std::move(*file);
        length = end;
    }
    if (last.valid()) {
        if (auto r = stop_at(last, params_.path.size() - length); !r) return r;
    }
    return why_not_found(path);
}

}  // namespace Atoll::fsa

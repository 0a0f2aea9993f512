// Extended attributes: MS-FSA 2.1.5.12.12 and 2.1.5.15.6, docs/formats/extended_attributes.md.
#include "smbd/fsa/extended_attributes.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/limits.h"
#include "base/loop/identity.h"
#include "smbd/fsa/core.h"

namespace Atoll::fsa {

namespace {

constexpr std::string_view prefix = "user.";
constexpr uint8_t need_ea = 0x80;
constexpr size_t max_value = 0xFFFF;  // EaValueLength has 16 bits
constexpr size_t usual_names = 1024;  // bytes of names that fit without an allocation
constexpr size_t entry_alignment = 4;
constexpr size_t entry_fixed_size = 8 + 1;  // with the NUL behind the name
// Where another server that shares the volume, or this one with other modules, keeps what clients reach by other ways; where this one
// keeps it now its modules know (Vfs::owns_xattr). An NT ACL there must not be writable with FILE_WRITE_EA alone.
constexpr std::array<std::string_view, 7> reserved = {
    "DOSATTRIB", "NTACL", "SAMBA_PAI", "SAMBA_STREAMS", "org.netatalk.Metadata", "AtollReparsePoint", "AtollObjectId"};
constexpr std::string_view reserved_prefix = "DosStream.";

char fold(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool equal_names(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return fold(x) == fold(y); });
}

// `xattr`: the name with "user.".
bool is_reserved(const vfs::Vfs& vfs, std::string_view xattr) {
    const std::string_view name = xattr.substr(prefix.size());
    if (equal_names(name.substr(0, reserved_prefix.size()), reserved_prefix)) return true;
    return std::any_of(reserved.begin(), reserved.end(), [&](std::string_view r) { return equal_names(name, r); }) || vfs.owns_xattr(xattr);
}

// MS-FSCC 2.4.16, EaName
bool is_valid_name(std::string_view name) {
    if (name.empty() || name.size() > limits::max_ea_name_bytes) return false;
    return std::none_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || std::string_view("\\/:*?\"<>|,+=[];").find(c) != std::string_view::npos;
    });
}

// The xattrs of an open file, or of a name in a directory.
struct Source {
    vfs::Vfs& vfs;
    const vfs::File& file;
    const char* leaf = nullptr;

    [[nodiscard]] Result<size_t, int> list(MutableBytes out) const {
        return leaf != nullptr ? vfs.list_xattr_at(file, leaf, out) : vfs.list_xattr(file, out);
    }
    [[nodiscard]] Result<size_t, int> get(const char* xattr, MutableBytes out) const {
        return leaf != nullptr ? vfs.get_xattr_at(file, leaf, xattr, out) : vfs.get_xattr(file, xattr, out);
    }
};

// visit(name, xattr) for each that a client may see; `xattr` is the name with "user.". A file system without xattrs has none.
template <class Visit>
Result<void, int> for_each_name(const Source& source, Visit visit) {
    std::array<uint8_t, usual_names> few;
    Buffer many;
    MutableBytes names = few;
    auto size = source.list(names);
    if (!size && size.error() == ERANGE) {
        many.resize(limits::max_xattr_names);
        names = many.mutable_bytes();
        size = source.list(names);
    }
    if (!size) return size.error() == EOPNOTSUPP ? Result<void, int>() : size.failure();
    std::string_view rest = as_text(names.first(*size));
    while (!rest.empty()) {
        const std::string_view xattr = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(xattr.size() + 1, rest.size()));
        if (!xattr.starts_with(prefix)) continue;
        const std::string_view name = xattr.substr(prefix.size());
        if (is_valid_name(name) && !is_reserved(source.vfs, xattr)) visit(name, xattr.data());
    }
    return {};
}

// The length of a list with one entry more. Without a value there is no entry.
size_t with_entry(size_t length, size_t name, size_t value) {
    if (value == 0 || value > max_value) return length;
    return (length + entry_alignment - 1) / entry_alignment * entry_alignment + entry_fixed_size + name + value;
}

// Root: the right was checked when the file was opened; the file's mode, which asks for more, may have changed since or be a new file's
// that is closed to its maker.
template <class Call>
auto as_granted(Call call) {
    auto result = call();
    if (result || result.error() != EACCES) return result;
    const loop::RootScope root;
    return call();
}

// Names and values' sizes: what a file has, and will have.
struct Held {
    std::string name;
    size_t value;
};

Held& find_or_add(std::vector<Held>& held, std::string_view name) {
    const auto found = std::find_if(held.begin(), held.end(), [&](const Held& h) { return equal_names(h.name, name); });
    if (found != held.end()) return *found;
    return held.emplace_back(Held{std::string(name), 0});
}

NtStatus status_from_errno(int error) {
    switch (error) {
        case EOPNOTSUPP: return NtStatus::EAS_NOT_SUPPORTED;
        case E2BIG: return NtStatus::EA_TOO_LARGE;
        default: return nt_status_from_errno(error);
    }
}

}  // namespace

Result<void, NtStatus> check_extended_attributes(const vfs::Vfs& vfs, std::span<const ExtendedAttribute> list) {
    std::string xattr;
    for (const auto& ea : list) {
        if (!is_valid_name(ea.name) || (ea.flags & ~need_ea) != 0) return NtStatus::INVALID_EA_NAME;
        xattr.assign(prefix) += ea.name;
        if (is_reserved(vfs, xattr)) return NtStatus::ACCESS_DENIED;
    }
    return {};
}

Result<void, NtStatus> store_extended_attributes(vfs::Vfs& vfs, const vfs::File& file, std::span<const ExtendedAttribute> list) {
    if (list.empty()) return {};
    const Source source{vfs, file};
    std::vector<Held> held;
    const auto listed = for_each_name(source, [&](std::string_view name, const char* xattr) {
        const auto size = source.get(xattr, {});
        held.push_back({std::string(name), size ? *size : 0});
    });
    if (!listed) return status_from_errno(listed.error());
    for (const auto& ea : list) find_or_add(held, ea.name).value = ea.value.size();
    size_t length = 0;
    for (const auto& h : held) length = with_entry(length, h.name.size(), h.value);
    if (length > limits::max_ea_length) return NtStatus::EA_TOO_LARGE;

    std::string xattr;
    for (const auto& ea : list) {
        xattr.assign(prefix) += find_or_add(held, ea.name).name;
        const auto stored = as_granted(
            [&] { return ea.value.empty() ? vfs.remove_xattr(file, xattr.c_str()) : vfs.set_xattr(file, xattr.c_str(), ea.value); });
        if (!stored && stored.error() != ENODATA) return status_from_errno(stored.error());
    }
    return {};
}

uint32_t ShareRoot::ea_length(const vfs::File& file, const char* leaf) {
    if (!conf().ea_support) return 0;
    const Source source{*vfs_, file, leaf};
    size_t length = 0;
    const auto listed = for_each_name(source, [&](std::string_view name, const char* xattr) {
        const auto size = source.get(xattr, {});
        if (size) length = with_entry(length, name.size(), *size);
    });
    return listed ? static_cast<uint32_t>(length) : 0;
}

// MS-FSA 2.1.5.12.12
Result<void, NtStatus> OpenFile::get_extended_attributes(ExtendedAttributes& out) {
    out.clear();
    if ((granted & access::read_ea) == 0) return NtStatus::ACCESS_DENIED;
    if (!share_->conf().ea_support) return {};
    const Source source{vfs(), file};
    Buffer value(max_value);
    const auto listed = for_each_name(source, [&](std::string_view ea, const char* xattr) {
        value.resize(max_value);
        const auto size = as_granted([&] { return source.get(xattr, value.mutable_bytes()); });
        if (size && *size > 0)
            out.add(ea, value.bytes().first(*size));  // what went away meanwhile, or is too large to be said, is not there
    });
    if (!listed) return status_from_errno(listed.error());
    return {};
}

// MS-FSA 2.1.5.15.6
Result<void, NtStatus> OpenFile::set_extended_attributes(std::span<const ExtendedAttribute> list) {
    if ((granted & access::write_ea) == 0) return NtStatus::ACCESS_DENIED;
    if (!share_->conf().ea_support) return NtStatus::EAS_NOT_SUPPORTED;
    if ((attributes.attributes & attribute::reparse_point) != 0) return NtStatus::EAS_NOT_SUPPORTED;  // MS-FSA 2.1.5.15.6
    if (auto r = check_extended_attributes(vfs(), list); !r) return r;
    if (auto r = store_extended_attributes(vfs(), file, list); !r) return r;
    if (!list.empty()) report(NotifyAction::modified, notify_filter::ea);
    return add_archive_attribute();
}

}  // namespace Atoll::fsa

// `vfs objects = acl_xattr`: security descriptors kept whole in an extended attribute, as Samba's module of that name keeps them
// (vfs_acl_xattr(8), docs/formats/ntacl.md).

#include "base/log.h"
#include "base/loop/identity.h"
#include "base/utf.h"
#include "vfs/module_options.h"
#include "vfs/modules.h"
#include "vfs/nt_acl.h"
#include "vfs/posix_descriptor.h"
#include "vfs/remembered_xattrs.h"

namespace Atoll::vfs {

namespace {

constexpr size_t first_value = 1024, largest_value = 65536;  // XATTR_SIZE_MAX
constexpr mode_t mode_of_files = 0666, mode_of_directories = 0777;

using security::Ace;
namespace ace_flag = security::ace_flag;
namespace file_rights = security::file_rights;

bool ignores_system_acls(const Options& options) { return option_flag(options, "acl_xattr:ignore system acls", false); }

void add(security::Acl& acl, const Sid& sid, uint32_t mask, uint8_t flags = 0) {
    Ace& ace = acl.aces.emplace_back();
    ace.sid = sid;
    ace.mask = mask;
    ace.flags = flags;
}

// A class of the mode: reading brings execution along, since the modes of files say nothing of it.
uint32_t mask_of_class(uint32_t bits) {
    uint32_t mask = 0;
    if ((bits & 4) != 0) mask |= file_rights::generic_read | file_rights::generic_execute;
    if ((bits & 2) != 0) mask |= file_rights::generic_write;
    return mask;
}

// The owner's: who may read and write may everything.
uint32_t mask_of_owner(uint32_t bits) {
    constexpr uint32_t delete_right = 0x10000;
    if ((bits & 6) == 6) return file_rights::all;
    return (bits & 2) != 0 ? file_rights::generic_write | delete_right : mask_of_class(bits);
}

bool can_inherit(const security::Acl& acl) {
    for (const Ace& ace : acl.aces) {
        if ((ace.flags & (ace_flag::object_inherit | ace_flag::container_inherit)) != 0) return true;
    }
    return false;
}

class AclXattr final : public Module {
 public:
    explicit AclXattr(std::unique_ptr<Vfs> next);

    bool keeps_descriptors() const override { return true; }
    Result<void, int> get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) override;
    Result<void, int> set_descriptor(const File& file, const Stat& stat, uint32_t parts,
                                     const security::SecurityDescriptor& value) override;
    bool owns_xattr(std::string_view name) const override { return equal_ignoring_case(name, name_) || next().owns_xattr(name); }

 private:
    enum class Style { posix, windows, everyone };

    bool load(const File& file, const Stat& stat);
    void make_default(const Stat& stat, security::SecurityDescriptor& out);
    Result<void, int> make_from_system(const File& file, const Stat& stat, security::SecurityDescriptor& out);
    Result<void, int> read_system(const File& file, const Stat& stat);
    Result<bool, int> is_current(const File& file, const Stat& stat);
    Result<void, int> store(const File& file, const security::SecurityDescriptor& value);

    std::string name_;  // of the attribute
    bool ignore_system_acls_ = false;
    Style style_ = Style::posix;
    RememberedXattrs remembered_;
    Buffer value_;  // scratch, kept for capacity
    NtAcl stored_;
    PosixAcl access_, defaults_;
};

}  // namespace

std::unique_ptr<Vfs> make_acl_xattr(std::unique_ptr<Vfs> next) { return std::make_unique<AclXattr>(std::move(next)); }

// vfs_acl_xattr(8): `ignore system acls` makes modes of new files and the mapping of DOS attributes the module's own.
void prepare_acl_xattr(Options& options) {
    options.force_unknown_acl_user = true;
    options.dos_filemode = true;
    if (!ignores_system_acls(options)) return;
    options.create_mask = mode_of_files;
    options.directory_mask = mode_of_directories;
    options.map_archive = options.map_hidden = options.map_system = false;
    options.map_readonly = MapReadonly::no;
    options.store_dos_attributes = true;
}

AclXattr::AclXattr(std::unique_ptr<Vfs> next_one) : Module(std::move(next_one)), remembered_(root().fd.get()) {
    const Options& o = options();
    // Only root may write security.*; an unprivileged server has no other place than the user's own.
    name_ = option_text(o, "acl_xattr:security_acl_name", loop::is_privileged() ? "security.NTACL" : "user.NTACL");
    ignore_system_acls_ = ignores_system_acls(o);
    const std::string style = option_text(o, "acl_xattr:default acl style", "posix");
    if (equal_ignoring_ascii_case(style, "windows"))
        style_ = Style::windows;
    else if (equal_ignoring_ascii_case(style, "everyone"))
        style_ = Style::everyone;
    else if (!equal_ignoring_ascii_case(style, "posix"))
        log_warning("share '{}': acl_xattr:default acl style = '{}' is none of posix, windows, everyone: posix it is", o.share, style);
}

// The stored descriptor into stored_. False: there is none that can be read.
bool AclXattr::load(const File& file, const Stat& stat) {
    if (const auto known = remembered_.find(stat)) return !known->empty() && decode_nt_acl(*known, stored_);
    if (value_.size() < first_value) value_.resize(first_value);
    auto size = next().get_xattr(file, name_.c_str(), {value_.data(), value_.size()});
    if (!size && size.error() == ERANGE) {
        value_.resize(largest_value);
        size = next().get_xattr(file, name_.c_str(), {value_.data(), value_.size()});
    }
    if (size || size.error() == ENODATA) remembered_.remember(stat, value_.bytes().first(size ? *size : 0));
    return size && decode_nt_acl(value_.bytes().first(*size), stored_);
}

Result<void, int> AclXattr::get_descriptor(const File& file, const Stat& stat, security::SecurityDescriptor& out) {
    const bool there = load(file, stat);
    if (ignore_system_acls_) {
        if (there)
            out = stored_.descriptor;
        else
            make_default(stat, out);
        return {};
    }
    if (there) {
        auto current = is_current(file, stat);
        if (!current) return current.failure();
        if (*current) {
            out = stored_.descriptor;
            return {};
        }
    }
    return make_from_system(file, stat, out);
}

// vfs_acl_xattr(8), "default acl style"
void AclXattr::make_default(const Stat& stat, security::SecurityDescriptor& out) {
    security::IdMap& ids = *options().ids;
    out = {};
    out.control = security::control::dacl_present;
    out.owner = ids.user_sid(stat.uid);
    out.group = ids.group_sid(stat.gid);
    security::Acl& acl = out.dacl.emplace();
    switch (style_) {
        case Style::everyone: return add(acl, well_known::everyone, file_rights::all);
        case Style::windows: add(acl, *out.owner, file_rights::all); break;
        case Style::posix:
            add(acl, *out.owner, mask_of_owner(stat.mode >> 6 & 7));
            if (const uint32_t mask = mask_of_class(stat.mode >> 3 & 7); mask != 0) add(acl, *out.group, mask);
            if (const uint32_t mask = mask_of_class(stat.mode & 7); mask != 0) add(acl, well_known::everyone, mask);
            break;
    }
    add(acl, well_known::system, file_rights::all);
}

// POSIX rights as Windows sees them, and what a directory's children inherit where no one has said it.
Result<void, int> AclXattr::make_from_system(const File& file, const Stat& stat, security::SecurityDescriptor& out) {
    if (auto r = next().get_descriptor(file, stat, out); !r) return r;
    out.control = static_cast<uint16_t>(out.control & ~security::control::dacl_protected);
    if (!out.dacl) return {};
    if (!stat.is_directory() || can_inherit(*out.dacl)) return {};
    constexpr uint8_t for_children = ace_flag::object_inherit | ace_flag::container_inherit | ace_flag::inherit_only;
    const auto mask = [&](uint32_t bits) { return bits == 7 ? file_rights::all : mask_of_class(bits); };
    const uint32_t mode = options().directory_mask | options().force_directory_mode;
    add(*out.dacl, well_known::creator_owner, mask(mode >> 6 & 7), for_children);
    add(*out.dacl, well_known::creator_group, mask(mode >> 3 & 7), for_children);
    add(*out.dacl, well_known::everyone, mask(mode & 7), for_children);
    return {};
}

Result<void, int> AclXattr::read_system(const File& file, const Stat& stat) {
    return read_posix_acls(next(), file, stat, access_, defaults_);
}

// Whether the file's POSIX rights still are those that the stored descriptor was made for: after a local chmod they are not, and count.
Result<bool, int> AclXattr::is_current(const File& file, const Stat& stat) {
    if (stored_.version < 3) return true;  // these have no hash that could say otherwise
    if (stored_.version != 4 || stored_.description != posix_acl_description) return false;
    if (auto r = read_system(file, stat); !r) return r.failure();
    NtAclHash hash;
    hash_posix_rights({stat, access_, defaults_}, hash);
    return hash == stored_.system_hash;
}

Result<void, int> AclXattr::store(const File& file, const security::SecurityDescriptor& value) {
    Buffer bytes;
    if (ignore_system_acls_) {
        encode_nt_acl(value, bytes);
    } else {
        auto stat = next().stat(file);
        if (!stat) return stat.failure();
        if (auto r = read_system(file, *stat); !r) return r;
        security::SecurityDescriptor mapped;
        if (!descriptor_of_posix({*stat, access_, defaults_}, mapping_options(options()), *options().ids, mapped)) return ENOSPC;
        NtAclHash mapped_hash, system_hash;
        hash_descriptor(mapped, mapped_hash);
        hash_posix_rights({*stat, access_, defaults_}, system_hash);
        encode_nt_acl(value, mapped_hash, system_hash, NtTime::now(), bytes);
    }
    if (bytes.size() > largest_value) return ENOSPC;
    // Root: the right to change the descriptor was checked by whoever calls; the kernel keeps security.* for root.
    const loop::RootScope root;
    return next().set_xattr(file, name_.c_str(), bytes);
}

Result<void, int> AclXattr::set_descriptor(const File& file, const Stat& stat, uint32_t parts, const security::SecurityDescriptor& value) {
    if (!ignore_system_acls_) {
        if (auto r = next().set_descriptor(file, stat, parts, value); !r) return r;
    } else if (auto r = set_posix_owner(next(), file, stat, parts, value); !r) {
        return r;
    }
    return store(file, value);
}

}  // namespace Atoll::vfs

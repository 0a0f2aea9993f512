#include "vfs/share_options.h"

namespace Atoll::vfs {

namespace {

MapReadonly map_readonly_of(conf::MapReadonly value) {
    switch (value) {
        case conf::MapReadonly::no: return MapReadonly::no;
        case conf::MapReadonly::yes: return MapReadonly::yes;
        case conf::MapReadonly::permissions: return MapReadonly::permissions;
    }
    return MapReadonly::no;
}

MangledNames mangled_names_of(conf::MangledNames value) {
    switch (value) {
        case conf::MangledNames::no: return MangledNames::no;
        case conf::MangledNames::illegal: return MangledNames::illegal;
        case conf::MangledNames::yes: return MangledNames::yes;
    }
    return MangledNames::illegal;
}

}  // namespace

Options options_of(const conf::ShareConf& share, std::string path) {
    Options o;
    o.share = share.name;
    o.path = std::move(path);
    o.modules = share.vfs_objects;
    o.follow_symlinks = share.follow_symlinks;
    o.wide_links = share.wide_links;
    o.case_sensitive = share.case_sensitive == conf::Tristate::yes;
    o.mangled_names = mangled_names_of(share.mangled_names);
    o.mangling_char = share.mangling_char;
    o.store_dos_attributes = share.store_dos_attributes;
    o.map_archive = share.map_archive;
    o.map_hidden = share.map_hidden;
    o.map_system = share.map_system;
    o.map_readonly = map_readonly_of(share.map_readonly);
    o.hide_dot_files = share.hide_dot_files;
    o.create_mask = share.create_mask;
    o.force_create_mode = share.force_create_mode;
    o.directory_mask = share.directory_mask;
    o.force_directory_mode = share.force_directory_mode;
    o.inherit_permissions = share.inherit_permissions;
    o.dos_filemode = share.dos_filemode;
    o.strict_allocate = share.strict_allocate;
    o.acl_map_full_control = share.acl_map_full_control;
    o.force_unknown_acl_user = share.force_unknown_acl_user;
    o.map_acl_inherit = share.map_acl_inherit;
    const auto algorithm = share.section.option("fileid:algorithm");
    o.fileid_algorithm = algorithm ? *algorithm : share.section.option("fileid:mapping").value_or("");
    o.parametric = [section = share.section](std::string_view name) { return section.option(name).value_or(""); };
    return o;
}

}  // namespace Atoll::vfs

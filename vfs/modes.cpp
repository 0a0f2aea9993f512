#include "vfs/modes.h"

#include <sys/stat.h>

#include "vfs/dos_attributes.h"

namespace Atoll::vfs {

mode_t mode_of_new_file(const Options& options, uint32_t attributes, const Stat& parent, bool by_default_acl) {
    if (by_default_acl) return (0777 & options.create_mask) | options.force_create_mode;
    mode_t mode = 0666;
    if (options.map_readonly == MapReadonly::yes && !options.store_dos_attributes && (attributes & attribute::readonly) != 0) mode = 0444;
    if (options.map_archive && (attributes & attribute::archive) != 0) mode |= S_IXUSR;
    if (options.map_system && (attributes & attribute::system) != 0) mode |= S_IXGRP;
    if (options.map_hidden && (attributes & attribute::hidden) != 0) mode |= S_IXOTH;
    // smb.conf(5), "inherit permissions": read and write bits are the parent's, execute bits still come from the maps.
    if (options.inherit_permissions) return (parent.mode & 0666 & mode) | (mode & 0111);
    return (mode & options.create_mask) | options.force_create_mode;
}

mode_t mode_of_new_directory(const Options& options, const Stat& parent, bool by_default_acl) {
    if (options.inherit_permissions && !by_default_acl)
        return parent.mode & 07777 & ~static_cast<mode_t>(S_ISUID);  // the set-gid bit is inherited, set-uid never
    return (0777 & options.directory_mask) | options.force_directory_mode;
}

}  // namespace Atoll::vfs

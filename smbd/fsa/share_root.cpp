#include "smbd/fsa/share_root.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/fsa/command.h"
#include "smbd/fsa/quota_command.h"
#include "smbd/fsa/rights.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

// MS-FSCC 2.5.1
constexpr uint32_t fs_case_sensitive_search = 0x1, fs_case_preserved_names = 0x2, fs_unicode_on_disk = 0x4, fs_persistent_acls = 0x8,
                   fs_file_compression = 0x10, fs_volume_quotas = 0x20, fs_supports_sparse_files = 0x40, fs_supports_reparse_points = 0x80,
                   fs_supports_object_ids = 0x10000, fs_named_streams = 0x40000, fs_read_only_volume = 0x80000,
                   fs_supports_hard_links = 0x400000, fs_supports_extended_attributes = 0x800000, fs_supports_block_refcounting = 0x8000000;

uint32_t hash(std::string_view text) {  // FNV-1a; a share's serial number must be the same on every node and after every restart
    uint32_t h = 0x811c9dc5;
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x01000193;
    return h;
}

std::unique_ptr<vfs::Quotas> make_quotas(const ShareParams& params, vfs::Vfs& vfs) {
    if (params.get_quota_command.empty()) return vfs::kernel_quotas(vfs.root());
    return command_quotas(vfs.root(), params.get_quota_command, params.set_quota_command);
}

// What `dfree command` says: blocks, blocks that are available, and perhaps the bytes of a block.
Result<vfs::Space, int> command_space(const std::string& command, const vfs::File& root, vfs::Space space) {
    constexpr size_t least = 2;
    const std::vector<std::string> arguments{"."};
    auto output = run_command(command, arguments, root.fd.get());
    if (!output) return output.failure();
    const auto numbers = numbers_of_line(*output);
    if (numbers.size() < least || numbers[0] < 0 || numbers[1] < 0) return EIO;
    space.block_size = numbers.size() > least && numbers[least] > 0 ? static_cast<uint64_t>(numbers[least]) : 1024;
    space.blocks = static_cast<uint64_t>(numbers[0]);
    space.blocks_free = space.blocks_available = static_cast<uint64_t>(numbers[1]);
    return space;
}

}  // namespace

ShareRoot::ShareRoot(ShareParams params, std::unique_ptr<vfs::Vfs> vfs)
    : params_(std::move(params)),
      vfs_(std::move(vfs)),
      lookup_(*vfs_),
      quotas_(make_quotas(params_, *vfs_), vfs_->options().ids != nullptr ? *vfs_->options().ids : unix_ids_),
      veto_(params_.veto_files, vfs_->options().case_sensitive),
      hide_(params_.hide_files, vfs_->options().case_sensitive),
      veto_oplocks_(params_.veto_oplock_files, vfs_->options().case_sensitive) {
    const int64_t configured = params_.conf->volume_serial_number;
    auto real = fsa::real_path(vfs_->root());
    real_path_ = real ? std::move(*real) : params_.path;
    serial_ = configured >= 0 ? static_cast<uint32_t>(configured) : hash(params_.conf->name);
}

Result<void, NtStatus> ShareRoot::check_veto(std::string_view path) const {
    if (veto_.empty()) return {};
    while (!path.empty()) {
        const size_t slash = path.find('/');
        const bool last = slash == std::string_view::npos;
        if (veto_.matches(path.substr(0, slash))) return last ? NtStatus::OBJECT_NAME_NOT_FOUND : NtStatus::OBJECT_PATH_NOT_FOUND;
        path = last ? std::string_view() : path.substr(slash + 1);
    }
    return {};
}

void ShareRoot::hide(vfs::DosAttributes& attributes, std::string_view leaf) const {
    if (hides(leaf)) attributes.attributes = (attributes.attributes & ~attribute::normal) | attribute::hidden;
}

vfs::DosAttributes ShareRoot::attributes(const vfs::File& file, const vfs::Stat& stat, std::string_view leaf) {
    auto out = vfs_->dos_attributes(file, stat, leaf);
    hide(out, leaf);
    return out;
}

vfs::DosAttributes ShareRoot::attributes_at(const vfs::File& parent, const char* leaf, const vfs::Stat& stat) {
    auto out = vfs_->dos_attributes_at(parent, leaf, stat);
    hide(out, leaf);
    return out;
}

uint32_t ShareRoot::maximal_access() {
    // Where files' descriptors decide, the share itself keeps nobody from anything but writing.
    if (decides_by_descriptor()) return read_only() ? access::all & ~changing_access : access::all;
    auto stat = vfs_->stat(vfs_->root());
    if (!stat) return 0;
    return rights_of(*this, vfs_->root(), *stat, std::string_view(), 0);
}

// MS-FSA 2.1.5.13.1, .5, .10; MS-FSCC 2.5
Result<VolumeInfo, NtStatus> ShareRoot::volume() {
    auto space = vfs_->space(vfs_->root());
    if (!space) return nt_status_from_errno(space.error());
    auto stat = vfs_->stat(vfs_->root());
    if (!stat) return nt_status_from_errno(stat.error());
    VolumeInfo v;
    v.label = conf().volume.empty() ? name() : conf().volume;
    v.serial_number = serial_;
    v.creation_time = vfs_->dos_attributes(vfs_->root(), *stat, {}).create_time;
    v.file_system_name = conf().fstype;
    v.attributes = fs_case_sensitive_search | fs_case_preserved_names | fs_unicode_on_disk | fs_supports_hard_links;
    if (conf().nt_acl_support) v.attributes |= fs_persistent_acls;
    const vfs::Features features = vfs_->features();
    if (features.compression) v.attributes |= fs_file_compression;
    if (features.sparse) v.attributes |= fs_supports_sparse_files;
    if (features.clone) v.attributes |= fs_supports_block_refcounting;
    if (conf().ea_support) v.attributes |= fs_supports_extended_attributes;
    if (vfs_->has_streams()) v.attributes |= fs_named_streams;
    if (keeps_attributes()) v.attributes |= fs_supports_reparse_points | fs_supports_object_ids;
    if (quotas_.kept()) v.attributes |= fs_volume_quotas;
    if (read_only() || space->read_only) v.attributes |= fs_read_only_volume;
    v.max_component_length = std::min<uint32_t>(space->name_max, 255);
    const uint64_t volume = vfs_->file_id(vfs_->root(), *stat).volume;
    std::memcpy(v.object_id.bytes.data(), &volume, sizeof volume);
    std::memcpy(v.object_id.bytes.data() + 8, &serial_, sizeof serial_);
    return v;
}

// With `dfree command` and `dfree cache time`. A command that fails is as if it were not there: it says why on standard error.
Result<vfs::Space, int> ShareRoot::space() {
    const auto now = std::chrono::steady_clock::now();
    if (space_at_ && now - *space_at_ < std::chrono::seconds(conf().dfree_cache_time_seconds)) return space_;
    auto space = vfs_->space(vfs_->root());
    if (!space) return space;
    if (!conf().dfree_command.empty()) {
        if (auto told = command_space(conf().dfree_command, vfs_->root(), *space)) {
            space = told;
        } else {
            log_warning("share '{}': dfree command: {}", name(), std::strerror(told.error()));
        }
    }
    if (conf().dfree_cache_time_seconds != 0) {
        space_ = *space;
        space_at_ = now;
    }
    return space;
}

// MS-FSA 2.1.5.13.4, .6; free space is the caller's
Result<VolumeSize, NtStatus> ShareRoot::size() {
    auto space = this->space();
    if (!space) return nt_status_from_errno(space.error());
    constexpr uint64_t sector = 512;
    VolumeSize s;
    const uint64_t unit = std::max(space->block_size / sector * sector, sector);
    s.sectors_per_unit = static_cast<uint32_t>(unit / sector);
    s.bytes_per_sector = sector;
    s.physical_bytes_per_sector = static_cast<uint32_t>(std::min<uint64_t>(unit, 4096));
    s.total_units = space->blocks;
    s.caller_units = space->blocks_available;
    s.actual_units = space->blocks_free;
    quotas_.apply_to(s, loop::current_identity().uid);
    return s;
}

Result<std::string, int> real_path(const vfs::File& file) {
    std::string path(PATH_MAX, '\0');
    const std::string link = "/proc/self/fd/" + std::to_string(file.fd.get());
    const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
    if (length < 0) return errno;
    if (static_cast<size_t>(length) == path.size()) return ENAMETOOLONG;
    path.resize(static_cast<size_t>(length));
    struct stat now;
    if (::fstat(file.fd.get(), &now) != 0) return errno;
    if (now.st_nlink == 0) return ENOENT;
    return path;
}

BasicInfo basic_info(const vfs::Stat& stat, const vfs::DosAttributes& attributes) {
    const NtTime change = attributes.change_time.ticks != 0 ? attributes.change_time : NtTime::from(stat.change_time);
    return {attributes.create_time, NtTime::from(stat.access_time), NtTime::from(stat.write_time), change, attributes.attributes};
}

WireFileId wire_id(const ShareRoot& share, uint64_t inode, uint64_t volume) {
    WireFileId id;
    id.index_number = inode;
    std::memcpy(id.id_128.data(), &inode, sizeof inode);
    std::memcpy(id.id_128.data() + 8, &volume, sizeof volume);
    id.volume_serial = share.volume_serial();
    return id;
}

uint64_t allocation_size(const ShareRoot& share, const vfs::Stat& stat, uint64_t set_aside) {
    constexpr uint64_t one_block = 4096;
    if (stat.is_directory() || (stat.size == 0 && stat.allocated <= one_block && set_aside == 0)) return 0;
    if (set_aside != 0) return (std::max(stat.size, set_aside) + one_block - 1) / one_block * one_block;
    const uint64_t unit = share.conf().allocation_roundup_size;
    if (unit <= 1) return stat.allocated;
    return (stat.allocated + unit - 1) / unit * unit;
}

}  // namespace Atoll::fsa

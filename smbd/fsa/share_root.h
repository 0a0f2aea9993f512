// A connected share: its file system and what smb.conf says of its files.
#pragma once

#include <chrono>
#include <optional>

#include "conf/access_lists.h"
#include "smbd/fsa/fsa.h"
#include "smbd/fsa/quota.h"
#include "vfs/name_lookup.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

class ShareRoot final : public Share {
 public:
    ShareRoot(ShareParams params, std::unique_ptr<vfs::Vfs> vfs);

    [[nodiscard]] const std::string& name() const override { return params_.conf->name; }
    [[nodiscard]] bool read_only() const override { return params_.read_only || vfs_->read_only(); }
    [[nodiscard]] bool read_only(const vfs::File& file) const { return read_only() || file.snapshot != 0; }
    uint32_t maximal_access() override;
    Result<VolumeInfo, NtStatus> volume() override;
    Result<VolumeSize, NtStatus> size() override;
    QuotaIndex& quotas() override { return quotas_; }
    [[nodiscard]] size_t opens() const override { return open_count; }

    [[nodiscard]] const conf::ShareConf& conf() const { return *params_.conf; }
    [[nodiscard]] const std::string& path() const { return params_.path; }
    // Absolute, without symlinks: what changes are known by. path() if it cannot be told.
    [[nodiscard]] const std::string& real_path() const { return real_path_; }
    [[nodiscard]] uint32_t volume_serial() const { return serial_; }
    vfs::Vfs& vfs() { return *vfs_; }
    vfs::NameLookup& lookup() { return lookup_; }
    // The user whom the share is connected for; null where nobody in particular is (housekeeping).
    // Whether there are reparse points and object ids: where DOS attributes are kept.
    [[nodiscard]] bool keeps_attributes() const { return conf().store_dos_attributes; }
    [[nodiscard]] const security::Token* token() const { return params_.token; }
    // True: files' descriptors and the token say who may do what. False: the kernel does, by POSIX rights.
    [[nodiscard]] bool decides_by_descriptor() const { return params_.token != nullptr && vfs_->keeps_descriptors(); }
    // For one call at a time, kept for capacity.
    security::SecurityDescriptor& descriptor_scratch() { return descriptor_; }
    security::SecurityDescriptor& new_descriptor_scratch() { return new_descriptor_; }

    // `veto files`: OBJECT_NAME_NOT_FOUND if the last component is vetoed, OBJECT_PATH_NOT_FOUND if another one is.
    Result<void, NtStatus> check_veto(std::string_view path) const;
    [[nodiscard]] bool is_vetoed(std::string_view component) const { return veto_.matches(component); }
    // Stored attributes and creation time, `hide files` among them.
    vfs::DosAttributes attributes(const vfs::File& file, const vfs::Stat& stat, std::string_view leaf);
    vfs::DosAttributes attributes_at(const vfs::File& parent, const char* leaf, const vfs::Stat& stat);

    // As Open::ea_length, of a file, or of a name in a directory (a symlink is not followed). Attributes that the caller may not read do
    // not count. One system call for a file without any.
    uint32_t ea_length(const vfs::File& file, const char* leaf = nullptr);

    size_t open_count = 0;
    [[nodiscard]] bool vetoes_oplocks(std::string_view leaf) const { return !veto_oplocks_.empty() && veto_oplocks_.matches(leaf); }
    [[nodiscard]] bool hides(std::string_view leaf) const { return !hide_.empty() && hide_.matches(leaf); }  // by `hide files`

 private:
    void hide(vfs::DosAttributes& attributes, std::string_view leaf) const;

    ShareParams params_;
    std::unique_ptr<vfs::Vfs> vfs_;
    vfs::NameLookup lookup_;
    security::UnixIdMap unix_ids_;
    VolumeQuotas quotas_;
    Result<vfs::Space, int> space();
    vfs::Space space_;  // as of when it was last asked for, with `dfree cache time`
    std::optional<std::chrono::steady_clock::time_point> space_at_;
    conf::NamePatterns veto_, hide_, veto_oplocks_;
    security::SecurityDescriptor descriptor_, new_descriptor_;
    uint32_t serial_ = 0;
    std::string real_path_;
};

// Where an open file is, absolute and without symlinks; ENOENT if it has been deleted.
Result<std::string, int> real_path(const vfs::File& file);

// Of one file, in the form that the wire wants them. Allocation is rounded up to `allocation roundup size`; 0 for directories.
BasicInfo basic_info(const vfs::Stat& stat, const vfs::DosAttributes& attributes);
WireFileId wire_id(const ShareRoot& share, uint64_t inode, uint64_t volume);
// `set_aside`: the allocation size that was asked for, or 0: then a block of an empty file may be the file system's own, for extended
// attributes, and is not told.
uint64_t allocation_size(const ShareRoot& share, const vfs::Stat& stat, uint64_t set_aside = 0);

}  // namespace Atoll::fsa

// An Open: one open file or directory of one client.
#pragma once

#include <memory>
#include <optional>

#include "smbd/fsa/caching_rules.h"
#include "smbd/fsa/fsa.h"
#include "smbd/fsa/share_modes.h"
#include "smbd/fsa/share_root.h"
#include "vfs/directory.h"

namespace Atoll::fsa {

class Core;
struct ReparsePoint;

// A directory's enumeration (MS-FSA 2.1.1.6, "Per Open": Open.QueryPattern, Open.QueryLastEntry).
struct DirectoryQuery {
    std::optional<vfs::DirectoryReader> reader;
    std::string pattern;
    bool begun = false;      // a query with this pattern was made
    bool found_any = false;  // and an entry was given
    enum class Next : uint8_t { dot, dot_dot, entries, end } next = Next::dot;
    bool put_back = false;  // `item` is to be given again
    DirectoryItem item;
    std::string name;   // as it is stored
    std::string shown;  // item.name
};

class OpenFile final : public Open {
 public:
    explicit OpenFile(Core& core) : core_(core) {}

    [[nodiscard]] Share& share() override { return *share_; }
    [[nodiscard]] bool is_directory() const override { return directory; }
    [[nodiscard]] uint32_t granted_access() const override { return granted; }
    [[nodiscard]] uint32_t share_access() const override { return sharing; }
    [[nodiscard]] uint32_t options() const override { return create_options; }
    [[nodiscard]] const FileId& file_id() const override { return id; }
    [[nodiscard]] const std::string& path() const override { return name; }
    std::string_view short_name() override;

    Result<FileInfo, NtStatus> info() override;
    FileInfo known_info() override;
    Result<void, NtStatus> set_basic(const SetBasic& value) override;
    Result<void, NtStatus> set_end_of_file(uint64_t size) override;
    Result<void, NtStatus> set_allocation_size(uint64_t size) override;
    Result<void, NtStatus> set_valid_data_length(uint64_t size) override;
    Result<void, NtStatus> set_position(uint64_t value) override;
    Result<void, NtStatus> set_mode(uint32_t value) override;
    Result<void, NtStatus> set_disposition(bool delete_pending, Wait* wait) override;
    Result<void, NtStatus> rename(std::string_view new_path, bool replace, Wait* wait) override;
    Result<void, NtStatus> link(std::string_view new_path, bool replace, Wait* wait) override;

    Result<void, NtStatus> list_streams(std::vector<StreamEntry>& out) override;
    Result<void, NtStatus> list_snapshots(std::vector<int64_t>& out) override;

    uint32_t ea_length() override { return share_->ea_length(file); }
    Result<void, NtStatus> get_extended_attributes(ExtendedAttributes& out) override;
    Result<void, NtStatus> set_extended_attributes(std::span<const ExtendedAttribute> list) override;

    Result<void, NtStatus> query_security(uint32_t parts, security::SecurityDescriptor& out) override;
    Result<void, NtStatus> set_security(uint32_t parts, const security::SecurityDescriptor& value) override;

    Result<ReadNow, NtStatus> read_now(MutableBytes out, uint64_t offset) override;
    Result<size_t, NtStatus> run_read(MutableBytes out, uint64_t offset) override;
    Result<size_t, NtStatus> finish_read(Result<size_t, NtStatus> result, uint64_t offset) override;
    Result<size_t, NtStatus> write_now(Bytes data, uint64_t offset, bool write_through) override;
    Result<void, NtStatus> check_write(uint64_t offset, size_t length) override;
    Result<size_t, NtStatus> run_write(Bytes data, uint64_t offset, bool write_through) override;
    Result<size_t, NtStatus> finish_write(Result<size_t, NtStatus> result, uint64_t offset) override;
    Result<void, NtStatus> check_flush() override;
    Result<void, NtStatus> run_flush() override;
    void begin_job() override { jobs++; }
    void end_job() override;

    Result<void, NtStatus> may_lock(Wait* wait) override;
    Result<void, NtStatus> lock(std::span<const LockRange> ranges, Wait* wait) override;
    Result<void, NtStatus> unlock(std::span<const LockRange> ranges) override;
    [[nodiscard]] size_t lock_count() const override { return locks; }

    Result<void, NtStatus> set_sparse(bool sparse) override;
    Result<bool, NtStatus> allocated_ranges(const FileRange& range, size_t limit, std::vector<FileRange>& out) override;
    Result<void, NtStatus> set_zero_data(uint64_t offset, uint64_t beyond) override;
    Result<void, NtStatus> trim(std::span<const FileRange> ranges) override;
    Result<bool, NtStatus> is_compressed() override;
    Result<void, NtStatus> set_compressed(bool compressed) override;
    Result<void, NtStatus> check_copy(Open& source, uint64_t from, uint64_t to, size_t length) override;
    Result<size_t, NtStatus> run_copy(Open& source, uint64_t from, uint64_t to, size_t length) override;
    Result<void, NtStatus> check_duplicate(Open& source, uint64_t from, uint64_t to, uint64_t length) override;
    Result<void, NtStatus> run_duplicate(Open& source, uint64_t from, uint64_t to, uint64_t length) override;

    Result<void, NtStatus> get_reparse_point(Buffer& out) override;
    Result<void, NtStatus> set_reparse_point(Bytes buffer) override;
    Result<void, NtStatus> delete_reparse_point(Bytes buffer) override;
    Result<ObjectId, NtStatus> object_id() override;
    Result<ObjectId, NtStatus> create_or_get_object_id() override;
    Result<void, NtStatus> set_object_id(const ObjectId& value) override;
    Result<void, NtStatus> set_object_id_extended(Bytes extended) override;
    Result<void, NtStatus> delete_object_id() override;

    Result<void, NtStatus> begin_query(const QueryDirectory& query) override;
    Result<const DirectoryItem*, NtStatus> next_entry(EntryDetail detail) override;
    std::string_view entry_short_name() override;
    void put_back_entry() override;
    [[nodiscard]] NtStatus nothing_found() const override;

    NtStatus wait_for_changes(NotifyWait& wait, NotifyEvents& events) override;
    [[nodiscard]] bool sees_local_changes() const override;
    void forget_changes(NotifyWait& wait) override;

    // --- For this room's code.
    // The answer to every query of a file, from `stat` and `attributes`.
    FileInfo info_from(const vfs::Stat& stat, const vfs::DosAttributes& attributes, bool delete_pending);
    // Stat and attributes as they are now.
    Result<void, NtStatus> refresh();
    // Stores DOS attributes and creation time; as root where the user may change attributes, but not write the file, which the attribute's
    // storage needs. Without effect on file systems that cannot store them.
    Result<void, NtStatus> store_attributes(const vfs::DosAttributes& value);
    // The write time and the archive attribute, after data has changed: MS-FSA 2.1.4.17.
    Result<void, NtStatus> note_modification();
    // The name as clients know it: without the token of a snapshot.
    [[nodiscard]] std::string_view name_for_clients() const;
    // Change notification: what has happened to this file, or to its stream. Written data is reported once, and again at the close.
    void report(NotifyAction action, uint32_t filter);
    void report_written();
    void report_stream(NotifyAction action);
    ShareModes::Name full_name() const { return {share_->path(), name, stream}; }
    void attach(ShareRoot& share) { share_ = &share; }
    [[nodiscard]] ShareRoot& root() const { return *share_; }
    [[nodiscard]] vfs::Vfs& vfs() const { return share_->vfs(); }
    // FILE_LOCK_CONFLICT if byte-range locks forbid access to these bytes (MS-FSA 2.1.4.10).
    Result<void, NtStatus> check_locks(uint64_t offset, uint64_t length, bool write);
    [[nodiscard]] bool client_checks_locks(bool write);
    // At close: all of its locks go.
    void give_up_locks();
    // Back to the state of a new one, but for capacities.
    void reset();

    vfs::File file;
    vfs::Stat stat;                 // as of the last look
    vfs::DosAttributes attributes;  // the same
    FileId id;
    uint64_t open_id = 0;
    std::string name;
    std::string short_leaf;  // the 8.3 name by which it was opened; else ""
    std::string stream;      // stored name; "" the unnamed one
    uint32_t granted = 0;
    uint32_t sharing = 0;
    uint32_t create_options = 0;
    uint32_t mode = 0;  // Open.Mode: FILE_* options of FileModeInformation
    uint64_t position = 0;
    const security::Token* token = nullptr;
    bool directory = false;
    bool closed = false;
    OplockLevel oplock = OplockLevel::none;  // that its client has; of a lease, what was granted is in leases.tdb
    std::optional<lease_id> lease;
    std::optional<lease_id> parent_lease;  // MS-FSA 2.1.1.6: Open.ParentOplockKey
    [[nodiscard]] Actor actor() const;
    unsigned jobs = 0;
    // MS-FSA 2.1.1.6: Open.UserSetModificationTime, and what the time stays at.
    bool user_set_write = false;
    timespec kept_write{};
    bool user_set_change = false;  // Open.UserSetChangeTime, the same
    NtTime kept_change;
    size_t locks = 0;                     // byte-range locks that it holds
    bool durable = false;                 // its locks outlive this process
    std::optional<uint32_t> unlocked_at;  // see ByteRangeLocks::forbid
    uint64_t set_aside = 0;               // the allocation size that was asked for through this open
    bool marked_deleted = false;          // MS-FSA 2.1.1.6: Open.ChangeNotifyDirectoryMarkedDeleted
    bool told_written = false;            // that data was written has been reported
    uint32_t pending_changes = 0;         // MS-FSA 2.1.1.3: PendingNotifications, as notify_filter
    bool wrote = false;                   // written to through this open: the archive attribute is set
    DirectoryQuery query;

 private:
    void report_basic(const SetBasic& value);
    Result<void, NtStatus> set_attributes_and_creation(const SetBasic& value);
    Result<void, NtStatus> keep_change_time();
    Result<void, NtStatus> set_file_times(const SetBasic& value);
    Result<void, NtStatus> rename_stream(std::string_view new_name, bool replace);
    Result<void, NtStatus> rename_to_unnamed(bool replace);
    Result<void, NtStatus> check_new_directory(const vfs::Located& target, Wait* wait);
    Result<void, NtStatus> check_nothing_open_below(Wait* wait);
    Result<void, NtStatus> add_archive_attribute();
    Result<bool, NtStatus> is_empty_directory();
    [[nodiscard]] bool uses_posix_locks() const;
    [[nodiscard]] bool is_sparse() const { return (attributes.attributes & attribute::sparse_file) != 0; }
    Result<void, NtStatus> zero(uint64_t offset, uint64_t length);
    Result<void, NtStatus> write_zeros(uint64_t offset, uint64_t length);
    Result<size_t, NtStatus> copy_by_hand(OpenFile& source, uint64_t from, uint64_t to, size_t length);
    Result<void, NtStatus> mark_for_deletion(Wait* wait);
    Result<void, int> set_posix_locks(const LockRange& range, std::span<const LockRange> without);
    Result<void, NtStatus> check_lock_request() const;
    Result<void, NtStatus> check_new_reparse_point(const ReparsePoint& point);
    Result<void, NtStatus> check_same_reparse_point(const ReparsePoint& point, Result<void, NtStatus> if_none);
    Result<void, NtStatus> mark_reparse_point(bool set);
    Result<void, NtStatus> give_object_id(const ObjectId& value);
    Result<void, NtStatus> find_target(std::string_view new_path, vfs::Located& target);
    Result<void, NtStatus> check_target(const vfs::Located& target, bool replace, bool& same_file, Wait* wait);
    void report_rename(const std::string& old_name, const vfs::Located& target, bool same_file);
    void report_link(const vfs::Located& target, const std::string& new_name);
    Result<void, NtStatus> move_to(vfs::Located& target, std::string_view wanted_leaf, bool replace);
    Result<bool, NtStatus> take_dot(EntryDetail detail);
    Result<bool, NtStatus> take_entry(const vfs::DirectoryEntry& entry, EntryDetail detail);
    Result<bool, NtStatus> fill_item(EntryDetail detail);
    bool fill_from_symlink(EntryDetail detail);

    Core& core_;
    ShareRoot* share_ = nullptr;
    std::string wire_name_;  // FileInfo::name points here
    std::string leaf_;       // scratch
};

}  // namespace Atoll::fsa

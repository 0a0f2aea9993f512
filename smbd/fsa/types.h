// The plain values that the file system's interface takes and gives. Numbers are the protocol's: MS-SMB2 2.2.13, 2.2.14, MS-FSCC 2.4-2.6.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/sid.h"
#include "base/time.h"
#include "libcli/security/security.idl.h"
#include "smbd/fsa/caching.h"
#include "smbd/fsa/file_id.h"

namespace Atoll::security {
class IdMap;
struct SecurityDescriptor;
}  // namespace Atoll::security

namespace Atoll::fsa {

// MS-SMB2 2.2.13.1
namespace access {
constexpr uint32_t read_data = 0x1, write_data = 0x2, append_data = 0x4, read_ea = 0x8, write_ea = 0x10, execute = 0x20,
                   delete_child = 0x40, read_attributes = 0x80, write_attributes = 0x100, delete_ = 0x10000, read_control = 0x20000,
                   write_dac = 0x40000, write_owner = 0x80000, synchronize = 0x100000, system_security = 0x1000000,
                   maximum_allowed = 0x2000000, generic_all = 0x10000000, generic_execute = 0x20000000, generic_write = 0x40000000,
                   generic_read = 0x80000000;
constexpr uint32_t list_directory = read_data, add_file = write_data, add_subdirectory = append_data, traverse = execute;
constexpr uint32_t all = 0x1F01FF;
// What makes an open take part in sharing (MS-FSA 2.1.5.1.2.2).
constexpr uint32_t shared = read_data | execute | write_data | append_data | delete_;
}  // namespace access

namespace sharing {
constexpr uint32_t read = 1, write = 2, delete_ = 4, all = 7;
}

// MS-FSCC 2.6
namespace attribute {
constexpr uint32_t readonly = 0x1, hidden = 0x2, system = 0x4, directory = 0x10, archive = 0x20, normal = 0x80, temporary = 0x100,
                   sparse_file = 0x200, reparse_point = 0x400, compressed = 0x800, offline = 0x1000, not_content_indexed = 0x2000,
                   encrypted = 0x4000;
}

namespace option {
constexpr uint32_t directory_file = 0x1, write_through = 0x2, sequential_only = 0x4, no_intermediate_buffering = 0x8,
                   synchronous_io_alert = 0x10, synchronous_io_nonalert = 0x20, non_directory_file = 0x40, complete_if_oplocked = 0x100,
                   no_ea_knowledge = 0x200, open_remote_instance = 0x400, random_access = 0x800, delete_on_close = 0x1000,
                   open_by_file_id = 0x2000, open_for_backup_intent = 0x4000, no_compression = 0x8000, open_requiring_oplock = 0x10000,
                   disallow_exclusive = 0x20000, reserve_opfilter = 0x100000, open_reparse_point = 0x200000, open_no_recall = 0x400000,
                   open_for_free_space_query = 0x800000;
// What Open.Mode has of them (MS-FSCC 2.4.31).
constexpr uint32_t of_mode =
    write_through | sequential_only | no_intermediate_buffering | synchronous_io_alert | synchronous_io_nonalert | delete_on_close;
}  // namespace option

enum class Disposition : uint32_t { supersede = 0, open = 1, create = 2, open_if = 3, overwrite = 4, overwrite_if = 5 };
enum class CreateAction : uint32_t { superseded = 0, opened = 1, created = 2, overwritten = 3 };

// What a client knows the file by on the wire: FileInternalInformation, FileIdInformation, the QFid context.
struct WireFileId {
    uint64_t index_number = 0;         // 64 bits, MS-FSCC 2.4.26
    std::array<uint8_t, 16> id_128{};  // MS-FSCC 2.4.25
    uint64_t volume_serial = 0;
};

// Times and attributes as FILE_BASIC_INFORMATION has them (MS-FSCC 2.4.7).
struct BasicInfo {
    NtTime creation, access, write, change;
    uint32_t attributes = 0;
};

// Everything that the queries of one file answer from (MS-FSA 2.1.5.12). Sizes in bytes.
struct FileInfo {
    BasicInfo basic;
    uint64_t allocation_size = 0;  // 0 for a directory
    uint64_t end_of_file = 0;      // 0 for a directory
    uint32_t links = 1;            // less one while the file is to be deleted
    bool delete_pending = false;
    bool directory = false;
    WireFileId id;
    uint32_t granted_access = 0;
    uint64_t position = 0;   // FilePositionInformation
    uint32_t mode = 0;       // FileModeInformation
    uint32_t alignment = 0;  // FileAlignmentInformation
    uint32_t reparse_tag = 0;
    std::string_view
        name;  // from the share's root, '\\' before every component ("\\a\\b", "\\" the root); valid until the next call on the Open
};

// An extended attribute (MS-FSCC 2.4.16). The name's case is the one it was first set with; setting and deleting find it in any case.
struct ExtendedAttribute {
    std::string_view name;
    Bytes value;        // at most 65535 bytes; of one to be set, empty: it is deleted
    uint8_t flags = 0;  // of one to be set: 0 or FILE_NEED_EA (0x80), which is not kept, as Samba does not keep it
};

// A file's, as they were when they were read.
class ExtendedAttributes {
 public:
    [[nodiscard]] size_t size() const { return entries_.size(); }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    // Valid until the next add() or clear().
    [[nodiscard]] ExtendedAttribute operator[](size_t i) const {
        const Entry& e = entries_[i];
        return {as_text(bytes_.bytes().subspan(e.at, e.name)), bytes_.bytes().subspan(e.at + e.name, e.value), 0};
    }
    void clear() {
        entries_.clear();
        bytes_.clear();
    }
    void add(std::string_view name, Bytes value) {
        entries_.push_back({bytes_.size(), name.size(), value.size()});
        bytes_.append(as_bytes(name));
        bytes_.append(value);
    }

 private:
    struct Entry {
        size_t at, name, value;
    };
    std::vector<Entry> entries_;
    Buffer bytes_;
};

// Where a create stopped with STOPPED_ON_SYMLINK.
struct StoppedAt {
    Buffer reparse;   // the symbolic link's REPARSE_DATA_BUFFER (MS-FSCC 2.1.2.2, 2.1.2.4), as it was set
    size_t rest = 0;  // bytes at the end of CreateParams::path that are behind the link
};

struct CreateParams {
    std::string_view path;        // UTF-8, '\\' between components, as on the wire, without the leading one; "" the share's root
    uint32_t desired_access = 0;  // generic bits are mapped here
    uint32_t share_access = 0;
    uint32_t disposition = 0;  // checked here
    uint32_t options = 0;
    uint32_t attributes = 0;
    std::optional<uint64_t> allocation_size;  // SMB2_CREATE_ALLOCATION_SIZE
    std::span<const ExtendedAttribute>
        extended_attributes;  // SMB2_CREATE_EA_BUFFER: of a file that is made or overwritten; not looked at for one that is opened
    const security::SecurityDescriptor* security_descriptor = nullptr;  // SMB2_CREATE_SD_BUFFER: of a file that is made
    bool want_maximal_access = false;                                   // SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST
    int64_t snapshot = 0;  // SMB2_CREATE_TIMEWARP_TOKEN in seconds since 1970: the file as it was at that time. 0: as it is
    OplockLevel oplock = OplockLevel::none;  // wanted
    const LeaseRequest* lease = nullptr;     // with OplockLevel::lease
    uint64_t open_id = 0;                    // the persistent file id: names the entry in locking.tdb, unique while the open lives
    const security::Token* token =
        nullptr;  // of the user; must outlive the Open. Who deletes, if somebody else closes last. Null: the identity of the caller
    StoppedAt* stopped_at = nullptr;  // filled with the status STOPPED_ON_SYMLINK
};

class Open;

struct CreateResult {
    Open* open = nullptr;  // owned by the FileSystem until close()
    CreateAction action = CreateAction::opened;
    FileInfo info;                // as of the end of the create
    uint32_t maximal_access = 0;  // if asked for
    OplockLevel oplock = OplockLevel::none;
    LeaseGrant lease;  // with OplockLevel::lease
};

// Times of a SET_INFO FileBasicInformation: 0 keep, -1 freeze, -2 thaw (NtTime); attributes 0: keep.
using SetBasic = BasicInfo;

// In bytes.
struct FileRange {
    uint64_t offset = 0;
    uint64_t length = 0;
};

// A byte-range lock that is asked for, or a range to unlock (MS-FSA 2.1.5.8, 2.1.5.9), in bytes.
struct LockRange {
    uint64_t offset = 0;
    uint64_t length = 0;
    bool exclusive = false;  // of a lock
};

// What an Open outlives its client by (MS-SMB2 3.3.1.10): as long as it has a batch oplock or a lease with H, or whatever it caches.
// `persistent`: always, and while the client is away nobody else opens the file (MS-SMB2 3.3.5.9, FILE_NOT_AVAILABLE).
enum class Lasting : uint8_t { while_cached, always, persistent };

// What remains of an Open whose client is away, and what takes it back.
struct RemainingOpen {
    uint64_t open_id = 0;
    FileId file;
    std::string name;  // below the share's root, '/' between components; of the file as it was known last
    uint32_t granted_access = 0, share_access = 0, options = 0;
    uint64_t position = 0;
    uint64_t allocation_size = 0;  // that was asked for
    OplockLevel oplock = OplockLevel::none;
    Guid lease_client, lease_key;  // with OplockLevel::lease
    LeaseGrant lease;
    std::vector<LockRange> locks;
    const security::Token* token = nullptr;  // of the user who takes it back, as CreateParams::token
};

// What locking.tdb says of a file as a whole.
struct FileState {
    std::string share_path, name;  // as locking_record
    bool delete_pending = false;
    std::optional<security::Token> delete_token;
};

struct ReadNow {
    bool done = false;  // false: it would wait; give it to the pool (run_read)
    size_t bytes = 0;
};

struct QueryDirectory {
    std::string_view pattern;      // UTF-8, as sent; used if it is the first query, or reopen or (restart and not empty)
    bool restart = false;          // SMB2_RESTART_SCANS
    bool reopen = false;           // SMB2_REOPEN
    bool index_specified = false;  // SMB2_INDEX_SPECIFIED
    uint32_t index = 0;
};

// How much of an entry a directory information class tells; the sizes of extended attributes cost system calls of their own.
enum class EntryDetail : uint8_t { name, information, ea_size };

// One entry for the directory information classes (MS-FSCC 2.4.10 and its kin).
struct DirectoryItem {
    std::string_view name;  // UTF-8; valid until the next call on the Open
    uint32_t index = 0;     // FileIndex
    BasicInfo basic;
    uint64_t allocation_size = 0, end_of_file = 0;
    uint32_t ea_size = 0;  // only with EntryDetail::ea_size
    uint32_t reparse_tag = 0;
    WireFileId id;
};

// FILE_OBJECTID_BUFFER (MS-FSCC 2.1.3.1): the id, and the 48 bytes behind it.
struct ObjectId {
    static constexpr size_t extended_size = 48;
    std::array<uint8_t, 64> bytes{};
};

// FileStreamInformation (MS-FSCC 2.4.49), sizes in bytes.
struct StreamEntry {
    std::string name;  // UTF-8, ":name:$DATA"; "::$DATA" the unnamed one
    uint64_t size = 0, allocation_size = 0;
};

// MS-FSCC 2.4.41, in bytes.
struct QuotaEntry {
    static constexpr uint64_t no_limit = UINT64_MAX;    // -1
    static constexpr uint64_t remove = UINT64_MAX - 1;  // -2, as the limit of one to be set: the entry goes
    Sid sid;
    uint64_t used = 0;  // not looked at when it is set
    uint64_t threshold = no_limit;
    uint64_t limit = no_limit;
};
// MS-FSCC 2.5.2: what those have who have no entry, and whether quotas hold.
struct QuotaControl {
    static constexpr uint32_t tracked = 0x1, enforced = 0x2;
    uint64_t threshold = QuotaEntry::no_limit;
    uint64_t limit = QuotaEntry::no_limit;
    uint32_t flags = 0;
};

// The quotas of a share's volume (MS-FSA 2.1.1.1, Volume.QuotaInformation). Who may see and set them is the caller's to check. All of it
// fails with NOT_SUPPORTED where there are none.
class QuotaIndex {
 public:
    virtual bool kept() = 0;
    virtual Result<QuotaControl, NtStatus> control() = 0;
    // NOT_SUPPORTED also for what the file system does not keep.
    virtual Result<void, NtStatus> set_control(const QuotaControl& value) = 0;
    // With zeros for a SID without an entry.
    virtual Result<QuotaEntry, NtStatus> of(const Sid& sid) = 0;
    // Entries in their order. Positions begin at 0; this one becomes that of the entry after the one given. NO_MORE_ENTRIES.
    virtual Result<QuotaEntry, NtStatus> next(uint64_t& position) = 0;
    virtual Result<uint64_t, NtStatus> position_after(const Sid& sid) = 0;  // INVALID_PARAMETER: no SID of a user
    // INVALID_PARAMETER: no SID of a user, or no limit. NO_MATCH: nothing to remove. ACCESS_DENIED: a limit for administrators.
    virtual Result<void, NtStatus> set(const QuotaEntry& entry) = 0;

 protected:
    ~QuotaIndex() = default;
};

// What QUERY_INFO's file-system classes answer from (MS-FSA 2.1.5.13).
struct VolumeInfo {
    std::string label;
    uint32_t serial_number = 0;
    NtTime creation_time;
    std::string file_system_name;            // "NTFS", `fstype`
    uint32_t attributes = 0;                 // FileFsAttributeInformation
    uint32_t max_component_length = 255;     // UTF-16 units
    uint32_t device_type = 7;                // FILE_DEVICE_DISK
    uint32_t device_characteristics = 0x20;  // FILE_DEVICE_IS_MOUNTED
    Guid object_id;
};
struct VolumeSize {
    uint64_t total_units = 0, caller_units = 0, actual_units = 0;  // total; available to the caller; available
    uint32_t sectors_per_unit = 1;
    uint32_t bytes_per_sector = 512;
    uint32_t physical_bytes_per_sector = 512;
};

}  // namespace Atoll::fsa

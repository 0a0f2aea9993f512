// The lists of MS-FSCC: directory entries (2.4.8 to 2.4.33), streams (2.4.49), extended attributes (2.4.16), hard links (2.4.17), quotas
// (2.4.41), change notifications (2.7.1). All but hard links' header share one form: entries that begin with NextEntryOffset.
//
// Writers append to a ByteWriter and never go past `limit` bytes counted from where they began: add() returns false, having written
// nothing, when the entry does not fit. Readers return entries until the end, and nothing with malformed() true on bad offsets.
#pragma once

#include <optional>

#include "libcli/smb/create.h"
#include "libcli/smb/fscc.h"
#include "libcli/smb/header.h"

namespace Atoll::smb {

// Links entries: aligns, remembers where the last began, patches its NextEntryOffset.
class EntryListWriter {
 public:
    EntryListWriter(ByteWriter& out, size_t limit, size_t alignment = 8)
        : out_(out), start_(out.position()), limit_(limit), alignment_(alignment) {}

    // Begins an entry of `size` bytes (its NextEntryOffset included) and writes NextEntryOffset 0; false if it would pass the limit.
    bool begin(size_t size);
    [[nodiscard]] size_t size() const { return out_.position() - start_; }  // bytes written so far
    [[nodiscard]] size_t count() const { return count_; }
    ByteWriter& out() { return out_; }

 private:
    ByteWriter& out_;
    size_t start_;
    size_t limit_;
    size_t alignment_;
    static constexpr size_t none = ~size_t{0};
    size_t last_ = none;  // where the last one began
    size_t count_ = 0;
};

// Walks entries: returns each one's bytes, NextEntryOffset included, up to the next entry or the end.
class EntryListReader {
 public:
    explicit EntryListReader(Bytes list) : rest_(list), done_(list.empty()) {}
    std::optional<Bytes> next();
    [[nodiscard]] bool malformed() const { return malformed_; }
    void fail() { malformed_ = done_ = true; }

 private:
    Bytes rest_;
    bool done_;
    bool malformed_ = false;
};

// What the directory classes tell; each class writes and reads the fields that it has.
struct DirectoryEntry {
    uint32_t file_index = 0;
    FileTimesAndSizes info;
    uint32_t ea_size = 0;      // in the id_both and both classes; a reparse point's tag where the class says so (MS-FSCC 2.4.22)
    uint32_t reparse_tag = 0;  // extd classes
    uint64_t file_id = 0;
    std::array<uint8_t, 16> file_id_128{};
    Bytes short_name;  // UTF-16LE, at most 24 bytes
    Bytes name;        // UTF-16LE
};

bool is_directory_class(FileInformationClass c);
// Bytes before the name, NextEntryOffset included; 0 if c is not a directory class.
size_t directory_entry_fixed_size(FileInformationClass c);

class DirectoryListWriter {
 public:
    DirectoryListWriter(ByteWriter& out, FileInformationClass c, size_t limit) : list_(out, limit), class_(c) {}
    bool add(const DirectoryEntry& entry);
    [[nodiscard]] size_t size() const { return list_.size(); }
    [[nodiscard]] size_t count() const { return list_.count(); }

 private:
    EntryListWriter list_;
    FileInformationClass class_;
};

class DirectoryListReader {
 public:
    DirectoryListReader(Bytes list, FileInformationClass c) : list_(list), class_(c) {}
    std::optional<DirectoryEntry> next();
    [[nodiscard]] bool malformed() const { return list_.malformed(); }

 private:
    EntryListReader list_;
    FileInformationClass class_;
};

struct StreamEntry {  // MS-FSCC 2.4.49
    uint64_t size = 0;
    uint64_t allocation_size = 0;
    Bytes name;  // UTF-16LE, ":name:$DATA"
};
bool add_stream(EntryListWriter& list, const StreamEntry& entry);
std::optional<StreamEntry> next_stream(EntryListReader& list);

struct EaEntry {  // MS-FSCC 2.4.16; entries are aligned to 4 bytes
    static constexpr uint8_t need_ea = 0x80;
    static constexpr size_t alignment = 4;
    uint8_t flags = 0;
    Bytes name;  // ASCII, without its terminator
    Bytes value;
};
bool add_ea(EntryListWriter& list, const EaEntry& entry);
std::optional<EaEntry> next_ea(EntryListReader& list);  // malformed also: a name that is not terminated

// FILE_GET_EA_INFORMATION (MS-FSCC 2.4.16.1): the names.
bool add_get_ea(EntryListWriter& list, Bytes name);
std::optional<Bytes> next_get_ea(EntryListReader& list);

struct LinkEntry {  // MS-FSCC 2.4.17.1
    uint64_t parent_file_id = 0;
    Bytes name;  // UTF-16LE
};
bool add_link(EntryListWriter& list, const LinkEntry& entry);
std::optional<LinkEntry> next_link(EntryListReader& list);
// What stands before the list (MS-FSCC 2.4.17): BytesNeeded, EntriesReturned.
struct FileHardLinkInformation {
    static constexpr size_t fixed_size = 8;
    uint32_t bytes_needed = 0;
    uint32_t entries_returned = 0;
    Bytes entries;
    static Result<FileHardLinkInformation, NtStatus> decode(Bytes in);  // INFO_LENGTH_MISMATCH
};

struct QuotaEntry {  // MS-FSCC 2.4.41
    NtTime change_time;
    uint64_t used = 0;
    uint64_t threshold = 0;
    uint64_t limit = 0;
    Bytes sid;
};
bool add_quota(EntryListWriter& list, const QuotaEntry& entry);
std::optional<QuotaEntry> next_quota(EntryListReader& list);
// FILE_GET_QUOTA_INFORMATION (MS-FSCC 2.4.41.1): the SIDs; entries are aligned to 4 bytes.
bool add_get_quota(EntryListWriter& list, Bytes sid);
std::optional<Bytes> next_get_quota(EntryListReader& list);

enum class NotifyAction : uint32_t {  // MS-FSCC 2.7.1
    added = 1,
    removed = 2,
    modified = 3,
    renamed_old_name = 4,
    renamed_new_name = 5,
    added_stream = 6,
    removed_stream = 7,
    modified_stream = 8,
    removed_by_delete = 9,
    id_not_tunnelled = 10,
    tunnelled_id_collision = 11,
};
struct NotifyEntry {  // entries are aligned to 4 bytes
    static constexpr size_t alignment = 4;
    NotifyAction action = NotifyAction::added;
    Bytes name;  // UTF-16LE
};
bool add_notify(EntryListWriter& list, const NotifyEntry& entry);
std::optional<NotifyEntry> next_notify(EntryListReader& list);

}  // namespace Atoll::smb

// The lists of MS-FSCC that are not directories: streams, extended attributes, links, quotas, notifications.
#include "libcli/smb/fscc_directory.h"

namespace Atoll::smb {

namespace {

constexpr size_t stream_fixed_size = 24;
constexpr size_t ea_fixed_size = 8;
constexpr size_t get_ea_fixed_size = 5;
constexpr size_t link_fixed_size = 16;
constexpr size_t quota_fixed_size = 40;
constexpr size_t get_quota_fixed_size = 8;
constexpr size_t notify_fixed_size = 12;

// Reads one entry: `read` gets a reader after NextEntryOffset and fills a T; whatever fails makes the list malformed.
template <class T, class F>
std::optional<T> next_entry(EntryListReader& list, F read) {
    auto bytes = list.next();
    if (!bytes) return std::nullopt;
    ByteReader in(*bytes);
    in.skip(4);
    T entry{};
    read(in, entry);
    if (!in.ok()) {
        list.fail();
        return std::nullopt;
    }
    return entry;
}

// A name with its terminating zero byte, which EAs have.
Bytes read_terminated(ByteReader& in, size_t length) {
    Bytes name = in.bytes(length);
    if (in.u8() != 0) in.fail();
    return name;
}

}  // namespace

bool add_stream(EntryListWriter& list, const StreamEntry& entry) {
    if (!list.begin(stream_fixed_size + entry.name.size())) return false;
    ByteWriter& out = list.out();
    out.u32(static_cast<uint32_t>(entry.name.size()));
    out.u64(entry.size);
    out.u64(entry.allocation_size);
    out.bytes(entry.name);
    return true;
}

std::optional<StreamEntry> next_stream(EntryListReader& list) {
    return next_entry<StreamEntry>(list, [](ByteReader& in, StreamEntry& e) {
        const uint32_t length = in.u32();
        e.size = in.u64();
        e.allocation_size = in.u64();
        e.name = in.bytes(length);
    });
}

bool add_ea(EntryListWriter& list, const EaEntry& entry) {
    ATOLL_ASSERT(entry.name.size() <= 0xFF && entry.value.size() <= 0xFFFF);
    if (!list.begin(ea_fixed_size + entry.name.size() + 1 + entry.value.size())) return false;
    ByteWriter& out = list.out();
    out.u8(entry.flags);
    out.u8(static_cast<uint8_t>(entry.name.size()));
    out.u16(static_cast<uint16_t>(entry.value.size()));
    out.bytes(entry.name);
    out.u8(0);
    out.bytes(entry.value);
    return true;
}

std::optional<EaEntry> next_ea(EntryListReader& list) {
    return next_entry<EaEntry>(list, [](ByteReader& in, EaEntry& e) {
        e.flags = in.u8();
        const uint8_t name_length = in.u8();
        const uint16_t value_length = in.u16();
        e.name = read_terminated(in, name_length);
        e.value = in.bytes(value_length);
    });
}

bool add_get_ea(EntryListWriter& list, Bytes name) {
    ATOLL_ASSERT(name.size() <= 0xFF);
    if (!list.begin(get_ea_fixed_size + name.size() + 1)) return false;
    list.out().u8(static_cast<uint8_t>(name.size()));
    list.out().bytes(name);
    list.out().u8(0);
    return true;
}

std::optional<Bytes> next_get_ea(EntryListReader& list) {
    return next_entry<Bytes>(list, [](ByteReader& in, Bytes& name) {
        const uint8_t length = in.u8();
        name = read_terminated(in, length);
    });
}

// FileNameLength of a link counts characters (MS-FSCC 2.4.17.1).
bool add_link(EntryListWriter& list, const LinkEntry& entry) {
    if (!list.begin(link_fixed_size + entry.name.size())) return false;
    list.out().u64(entry.parent_file_id);
    list.out().u32(static_cast<uint32_t>(entry.name.size() / 2));
    list.out().bytes(entry.name);
    return true;
}

std::optional<LinkEntry> next_link(EntryListReader& list) {
    return next_entry<LinkEntry>(list, [](ByteReader& in, LinkEntry& e) {
        e.parent_file_id = in.u64();
        const uint32_t characters = in.u32();
        e.name = in.bytes(size_t{characters} * 2);
    });
}

Result<FileHardLinkInformation, NtStatus> FileHardLinkInformation::decode(Bytes bytes) {
    if (bytes.size() < fixed_size) return NtStatus::INFO_LENGTH_MISMATCH;
    ByteReader in(bytes);
    FileHardLinkInformation i;
    i.bytes_needed = in.u32();
    i.entries_returned = in.u32();
    i.entries = in.rest();
    return i;
}

bool add_quota(EntryListWriter& list, const QuotaEntry& entry) {
    if (!list.begin(quota_fixed_size + entry.sid.size())) return false;
    ByteWriter& out = list.out();
    out.u32(static_cast<uint32_t>(entry.sid.size()));
    out.u64(entry.change_time.ticks);
    out.u64(entry.used);
    out.u64(entry.threshold);
    out.u64(entry.limit);
    out.bytes(entry.sid);
    return true;
}

std::optional<QuotaEntry> next_quota(EntryListReader& list) {
    return next_entry<QuotaEntry>(list, [](ByteReader& in, QuotaEntry& e) {
        const uint32_t length = in.u32();
        e.change_time.ticks = in.u64();
        e.used = in.u64();
        e.threshold = in.u64();
        e.limit = in.u64();
        e.sid = in.bytes(length);
    });
}

bool add_get_quota(EntryListWriter& list, Bytes sid) {
    if (!list.begin(get_quota_fixed_size + sid.size())) return false;
    list.out().u32(static_cast<uint32_t>(sid.size()));
    list.out().bytes(sid);
    return true;
}

std::optional<Bytes> next_get_quota(EntryListReader& list) {
    return next_entry<Bytes>(list, [](ByteReader& in, Bytes& sid) {
        const uint32_t length = in.u32();
        sid = in.bytes(length);
    });
}

bool add_notify(EntryListWriter& list, const NotifyEntry& entry) {
    if (!list.begin(notify_fixed_size + entry.name.size())) return false;
    list.out().u32(static_cast<uint32_t>(entry.action));
    list.out().u32(static_cast<uint32_t>(entry.name.size()));
    list.out().bytes(entry.name);
    return true;
}

std::optional<NotifyEntry> next_notify(EntryListReader& list) {
    return next_entry<NotifyEntry>(list, [](ByteReader& in, NotifyEntry& e) {
        e.action = static_cast<NotifyAction>(in.u32());
        const uint32_t length = in.u32();
        e.name = in.bytes(length);
    });
}

}  // namespace Atoll::smb

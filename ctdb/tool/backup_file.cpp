#include "ctdb/tool/backup_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace Atoll::ctdb {
namespace {

constexpr size_t name_size = 64;
constexpr size_t record_head = 16, value_head = 24;
constexpr std::string_view sequence_key{"__db_sequence_number__", 23};  // with its NUL

std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Other bits say nothing of what a backup is for.
BackupKind kind_of(uint64_t flags) {
    if ((flags & static_cast<uint64_t>(BackupKind::of_persistent)) != 0) return BackupKind::of_persistent;
    return (flags & static_cast<uint64_t>(BackupKind::of_replicated)) != 0 ? BackupKind::of_replicated : BackupKind::of_volatile;
}

bool read_record(ByteReader& reader, DumpedRecord& record) {
    const uint32_t size = reader.u32();
    reader.skip(4);
    const uint32_t key_size = reader.u32();
    const uint32_t data_size = reader.u32();
    if (!reader.ok() || data_size < value_head || uint64_t{record_head} + key_size + data_size != size) return false;
    record.key = text(reader.bytes(key_size));
    record.rsn = reader.u64();
    record.dmaster = reader.u32();
    reader.skip(4);
    record.flags = reader.u32();
    reader.skip(4);
    record.value = text(reader.bytes(data_size - value_head));
    return reader.ok();
}

void write_record(ByteWriter& writer, const DumpedRecord& record) {
    const size_t data_size = value_head + record.value.size();
    writer.u32(static_cast<uint32_t>(record_head + record.key.size() + data_size));
    writer.u32(0);
    writer.u32(static_cast<uint32_t>(record.key.size()));
    writer.u32(static_cast<uint32_t>(data_size));
    writer.bytes(as_bytes(record.key));
    writer.u64(record.rsn);
    writer.u32(record.dmaster);
    writer.u32(0);
    writer.u32(record.flags);
    writer.u32(0);
    writer.bytes(as_bytes(record.value));
}

}  // namespace

std::string quoted(const std::string& bytes) {
    std::string out = fmt::format("({}) = \"", bytes.size());
    for (const char c : bytes) {
        const bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';
        out += plain ? std::string(1, c) : fmt::format("\\{:02X}", static_cast<uint8_t>(c));
    }
    return out + "\"";
}

Result<Backup> read_backup(Bytes file) {
    ByteReader reader(file);
    const uint64_t version = reader.u64();
    if (version != backup_version)
        return fail(Code::unsupported, "", fmt::format("Wrong version of backup file, expected {}, got {}", backup_version, version));
    Backup backup;
    backup.moment = static_cast<int64_t>(reader.u64());
    backup.kind = kind_of(reader.u64());
    const uint64_t parts = reader.u64();
    const uint64_t number = reader.u64();
    const std::string name = text(reader.bytes(name_size));
    backup.name = name.substr(0, name.find('\0'));
    for (uint64_t part = 0; part < parts && reader.ok(); part++) {
        reader.skip(4);
        const uint32_t count = reader.u32();
        const uint64_t size = reader.u64();
        ByteReader records(size <= reader.remaining() ? reader.bytes(size) : (reader.fail(), Bytes{}));
        for (uint32_t n = 0; n < count && reader.ok(); n++) {
            if (!read_record(records, backup.records.emplace_back())) reader.fail();
        }
        if (records.remaining() != 0) reader.fail();
    }
    if (!reader.ok() || backup.name.empty() || backup.records.size() != number)
        return fail(Code::corrupt, "", "is no backup, or not all of one");
    return backup;
}

Result<void> write_backup(const Backup& backup, Buffer& out) {
    if (backup.name.size() >= name_size) return fail(Code::invalid, backup.name, "the name is too long for a backup");
    out.clear();
    ByteWriter writer(out);
    writer.u64(backup_version);
    writer.u64(static_cast<uint64_t>(backup.moment));
    writer.u64(static_cast<uint64_t>(backup.kind));
    writer.u64(1);
    writer.u64(backup.records.size());
    std::string name = backup.name;
    name.resize(name_size);
    writer.bytes(as_bytes(name));
    Buffer records;
    ByteWriter part(records);
    for (const DumpedRecord& record : backup.records) write_record(part, record);
    writer.u32(0);
    writer.u32(static_cast<uint32_t>(backup.records.size()));
    writer.u64(records.size());
    writer.bytes(records.bytes());
    return {};
}

DumpedRecord sequence_record(uint64_t number) {
    DumpedRecord record;
    record.key = sequence_key;
    record.value.resize(sizeof number);
    store_le(reinterpret_cast<uint8_t*>(record.value.data()), number);
    record.rsn = number;
    return record;
}

bool is_sequence_record(const DumpedRecord& record) { return record.key == sequence_key; }

std::string text_of(const DumpedRecord& record) {
    return fmt::format("key{}\ndmaster: {}\nrsn: {}\nflags: 0x{:08x}{}{}\ndata{}\n\n", quoted(record.key), record.dmaster, record.rsn,
                       record.flags, (record.flags & has_delegations) != 0 ? " RO_HAVE_DELEGATIONS" : "",
                       (record.flags & is_delegation) != 0 ? " RO_HAVE_READONLY" : "", quoted(record.value));
}

}  // namespace Atoll::ctdb

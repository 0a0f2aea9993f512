// The files of `ctdb backupdb`, as Debian's ctdb 4.17 writes and reads them: version u64 (3), moment i64, kind u64 (1:
// persistent, 8: replicated, 0: volatile), number of parts
// u64, number of records u64, name char[64]; each part: anything u32, number of records u32, size u64, records; each record: size u32,
// anything u32, sizes of key and data u32 each, the key, the data, which is a record's head (RSN u64, dmaster u32, u32, flags u32, u32) and
// its value. Little-endian. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"

namespace Atoll::ctdb {

constexpr size_t max_backup_file = size_t{256} << 20;
constexpr uint64_t backup_version = 3;

// How the tool names a record: catdb's form.
// Of a record that others read: the dmaster has lent copies, or this is one.
constexpr uint32_t has_delegations = 0x01000000;
constexpr uint32_t is_delegation = 0x02000000;

struct DumpedRecord {
    std::string key, value;
    uint64_t rsn = 0;
    uint32_t dmaster = 0;
    uint32_t flags = 0;
    bool operator==(const DumpedRecord&) const = default;
};

enum class BackupKind : uint64_t { of_volatile = 0, of_persistent = 1, of_replicated = 8 };

struct Backup {
    int64_t moment = 0;  // seconds since 1970
    BackupKind kind = BackupKind::of_volatile;
    std::string name;
    std::vector<DumpedRecord> records;
};

// Code::unsupported: another version, which the text names; Code::corrupt: no backup, or a part of one.
Result<Backup> read_backup(Bytes file);
// Code::invalid: the name is too long for it.
Result<void> write_backup(const Backup& backup, Buffer& out);

// The record under which Samba keeps the sequence number of a persistent database.
DumpedRecord sequence_record(uint64_t number);
bool is_sequence_record(const DumpedRecord& record);

// `(4) = "a\\00bc"`.
std::string quoted(const std::string& bytes);
// Key, dmaster, RSN, flags and value, as `ctdb catdb` prints them.
std::string text_of(const DumpedRecord& record);

}  // namespace Atoll::ctdb

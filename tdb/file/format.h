// The TDB version 1 file: what stands where. docs/formats/tdb.md tells it in words.
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::tdb {

using Offset = uint32_t;  // bytes from the start of the data part, which is the file less its mutex area

constexpr char file_magic[32] = "TDB file\n";
constexpr uint32_t file_version = 0x2601196D;
constexpr uint32_t hash_in_header = 0x0BAD1A51;      // `rwlocks`: the hash is not the default one, see the two magic hashes
constexpr uint32_t features_in_header = 0x0BAD1A52;  // `rwlocks`: as above, and feature flags
constexpr uint32_t feature_mutex = 1;

struct FileHeader {
    char magic[32];
    uint32_t version;
    uint32_t hash_size;       // chains
    uint32_t rwlocks;         // 0, hash_in_header or features_in_header
    uint32_t recovery_start;  // Offset of the recovery area of transactions, 0: none
    uint32_t sequence_number;
    uint32_t magic1_hash;  // of the string "TDB file\n" with its NUL
    uint32_t magic2_hash;  // of the four bytes of record_live
    uint32_t feature_flags;
    uint32_t mutex_size;  // bytes of the mutex area before the data part
    uint32_t reserved[25];
};
static_assert(sizeof(FileHeader) == 168);

constexpr uint32_t record_live = 0x26011999;
constexpr uint32_t record_dead = 0xFEE1DEAD;
constexpr uint32_t record_free = 0xD9FEE666;
constexpr uint32_t record_recovery = 0xF53BC0E7;  // a transaction was being committed
constexpr uint32_t record_recovery_idle = 0;      // the recovery area when no transaction is being committed

struct RecordHeader {
    Offset next;       // in its chain or in the free list, 0: the last
    uint32_t rec_len;  // bytes after this header, the tailer among them
    uint32_t key_len;
    uint32_t data_len;
    uint32_t full_hash;  // of the key
    uint32_t magic;
};
static_assert(sizeof(RecordHeader) == 24);

// The last four bytes of a record: its whole size, so that the record before another is found.
using Tailer = uint32_t;

constexpr Offset free_list_head = sizeof(FileHeader);
constexpr Offset chain_head(uint32_t chain) { return free_list_head + 4 + 4 * chain; }
constexpr Offset data_start(uint32_t hash_size) { return chain_head(hash_size); }
// A record of the smallest size that is worth splitting off.
constexpr uint32_t min_record = sizeof(RecordHeader) + 16 + sizeof(Tailer);

// fcntl locks, one byte each. The same offsets in a file with mutexes: they do not count its mutex area.
constexpr uint64_t lock_open = 0;         // write: somebody opens or commits
constexpr uint64_t lock_active = 4;       // read: somebody uses a file that is to be cleared by the first
constexpr uint64_t lock_transaction = 8;  // write: a transaction or a writing traverse
constexpr uint64_t lock_free_list_byte = 164;
constexpr uint64_t lock_chain_byte(uint32_t chain) { return free_list_head + 4 * uint64_t{chain}; }

constexpr uint32_t max_hash_size = 1u << 24;
constexpr uint64_t max_data_size = 0xFFFFF000;  // offsets have 32 bits

}  // namespace Atoll::tdb

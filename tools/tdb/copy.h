// Whole TDB files copied, record by record: backups, restores, and plain files of those with mutexes.
#pragma once

#include <string>

#include "tdb/file/file_database.h"

namespace Atoll::tools {

struct CopyOptions {
    uint32_t hash_size = 0;  // of the copy; 0: as the original has it
    bool no_locks = false;   // on the original: nobody else may change it meanwhile
    bool read_only = false;  // open the original for reading only
};

// Writes every record of the file `from` to the file `to`, which is replaced at once when the copy is whole and on the disk. The original
// is locked for reading meanwhile, so that the copy is of one moment. The copy is always plain (fcntl locks), whatever the original has;
// its hash function and access mode are the original's. Returns the number of records. Code::corrupt: the original is damaged; `to` is as
// it was.
Result<uint64_t> copy_database(const std::string& from, const std::string& to, const CopyOptions& options);

// As copy_database from an open database. `mode`: of the new file.
Result<uint64_t> copy_records(tdb::FileDatabase& from, const std::string& to, uint32_t hash_size, unsigned mode, bool locked);

}  // namespace Atoll::tools

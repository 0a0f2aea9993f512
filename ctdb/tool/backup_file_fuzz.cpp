// A backup, as anybody may have made it: what is read is written again as the same.
#include "base/assert.h"
#include "ctdb/tool/backup_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const auto backup = ctdb::read_backup({data, size});
    if (!backup) return 0;
    Buffer file;
    if (!ctdb::write_backup(*backup, file)) return 0;
    const auto again = ctdb::read_backup(file.bytes());
    ATOLL_ASSERT(again && again->records == backup->records && again->name == backup->name);
    return 0;
}

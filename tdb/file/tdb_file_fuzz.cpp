// Arbitrary bytes as a TDB file: opening, checking, reading, visiting and changing it gives an error or works, and comes to an end.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

using namespace Atoll;
using namespace Atoll::tdb;

namespace {

void fail_with(const Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    std::abort();
}

void use(FileDatabase& database) {
    Buffer value;
    const bool whole = database.check().ok();
    for (const char* key : {"alpha", "beta", "", "key7"}) (void)database.fetch(as_bytes(key), value).ok();
    uint64_t seen = 0;
    (void)database.traverse([&](Bytes, Bytes) { return ++seen < 10000 ? Visit::go_on : Visit::stop; }).ok();
    auto stored = database.store(as_bytes("alpha"), as_bytes("a value that was not there before"));
    (void)database.remove(as_bytes("beta")).ok();
    const bool begun = database.begin().ok();
    const bool kept = begun && database.store(as_bytes("gamma"), as_bytes("by a transaction")).ok();
    const bool committed = begun && database.commit().ok();
    const bool repacked = database.repack().ok();
    (void)database.summary().ok();
    (void)database.visit_free_list([](const RecordPlace&) { return Visit::go_on; }).ok();
    // What was whole takes a record, and stays whole.
    auto after = database.check();
    if (whole && !stored.ok()) fail_with(stored.error());
    if (whole && !after.ok()) fail_with(after.error());
    if (whole && !(kept && committed && repacked)) std::abort();
}

// A hash size and a file size that agree make the interesting inputs; the mutexes of a file are never locked by anybody here, as
// opening it alone makes them anew.
void run(const uint8_t* data, size_t size, bool read_only) {
    const int fd = ::memfd_create("fuzz", 0);
    if (fd < 0 || ::write(fd, data, size) != static_cast<ssize_t>(size)) std::abort();
    auto database = FileDatabase::open({.path = "/proc/self/fd/" + std::to_string(fd), .create = false, .read_only = read_only});
    if (database.ok()) {
        if (read_only) {
            Buffer value;
            (void)(*database)->fetch(as_bytes("alpha"), value).ok();
            (void)(*database)->check().ok();
        } else {
            use(**database);
        }
    }
    ::close(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    log_set_level(-1);
    run(data, size, false);
    run(data, size, true);
    return 0;
}

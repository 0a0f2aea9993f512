// smbrecords: writes numbered records into a file of a continuously available share, as recordlog does, but through our client that fails
// over: servers may end and come back meanwhile.
//
//     smbrecords //server[,server...]/share FILE -U user%password -p PORT
//
// Several servers are the nodes of a cluster: it comes back to whichever serves.
//
// Each record is written under a lock of its own; a line "acknowledged N" tells of each that the server has answered. One more lock, at
// `kept_lock`, is held from beginning to end. At the end of its input it reads all records through another open and says "records N bad N
// reconnects N"; bad are those that are lost or changed. A call that fails, and a handle or lock that does not come back, end it at once.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/loop/loop.h"
#include "libcli/client/failover.h"
#include "torture/failing_over.h"
#include "torture/record.h"

namespace Atoll::torture {
namespace {

constexpr uint64_t kept_lock = uint64_t{1} << 40;
constexpr uint32_t exclusive = smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately;

bool fail(const char* call, NtStatus status) {
    std::printf("failed %s: %s\n", call, std::string(to_string(status)).c_str());
    return false;
}

bool write_record(client::FailoverFile& file, uint64_t number) {
    const Record record = Record::of(number);
    const uint64_t at = number * sizeof record;
    if (const NtStatus status = file.lock(at, sizeof record, exclusive); status != NtStatus::SUCCESS) return fail("lock", status);
    const auto written = file.write(at, {reinterpret_cast<const uint8_t*>(&record), sizeof record});
    if (!written || *written != sizeof record) return fail("write", written ? NtStatus::DISK_FULL : written.error());
    std::printf("acknowledged %llu\n", static_cast<unsigned long long>(number));
    if (const NtStatus status = file.unlock(at, sizeof record); status != NtStatus::SUCCESS) return fail("unlock", status);
    return true;
}

// Those that are lost or changed.
uint64_t count_bad(client::FailoverFile& file, uint64_t records) {
    uint64_t bad = 0;
    for (uint64_t number = 0; number < records; number++) {
        Buffer there;
        const NtStatus status = file.read(number * sizeof(Record), sizeof(Record), there);
        Record record;
        if (status == NtStatus::SUCCESS && there.size() == sizeof record) std::memcpy(&record, there.bytes().data(), sizeof record);
        if (!record.is(number)) bad++;
    }
    return bad;
}

bool run(const client::FailoverOptions& options, const std::string& name) {
    loop::Loop loop;
    client::FailoverShare share(loop, options);
    const auto file = share.open(name);
    if (!file) return fail("open", file.error());
    if (!(*file)->persistent()) return fail("open", NtStatus::NOT_SUPPORTED);
    if (const NtStatus status = (*file)->lock(kept_lock, 1, exclusive); status != NtStatus::SUCCESS) return fail("lock", status);
    uint64_t records = 0;
    for (; !input_has_ended(); records++)
        if (!write_record(**file, records)) return false;
    if (const NtStatus status = (*file)->unlock(kept_lock, 1); status != NtStatus::SUCCESS) return fail("unlock of what was kept", status);
    if (const NtStatus status = (*file)->close(); status != NtStatus::SUCCESS) return fail("close", status);
    client::FailoverOpen reading;
    reading.access = smb::access_mask::file_generic_read;
    const auto again = share.open(name, reading);
    if (!again) return fail("open", again.error());
    std::printf("records %llu bad %llu reconnects %u\n", static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(count_bad(**again, records)), share.reconnects());
    return true;
}

int main(int argc, char** argv) {
    FailingOver client;
    client.patience_s = 300;
    std::string name;
    bool seal = false;
    CLI::App app("Writes numbered records while servers end", "smbrecords");
    client.add_to(app);
    app.add_option("file", name, "Name of the file")->required();
    app.add_flag("--seal", seal, "Seal every request");
    CLI11_PARSE(app, argc, argv);
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    client::FailoverOptions options = client.client_options();
    options.log_on.seal = seal;
    return run(options, name) ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::torture

int main(int argc, char** argv) { return Atoll::torture::main(argc, argv); }

// tdbtool's `info` and `speed`.
#include <time.h>

#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "base/bytes.h"
#include "tools/tdb/session.h"

namespace Atoll::tools {
namespace {

constexpr double seconds_of_each = 5;
constexpr unsigned batch = 32;  // operations between two looks at the clock

std::string spread(const tdb::Spread& s) { return fmt::format("{}/{}/{}", s.smallest, s.average(), s.largest); }

double now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// False after the first that failed, which says why.
bool measure(std::string_view what, unsigned at_once, tdb::FunctionRef<Result<void>()> operation) {
    fmt::print("Testing {} speed for {:.0f} seconds\n", what, seconds_of_each);
    std::fflush(stdout);
    const double began = now();
    double elapsed = 0;
    uint64_t done = 0;
    for (; elapsed < seconds_of_each; elapsed = now() - began) {
        for (unsigned i = 0; i < at_once; i++, done++) {
            if (auto outcome = operation(); !outcome) {
                fmt::print(stderr, "tdbtool: {}\n", outcome.error().message());
                return false;
            }
        }
    }
    fmt::print("{:10.3f} ops/sec\n", static_cast<double>(done) / elapsed);
    return true;
}

Result<void> without_value(const Result<bool>& outcome) { return outcome ? Result<void>() : Result<void>(outcome.failure()); }

}  // namespace

void measure_speed(tdb::FileDatabase& database) {
    const Bytes plain = as_bytes("store test"), grouped = as_bytes("transaction test");
    std::array<uint8_t, 8> value{};
    uint64_t count = 0;
    auto fresh_value = [&] {
        store_le<uint64_t>(value.data(), ++count);
        return Bytes(value);
    };
    auto in_transaction = [&]() -> Result<void> {
        if (auto begun = database.begin(); !begun) return begun;
        auto stored = database.store(grouped, fresh_value());
        if (stored) return database.commit();
        database.cancel();
        return stored;
    };
    auto walk = [&]() -> Result<void> {
        auto seen = database.traverse([](Bytes, Bytes) { return tdb::Visit::go_on; });
        return seen ? Result<void>() : Result<void>(seen.failure());
    };
    if (!measure("store", batch, [&] { return database.store(plain, fresh_value()); })) return;
    if (!measure("fetch", batch, [&] { return without_value(database.exists(plain)); })) return;
    if (!measure("transaction", 1, in_transaction)) return;
    measure("traverse", 1, walk);
}

std::string describe(const tdb::Summary& s) {
    tdb::Spread dead = s.dead;  // as Debian's has it, the recovery area is one of them
    if (s.recovery_size != 0) dead.add(s.recovery_size - sizeof(tdb::RecordHeader));
    const uint64_t records = s.keys.count + dead.count + s.free.count;
    auto percent = [&](uint64_t bytes) { return static_cast<double>(bytes) * 100 / static_cast<double>(s.file_size); };
    std::string out;
    auto line = [&](std::string_view what, const std::string& value) { out += fmt::format("{}: {}\n", what, value); };
    line("Size of file/data", fmt::format("{}/{}", s.file_size, s.keys.total + s.data.total));
    line("Header offset/logical size", fmt::format("{}/{}", s.header_offset, s.logical_size));
    line("Number of records", fmt::format("{}", s.keys.count));
    line("Incompatible hash", s.rwlocks == 0 ? "no" : "yes");
    line("Active/supported feature flags", fmt::format("0x{:08x}/0x{:08x}", s.feature_flags, tdb::feature_mutex));
    line("Robust mutexes locking", (s.feature_flags & tdb::feature_mutex) != 0 ? "yes" : "no");
    line("Smallest/average/largest keys", spread(s.keys));
    line("Smallest/average/largest data", spread(s.data));
    line("Smallest/average/largest padding", spread(s.padding));
    line("Number of dead records", fmt::format("{}", dead.count));
    line("Smallest/average/largest dead records", spread(dead));
    line("Number of free records", fmt::format("{}", s.free.count));
    line("Smallest/average/largest free records", spread(s.free));
    line("Number of hash chains", fmt::format("{}", s.hash_size));
    line("Smallest/average/largest hash chains", spread(s.chains));
    line("Number of uncoalesced records", fmt::format("{}", s.uncoalesced.total));
    line("Smallest/average/largest uncoalesced runs", spread(s.uncoalesced));
    line("Percentage keys/data/padding/free/dead/rechdrs&tailers/hashes",
         fmt::format("{:.0f}/{:.0f}/{:.0f}/{:.0f}/{:.0f}/{:.0f}/{:.0f}", percent(s.keys.total), percent(s.data.total),
                     percent(s.padding.total), percent(s.free.total), percent(dead.total),
                     percent(records * (sizeof(tdb::RecordHeader) + sizeof(tdb::Tailer))),
                     percent(uint64_t{s.hash_size} * sizeof(tdb::Offset))));
    return out;
}

}  // namespace Atoll::tools

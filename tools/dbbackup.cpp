// dbbackup: a consistent copy of an LMDB database (persistent.mdb, accounts.mdb), made while the server uses it. See docs/durable.md.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/file.h"
#include "tdb/lmdb/lmdb_database.h"

using namespace Atoll;

namespace {

constexpr const char* usage =
    "Usage: dbbackup DATABASE BACKUP    copies a database that may be in use; a BACKUP that is there is replaced when the copy is good\n"
    "       dbbackup --check DATABASE   reads all of it\n";

Result<std::shared_ptr<tdb::LmdbEnvironment>> open_for_reading(const std::string& path) {
    tdb::LmdbEnvironmentOptions options;
    options.path = path;
    options.read_only = true;
    return tdb::LmdbEnvironment::open(options);
}

Result<uint64_t> count_records(const std::shared_ptr<tdb::LmdbEnvironment>& environment, const std::string& name) {
    auto database = tdb::LmdbDatabase::open(environment, name, tdb::Rank::none);
    if (!database) return database.failure();
    return (*database)->traverse([](Bytes, Bytes) { return tdb::Visit::go_on; });
}

// Reads every record. What it found, as text.
Result<std::string> check(const std::string& path) {
    auto environment = open_for_reading(path);
    if (!environment) return environment.failure();
    auto names = (*environment)->database_names();
    if (!names) return names.failure();
    if (names->empty()) names->emplace_back();
    std::string found;
    for (const std::string& name : *names) {
        const auto records = count_records(*environment, name);
        if (!records) return records.failure();
        found += fmt::format("{}{}{} records", found.empty() ? "" : ", ", name.empty() ? "" : name + ": ", *records);
    }
    return found;
}

// Under another name until it is known to be good.
Result<std::string> back_up(const std::string& from, const std::string& to) {
    auto environment = open_for_reading(from);
    if (!environment) return environment.failure();
    const std::string fresh = to + ".new";
    (void)::unlink(fresh.c_str());
    if (auto copied = (*environment)->copy_to(fresh); !copied) return copied.failure();
    auto found = check(fresh);
    (void)::unlink((fresh + "-lock").c_str());
    if (!found) {
        (void)::unlink(fresh.c_str());
        return found;
    }
    if (::rename(fresh.c_str(), to.c_str()) != 0) return fail_errno(errno, to, "cannot take the place of the former backup");
    if (auto synced = sync_directory_of(to); !synced) return synced.failure();
    return found;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (argc != 3 || (first.starts_with("-") && first != "--check")) {
        std::fputs(usage, stderr);
        return 2;
    }
    const auto found = first == "--check" ? check(argv[2]) : back_up(argv[1], argv[2]);
    if (!found) {
        std::fprintf(stderr, "dbbackup: %s\n", found.error().message().c_str());
        return 1;
    }
    std::printf("%s: %s\n", argv[2], found->c_str());
    return 0;
}

// tdbbackup: copies TDB files, or verifies them and restores the copy of a damaged one. Options are those of Debian's tdbbackup(8).
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "tdb/file/format.h"
#include "tools/tdb/copy.h"

namespace Atoll::tools {
namespace {

constexpr const char* usage =
    "Usage: tdbbackup [options] <fname...>\n\n"
    "   -h            this help message\n"
    "   -s suffix     set the backup suffix\n"
    "   -v            verify mode (restore if corrupt)\n"
    "   -n hashsize   set the new hash size for the backup\n"
    "   -l            open without locking to back up mutex dbs\n"
    "   -r            open with read only locking\n";

struct Options {
    std::string suffix = ".bak";
    bool verify = false;
    CopyOptions copy;
};

// False: there is none, or its backup is not older than it is.
bool is_due(const std::string& path, const std::string& backup) {
    struct stat file {
    }, copy{};
    if (::stat(path.c_str(), &file) != 0) return false;
    if (::stat(backup.c_str(), &copy) != 0) return true;
    const auto changed = file.st_mtim, copied = copy.st_mtim;
    return changed.tv_sec > copied.tv_sec || (changed.tv_sec == copied.tv_sec && changed.tv_nsec > copied.tv_nsec);
}

bool back_up(const std::string& path, const Options& options) {
    const std::string backup = path + options.suffix;
    if (!is_due(path, backup)) return true;
    auto copied = copy_database(path, backup, options.copy);
    if (copied) return true;
    fmt::print(stderr, "{}\nfailed to copy {}\n", copied.error().message(), path);
    return false;
}

Result<uint64_t> count_records(const std::string& path, const Options& options) {
    auto database = tdb::FileDatabase::open({.path = path, .create = false, .read_only = true, .no_locks = options.copy.no_locks});
    if (!database) return database.failure();
    return (*database)->check();
}

bool verify(const std::string& path, const Options& options) {
    const std::string backup = path + options.suffix;
    auto records = count_records(path, options);
    if (records) {
        fmt::print("{} : {} records\n", path, *records);
        return true;
    }
    fmt::print("{}\n", records.error().message());
    // Only what is damaged or gone is replaced: a file that cannot be read for another reason may be sound.
    const Code code = records.error().code;
    if (code != Code::corrupt && code != Code::not_found) return false;
    fmt::print("restoring {}\n", path);
    auto restored = copy_database(backup, path, options.copy);
    if (!restored) fmt::print(stderr, "{}\n", restored.error().message());
    return restored.ok();
}

bool parse_hash_size(const char* text, uint32_t& size) {
    char* end = nullptr;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value == 0 || value > tdb::max_hash_size) return false;
    size = static_cast<uint32_t>(value);
    return true;
}

int main_of(int argc, char** argv) {
    Options options;
    for (int option; (option = ::getopt(argc, argv, "hs:vn:lr")) != -1;) {
        switch (option) {
            case 's': options.suffix = optarg; break;
            case 'v': options.verify = true; break;
            case 'l': options.copy.no_locks = true; break;
            case 'r': options.copy.read_only = true; break;
            case 'n':
                if (parse_hash_size(optarg, options.copy.hash_size)) break;
                fmt::print(stderr, "tdbbackup: the hash size must be 1 to {}\n", tdb::max_hash_size);
                return 1;
            default: fmt::print("{}", usage); return option == 'h' ? 0 : 1;
        }
    }
    if (optind == argc) {
        fmt::print("{}", usage);
        return 1;
    }
    bool good = true;
    for (int i = optind; i < argc; i++) good = (options.verify ? verify(argv[i], options) : back_up(argv[i], options)) && good;
    return good ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::tools

int main(int argc, char** argv) { return Atoll::tools::main_of(argc, argv); }

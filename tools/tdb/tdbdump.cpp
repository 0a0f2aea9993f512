// tdbdump: the records of a TDB file as text. Options and output are those of Debian's tdbdump(8).
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/log.h"
#include "tdb/file/file_database.h"
#include "tools/tdb/record_text.h"

namespace Atoll::tools {
namespace {

constexpr const char* usage =
    "Usage: tdbdump [options] <filename>\n\n"
    "   -h          this help message\n"
    "   -k keyname  dumps value of keyname\n"
    "   -e          emergency dump, for corrupt databases\n";

struct Options {
    std::optional<std::string> key;
    bool emergency = false;
};

int complain(const Error& error) {
    fmt::print(stderr, "tdbdump: {}\n", error.message());
    return 1;
}

constexpr auto print_record = [](Bytes key, Bytes value) {
    fmt::print("{{\nkey({}) = \"{}\"\ndata({}) = \"{}\"\n}}\n", key.size(), escaped(key), value.size(), escaped(value));
    return tdb::Visit::go_on;
};

int dump_key(tdb::FileDatabase& database, const std::string& key) {
    auto found = database.parse(as_bytes(key), [](Bytes value) { fmt::print("{}", escaped(value)); });
    if (!found) return complain(found.error());
    return *found ? 0 : 1;
}

// What can be read of a damaged file; with a key only its record.
int rescue(tdb::FileDatabase& database, const Options& options) {
    uint64_t printed = 0;
    auto seen = database.rescue([&](Bytes key, Bytes value) {
        if (options.key && as_text(key) != *options.key) return tdb::Visit::go_on;
        printed++;
        return print_record(key, value);
    });
    if (!seen) return complain(seen.error());
    return printed > 0 ? 0 : 1;
}

int dump(const char* path, const Options& options) {
    auto database = tdb::FileDatabase::open({.path = path, .create = false, .read_only = true});
    if (!database) {
        fmt::print("Failed to open {}\n", path);
        return complain(database.error());
    }
    if (options.emergency) return rescue(**database, options);
    if (options.key) return dump_key(**database, *options.key);
    auto seen = (*database)->traverse(print_record);
    return seen ? 0 : complain(seen.error());
}

int main_of(int argc, char** argv) {
    Options options;
    for (int option; (option = ::getopt(argc, argv, "hk:e")) != -1;) {
        if (option == 'k') {
            options.key = optarg;
        } else if (option == 'e') {
            options.emergency = true;
        } else {
            fmt::print("{}", usage);
            return option == 'h' ? 0 : 1;
        }
    }
    if (optind == argc) {
        fmt::print("Usage: tdbdump <fname>\n");
        return 1;
    }
    return dump(argv[optind], options);
}

}  // namespace
}  // namespace Atoll::tools

int main(int argc, char** argv) { return Atoll::tools::main_of(argc, argv); }

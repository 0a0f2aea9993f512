// dbdump: the records of any of our databases, decoded. See docs/tdb_tools.md.
#include <getopt.h>

#include <array>
#include <cstdio>

#include <fmt/format.h>

#include "tools/dbdump/dump.h"

namespace Atoll::dbdump {
namespace {

void print_usage(std::FILE* out) {
    fmt::print(out,
               "Usage: dbdump [options] <file...>\n\n"
               "Prints the records of our databases, TDB or LMDB. Secrets are not shown.\n\n"
               "   -j, --json            as JSON\n"
               "   -a, --as NAME         the file has the format of this database\n"
               "   -d, --database NAME   of an LMDB file only this one\n"
               "   -h, --help            this help message\n\n"
               "Databases:");
    for (const Schema& schema : all_schemas()) fmt::print(out, " {}", schema.name);
    fmt::print(out, "\n");
}

bool dump_one(const Options& options) {
    auto outcome = dump(options);
    if (!outcome) {
        fmt::print(stderr, "dbdump: {}\n", outcome.error().message());
        return false;
    }
    fmt::print("{}", outcome->text);
    if (outcome->unreadable == 0) return true;
    std::fflush(stdout);
    fmt::print(stderr, "dbdump: {}: {} of {} records could not be read\n", options.path, outcome->unreadable, outcome->records);
    return false;
}

int main_of(int argc, char** argv) {
    constexpr std::array long_options{option{"json", no_argument, nullptr, 'j'}, option{"as", required_argument, nullptr, 'a'},
                                      option{"database", required_argument, nullptr, 'd'}, option{"help", no_argument, nullptr, 'h'},
                                      option{nullptr, 0, nullptr, 0}};
    Options options;
    for (int option; (option = ::getopt_long(argc, argv, "ja:d:h", long_options.data(), nullptr)) != -1;) {
        switch (option) {
            case 'j': options.form = Form::json; break;
            case 'a': options.schema = optarg; break;
            case 'd': options.database = optarg; break;
            case 'h': print_usage(stdout); return 0;
            default: print_usage(stderr); return 1;
        }
    }
    if (!options.schema.empty() && schema_of(options.schema).name.empty()) {
        fmt::print(stderr, "dbdump: no database of ours has the name '{}'\n", options.schema);
        return 1;
    }
    if (optind == argc) {
        print_usage(stderr);
        return 1;
    }
    bool good = true;
    for (int i = optind; i < argc; i++) {
        options.path = argv[i];
        good = dump_one(options) && good;
    }
    return good ? 0 : 1;
}

}  // namespace
}  // namespace Atoll::dbdump

int main(int argc, char** argv) { return Atoll::dbdump::main_of(argc, argv); }

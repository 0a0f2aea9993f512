// idlc --root DIR --out DIR [--depfile FILE] path/x.idl: writes OUT/path/x.idl.h and OUT/path/x.idl.cpp. See docs/idl.md.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "idl/compiler/generate.h"
#include "idl/compiler/parser.h"

namespace {

using namespace Atoll;

struct Options {
    std::string root = ".";
    std::string out = ".";
    std::string depfile;
    std::string path;
};

bool parse_options(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; i++) {
        const std::string argument = argv[i];
        std::string* value = argument == "--root"      ? &options.root
                             : argument == "--out"     ? &options.out
                             : argument == "--depfile" ? &options.depfile
                                                       : nullptr;
        if (value == nullptr && options.path.empty())
            options.path = argument;
        else if (value != nullptr && i + 1 < argc)
            *value = argv[++i];
        else
            return false;
    }
    return !options.path.empty();
}

bool write(const std::string& path, const std::string& text) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) std::fprintf(stderr, "%s: cannot be written: %s\n", path.c_str(), std::strerror(errno));
    return static_cast<bool>(out);
}

std::string dependencies(const Options& options, const std::string& target, const idlc::File& file) {
    std::string text = target + ":";
    for (const std::string& read : file.read) text += " " + options.root + "/" + read;
    return text + "\n";
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse_options(argc, argv, options)) {
        std::fprintf(stderr, "usage: idlc --root DIR --out DIR [--depfile FILE] path/x.idl\n");
        return 2;
    }
    const auto file = idlc::parse_file(options.root, options.path);
    if (!file) {
        std::fprintf(stderr, "%s\n", file.error().message().c_str());
        return 1;
    }
    const std::string target = options.out + "/" + options.path;
    if (!write(target + ".h", idlc::generate_header(*file)) || !write(target + ".cpp", idlc::generate_source(*file))) return 1;
    if (!options.depfile.empty() && !write(options.depfile, dependencies(options, target + ".h", *file))) return 1;
    return 0;
}

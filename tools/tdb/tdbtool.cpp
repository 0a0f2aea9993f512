// tdbtool: looks into TDB files and changes them, command by command. Commands and output are those of Debian's tdbtool(8).
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "tools/tdb/record_text.h"
#include "tools/tdb/session.h"

namespace Atoll::tools {
namespace {

constexpr const char* blanks = " \t\r";

// Cuts the first word off `line`, and the blanks behind it.
std::string_view cut_word(std::string_view& line) {
    const size_t begin = std::min(line.find_first_not_of(blanks), line.size());
    const size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    line.remove_prefix(std::min(line.find_first_not_of(blanks, end), line.size()));
    return word;
}

Session::Words words_of(std::string_view line) {
    Session::Words words;
    if (line.starts_with('!')) {
        line.remove_prefix(1);
        words.command = "!";
        words.line = line;
        return words;
    }
    words.command = cut_word(line);
    words.line = line;
    words.first = unescaped(cut_word(line));
    words.second = unescaped(line);
    return words;
}

int interactive(Session& session) {
    std::string line;
    for (;;) {
        fmt::print("tdb> ");
        std::fflush(stdout);
        if (!std::getline(std::cin, line)) return 0;
        if (!session.run(words_of(line))) return 0;
    }
}

int main_of(int argc, char** argv) {
    int at = 1;
    const bool no_locks = at < argc && std::strcmp(argv[at], "-l") == 0;
    if (no_locks) at++;
    Session session(no_locks);
    if (at < argc) session.open({"open", argv[at++], {}, {}});
    if (at == argc) return interactive(session);
    Session::Words words;
    words.command = argv[at++];
    for (int i = at; i < argc; i++) words.line += (i > at ? " " : "") + std::string(argv[i]);
    if (at < argc) words.first = unescaped(argv[at++]);
    if (at < argc) words.second = unescaped(argv[at++]);
    session.run(words);
    return 0;
}

}  // namespace
}  // namespace Atoll::tools

int main(int argc, char** argv) { return Atoll::tools::main_of(argc, argv); }

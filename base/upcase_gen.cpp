// Writes base/upcase_table.h: the simple upper-case mapping of every code point, from ICU.
#include <unicode/uchar.h>

#include <cstdio>
#include <map>
#include <vector>

namespace {

char32_t upper(char32_t c) {
    const auto mapped = static_cast<char32_t>(u_toupper(static_cast<UChar32>(c)));
    return c < 0x10000 && mapped >= 0x10000 ? c : mapped;
}

void write_pages(std::FILE* out) {
    std::map<std::vector<char32_t>, size_t> known;
    std::vector<std::vector<char32_t>> pages;
    std::vector<size_t> index;
    for (char32_t page = 0; page < 256; page++) {
        std::vector<char32_t> values;
        for (char32_t i = 0; i < 256; i++) values.push_back(upper(page << 8 | i));
        const auto [where, added] = known.emplace(values, pages.size());
        if (added) pages.push_back(values);
        index.push_back(where->second);
    }
    std::fprintf(out, "inline constexpr uint8_t upcase_index[256] = {");
    for (const size_t i : index) std::fprintf(out, "%zu,", i);
    std::fprintf(out, "};\ninline constexpr char16_t upcase_pages[%zu][256] = {\n", pages.size());
    for (const auto& page : pages) {
        std::fprintf(out, "{");
        for (const char32_t c : page) std::fprintf(out, "0x%X,", static_cast<unsigned>(c));
        std::fprintf(out, "},\n");
    }
    std::fprintf(out, "};\n");
}

void write_astral(std::FILE* out) {
    std::fprintf(out, "struct UpcasePair { char32_t lower; char32_t upper; };\ninline constexpr UpcasePair upcase_astral[] = {\n");
    for (char32_t c = 0x10000; c <= 0x10FFFF; c++) {
        if (upper(c) != c) std::fprintf(out, "{0x%X,0x%X},\n", static_cast<unsigned>(c), static_cast<unsigned>(upper(c)));
    }
    std::fprintf(out, "};\n");
}

}  // namespace

int main(int argc, char** argv) {
    std::FILE* out = argc == 2 ? std::fopen(argv[1], "w") : nullptr;
    if (!out) return 1;
    std::fprintf(out, "// Made by upcase_gen from ICU %s.\n#pragma once\n#include <cstdint>\nnamespace Atoll::inline base {\n",
                 U_UNICODE_VERSION);
    write_pages(out);
    write_astral(out);
    std::fprintf(out, "}\n");
    return std::fclose(out) == 0 ? 0 : 1;
}

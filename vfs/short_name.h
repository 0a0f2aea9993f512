// 8.3 names (MS-FSCC 2.1.5.2.1), made from the long name alone, so that every process and node makes the same one. They are not stored:
// one is found again by making those of a directory's other names (NameLookup). smb.conf(5), "mangled names", "mangling char".
#pragma once

#include <array>
#include <string_view>

namespace Atoll::vfs {

class ShortName {
 public:
    // `name` itself if it is an 8.3 name; else six characters, `mangling_char`, one character and up to three of the extension.
    ShortName(std::string_view name, char mangling_char);
    [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

 private:
    void add(char c) { text_[size_++] = c; }

    std::array<char, 12> text_{};
    size_t size_ = 0;
};

bool is_8_3_name(std::string_view name);
// Whether it may be a made one: worth comparing those of a directory with it.
bool may_be_made(std::string_view name, char mangling_char);

}  // namespace Atoll::vfs

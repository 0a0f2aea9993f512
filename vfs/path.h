// Paths inside a share: UTF-8, relative to its root, '/' between components.
#pragma once

#include <string_view>

namespace Atoll::vfs {

// No NUL, no leading, trailing or double slash, no "." or "..", no component over limits::max_component_bytes. "" (the root) is valid.
bool is_valid_path(std::string_view path);

// "a/b" and "c" of "a/b/c"; "" and "c" of "c".
std::string_view parent_of(std::string_view path);
std::string_view leaf_of(std::string_view path);

}  // namespace Atoll::vfs

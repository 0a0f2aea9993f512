// A module's options: "module:option = value" of smb.conf, as Options::parametric has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vfs/vfs.h"

namespace Atoll::vfs {

std::string option_text(const Options& options, std::string_view name, std::string_view otherwise);
// The same with smb.conf's %-macros expanded.
std::string expanded_text(const Options& options, std::string_view name, std::string_view otherwise);
// Words as smb.conf(5) has them (yes, true, 1; no, false, 0); anything else is `otherwise`.
bool option_flag(const Options& options, std::string_view name, bool otherwise);
// In `base`; `otherwise` for what is no number.
uint64_t option_number(const Options& options, std::string_view name, uint64_t otherwise, int base = 10);
// Separated by white space and commas; empty where unset.
std::vector<std::string> option_list(const Options& options, std::string_view name);

}  // namespace Atoll::vfs

// smb.conf as lines: continuations joined, comments dropped, blanks collapsed (smb.conf(5), "FILE FORMAT"). As Samba reads it, a run
// of blanks counts as its first one, in values too; a line that is neither section, parameter nor comment is passed on as junk.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace Atoll::conf {

struct ConfigLine {
    enum class What { section, parameter, junk };
    What what = What::junk;
    size_t number = 0;  // of the first physical line, from 1
    std::string name;   // of the section or parameter; the text of junk
    std::string value;
};

// An Error's `where` is "file:line". Limits: max_config_file, max_config_line.
Result<std::vector<ConfigLine>> read_config_lines(std::string_view text, const std::string& file);

}  // namespace Atoll::conf

// smb.conf(5) `username map`: names that clients use to names of UNIX users.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace Atoll::accounts {

class UsernameMap {
 public:
    UsernameMap() = default;  // maps every name to itself
    // Lines "unix = name name ...": a name may be quoted, "*" is every name, @group and +group are UNIX groups. A line that begins with '!'
    // ends the search if it matches; else later lines see the new name. '#' and ';' begin comments. Code::invalid with the line.
    static Result<UsernameMap> load(const std::string& path);
    static Result<UsernameMap> parse(std::string_view text, std::string_view where);

    // Case does not count. `in_group` answers for the groups.
    [[nodiscard]] std::string map(std::string_view name,
                                  const std::function<bool(std::string_view user, std::string_view group)>& in_group) const;
    [[nodiscard]] bool empty() const { return lines_.empty(); }

 private:
    struct Line {
        std::string unix_name;
        std::vector<std::string> names;
        bool last = false;
    };
    std::vector<Line> lines_;
};

}  // namespace Atoll::accounts

// The lists of smb.conf that decide who and what: hosts allow and deny, users and groups, file name patterns.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/macros.h"
#include "conf/parameter.h"

namespace Atoll::conf {

// ---- hosts (smb.conf(5) hosts allow, hosts_access(5))

struct ClientHost {
    std::string address;  // "192.0.2.7", "2001:db8::1"; an IPv4-mapped IPv6 address counts as IPv4
    // Its DNS name, empty if it has none; called only if a list holds a name. Null: names never match.
    std::function<std::string()> name;
};

// One list against one client: addresses, prefixes ("192.168.1."), networks ("10.0.0.0/8", "/255.0.0.0", IPv6 with a length), names,
// domains (".example.org"), @netgroup, ALL, LOCAL (a name without a dot), and EXCEPT, behind which the rest of the list takes away.
bool host_in_list(const Names& list, const ClientHost& host);
// Whether a client may connect. Both lists empty: yes; only allow: who is in it; only deny: who is not in it; both: who is in allow or
// not in deny. 127.0.0.1 and ::1 are let in unless deny names it and allow does not.
bool host_allowed(const Names& allow, const Names& deny, const ClientHost& host);

// ---- users and groups (smb.conf(5) invalid users)

struct GroupLookup {
    std::function<bool(std::string_view user, std::string_view group)> unix_group;  // null: no
    std::function<bool(std::string_view user, std::string_view group)> netgroup;    // null: no
};

// True if an item of `list` names the user: a user name, +group (UNIX), &group (netgroup), @group (netgroup, then UNIX), +&group and
// &+group in that order. `user` and `aliases` ("DOMAIN\user") are equal names. Macros of items (%S) are expanded by `macros`. ASCII
// case does not count in user names.
bool user_in_list(const Names& list, std::string_view user, const Names& aliases, const GroupLookup& groups, const MacroValues& macros);

// ---- file names (smb.conf(5) veto files, hide files, veto oplock files)

// "/*.tmp/.AppleDouble/lost?found/": names between slashes, * and ? as wildcards, blanks part of names.
class NamePatterns {
 public:
    NamePatterns() = default;
    // Expand macros first. At most limits::max_name_patterns; the rest is not taken and `truncated()` tells.
    explicit NamePatterns(std::string_view text, bool case_sensitive = false);

    [[nodiscard]] bool empty() const { return patterns_.empty(); }
    [[nodiscard]] bool truncated() const { return truncated_; }
    // One component, UTF-8; "." and ".." never match. Allocates nothing.
    [[nodiscard]] bool matches(std::string_view component) const;

 private:
    std::vector<std::u32string> patterns_;  // in upper case unless case-sensitive
    bool case_sensitive_ = false;
    bool truncated_ = false;
};

}  // namespace Atoll::conf

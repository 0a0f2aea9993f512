// Users, groups and file names of access lists (smb.conf(5) invalid users, veto files).
#include "conf/access_lists.h"

#include "base/limits.h"
#include "base/utf.h"

namespace Atoll::conf {

namespace {

bool in_group(std::string_view user, const Names& aliases, std::string_view group,
              const std::function<bool(std::string_view, std::string_view)>& lookup) {
    if (!lookup || group.empty()) return false;
    if (lookup(user, group)) return true;
    for (const std::string& alias : aliases) {
        if (lookup(alias, group)) return true;
    }
    return false;
}

bool item_matches(std::string_view item, std::string_view user, const Names& aliases, const GroupLookup& groups) {
    const size_t name_start = item.find_first_not_of("@+&");
    const std::string_view prefix = item.substr(0, name_start);
    const std::string_view name = name_start == std::string_view::npos ? "" : item.substr(name_start);
    if (prefix.empty()) {
        if (equal_ignoring_ascii_case(name, user)) return true;
        for (const std::string& alias : aliases) {
            if (equal_ignoring_ascii_case(name, alias)) return true;
        }
        return false;
    }
    for (const char c : prefix == "@" ? std::string_view("&+") : prefix) {
        const auto& lookup = c == '&' ? groups.netgroup : groups.unix_group;
        if (c != '@' && in_group(user, aliases, name, lookup)) return true;
    }
    return false;
}

// The code point at `at`, which moves past it. A byte that is not UTF-8 counts for itself, apart from every code point.
char32_t next_code_point(std::string_view text, size_t& at) {
    const auto first = static_cast<uint8_t>(text[at]);
    const size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    bool valid = length != 0 && at + length <= text.size();
    char32_t code = length <= 1 ? first : first & (0xFFu >> (length + 1));
    for (size_t i = 1; valid && i < length; i++) {
        const auto byte = static_cast<uint8_t>(text[at + i]);
        valid = (byte & 0xC0) == 0x80;
        code = (code << 6) | (byte & 0x3Fu);
    }
    at += valid ? length : 1;
    return valid ? code : 0x110000 + first;
}

char32_t folded(char32_t c, bool case_sensitive) { return case_sensitive || c >= 0x110000 ? c : to_upper(c); }

// * any run, ? one code point. One step back per star suffices, so the time is at most the product of the lengths.
bool wildcard_matches(std::u32string_view pattern, std::string_view text, bool case_sensitive) {
    size_t p = 0, at = 0;
    size_t star = std::u32string_view::npos, star_at = 0;
    while (at < text.size()) {
        size_t next = at;
        const char32_t c = folded(next_code_point(text, next), case_sensitive);
        if (p < pattern.size() && pattern[p] == U'*') {
            star = p++;
            star_at = at;
        } else if (p < pattern.size() && (pattern[p] == U'?' || pattern[p] == c)) {
            p++;
            at = next;
        } else if (star != std::u32string_view::npos) {
            p = star + 1;
            next_code_point(text, star_at);
            at = star_at;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == U'*') p++;
    return p == pattern.size();
}

}  // namespace

bool user_in_list(const Names& list, std::string_view user, const Names& aliases, const GroupLookup& groups, const MacroValues& macros) {
    for (const std::string& item : list) {
        if (!has_macros(item)) {
            if (item_matches(item, user, aliases, groups)) return true;
        } else if (item_matches(expand_macros(item, macros), user, aliases, groups)) {
            return true;
        }
    }
    return false;
}

NamePatterns::NamePatterns(std::string_view text, bool case_sensitive) : case_sensitive_(case_sensitive) {
    while (!text.empty()) {
        const size_t slash = text.find('/');
        const std::string_view name = text.substr(0, slash);
        text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
        if (name.empty()) continue;
        if (patterns_.size() == limits::max_name_patterns) {
            truncated_ = true;
            return;
        }
        std::u32string pattern;
        for (size_t at = 0; at < name.size();) pattern += folded(next_code_point(name, at), case_sensitive_);
        patterns_.push_back(std::move(pattern));
    }
}

bool NamePatterns::matches(std::string_view component) const {
    if (component == "." || component == "..") return false;
    for (const std::u32string& pattern : patterns_) {
        if (wildcard_matches(pattern, component, case_sensitive_)) return true;
    }
    return false;
}

}  // namespace Atoll::conf

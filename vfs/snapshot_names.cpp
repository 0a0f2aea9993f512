#include "vfs/snapshot_names.h"

#include <array>
#include <charconv>
#include <ctime>

#include "base/log.h"
#include "vfs/module_options.h"

namespace Atoll::vfs {

namespace {

constexpr std::string_view number = "%lu";

}  // namespace

SnapshotNames::SnapshotNames(const Options& options) {
    is_local_ = option_flag(options, "shadow:localtime", false);
    is_number_ = option_flag(options, "shadow:sscanf", false);
    format_ = option_text(options, "shadow:format", is_number_ ? number : "@GMT-%Y.%m.%d-%H.%M.%S");
    if (is_number_) {
        const size_t at = format_.find(number);
        if (at == std::string::npos) log_warning("share '{}': shadow:format has no %lu for shadow:sscanf to find", options.share);
        before_ = format_.substr(0, at);
        if (at != std::string::npos) after_ = format_.substr(at + number.size());
    }
    const std::string prefix = option_text(options, "shadow:snapprefix", "");
    if (prefix.empty()) return;
    delimiter_ = option_text(options, "shadow:delimiter", "_GMT");
    has_prefix_ = ::regcomp(&prefix_, prefix.c_str(), REG_NOSUB) == 0;
    if (!has_prefix_) log_warning("share '{}': shadow:snapprefix is no basic regular expression and does not count", options.share);
}

SnapshotNames::~SnapshotNames() {
    if (has_prefix_) ::regfree(&prefix_);
}

std::string SnapshotNames::print(int64_t time) const {
    if (is_number_) return before_ + std::to_string(time) + after_;
    const time_t seconds = time;
    tm parts{};
    if ((is_local_ ? ::localtime_r(&seconds, &parts) : ::gmtime_r(&seconds, &parts)) == nullptr) return {};
    std::array<char, 256> text;  // NAME_MAX
    return {text.data(), std::strftime(text.data(), text.size(), format_.c_str(), &parts)};
}

// Only what is printed so again: else the snapshot would be told, but not found.
std::optional<int64_t> SnapshotNames::parse(const std::string& text) const {
    int64_t time = 0;
    if (is_number_) {
        if (!text.starts_with(before_) || text.size() < before_.size() + after_.size()) return std::nullopt;
        const char* begin = text.data() + before_.size();
        const char* end = text.data() + text.size() - after_.size();
        if (std::from_chars(begin, end, time).ptr != end) return std::nullopt;
    } else {
        tm parts{};
        parts.tm_mday = 1;
        parts.tm_isdst = -1;
        const char* end = ::strptime(text.c_str(), format_.c_str(), &parts);
        if (end == nullptr || *end != '\0') return std::nullopt;
        time = is_local_ ? ::mktime(&parts) : ::timegm(&parts);
    }
    if (time <= 0 || print(time) != text) return std::nullopt;
    return time;
}

std::optional<int64_t> SnapshotNames::time_of(std::string_view name) const {
    if (!has_prefix_) return parse(std::string(name));
    const size_t at = name.find(delimiter_);
    if (at == std::string_view::npos) return std::nullopt;
    if (::regexec(&prefix_, std::string(name.substr(0, at)).c_str(), 0, nullptr, 0) != 0) return std::nullopt;
    // The delimiter may be how the format begins.
    if (const auto time = parse(std::string(name.substr(at)))) return time;
    return parse(std::string(name.substr(at + delimiter_.size())));
}

std::optional<std::string> SnapshotNames::name_of(int64_t time) const {
    if (has_prefix_) return std::nullopt;
    return print(time);
}

}  // namespace Atoll::vfs

#include "vfs/snapshot_token.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace Atoll::vfs {

namespace {

constexpr const char* format = "@GMT-%Y.%m.%d-%H.%M.%S";

}  // namespace

std::optional<int64_t> parse_snapshot_token(std::string_view text) {
    if (text.size() != snapshot_token_size || !text.starts_with("@GMT-")) return std::nullopt;
    const std::string copy(text);
    tm parts{};
    const char* end = ::strptime(copy.c_str(), format, &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    const int64_t time = ::timegm(&parts);
    // strptime takes less than it should for numbers, and days that a month has not.
    if (time <= 0 || snapshot_token(time) != text) return std::nullopt;
    return time;
}

std::string snapshot_token(int64_t time) {
    const time_t seconds = time;
    tm parts{};
    std::array<char, snapshot_token_size + 1> text;
    if (::gmtime_r(&seconds, &parts) == nullptr) return {};
    return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

int64_t take_snapshot_token(std::string& path) {
    for (size_t at = path.find('@'); at != std::string::npos; at = path.find("/@", at + 1)) {
        const size_t start = path[at] == '/' ? at + 1 : at;
        if (start > 0 && path[start - 1] != '/') continue;
        const size_t end = std::min(path.find('/', start), path.size());
        const auto time = parse_snapshot_token(std::string_view(path).substr(start, end - start));
        if (!time) continue;
        if (end < path.size()) {
            path.erase(start, end - start + 1);
        } else {
            path.resize(start == 0 ? 0 : start - 1);
        }
        return *time;
    }
    return 0;
}

}  // namespace Atoll::vfs

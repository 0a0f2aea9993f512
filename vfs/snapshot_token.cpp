#include "vfs/snapshot_token.h"

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

}  // namespace Atoll::vfs

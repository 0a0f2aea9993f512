// Logging. One line a message, to the file or stream that log_open chose; levels are those of smb.conf's `log level` (0 to 10).
//
//   log_error("smb.conf:12: share '{}' has no path", name);
//
// Formatting costs nothing when the level is off. Thread-safe. After fork the child inherits the sink; log_set_process names it in each
// line.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace Atoll::inline base {

enum class LogLevel : int { error = 0, warning = 1, notice = 2, info = 3, debug = 5, trace = 10 };

struct LogTarget {
    std::string file;  // empty: standard error
    bool append = true;
    size_t max_size_kib = 0;  // rotate to file.old beyond this (smb.conf `max log size`); 0: never
};

Result<void> log_open(const LogTarget& target);
void log_set_level(int level);
int log_level();
void log_set_process(std::string_view name);  // "smbd", "preauth": stands in each line, with the pid

namespace log_detail {
extern int current_level;
void write(LogLevel level, fmt::string_view format, fmt::format_args args);
}  // namespace log_detail

template <class... A>
void log_at(LogLevel level, fmt::format_string<A...> format, A&&... args) {
    if (static_cast<int>(level) <= log_detail::current_level) log_detail::write(level, format, fmt::make_format_args(args...));
}
template <class... A>
void log_error(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::error, format, std::forward<A>(args)...);
}
template <class... A>
void log_warning(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::warning, format, std::forward<A>(args)...);
}
template <class... A>
void log_notice(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::notice, format, std::forward<A>(args)...);
}
template <class... A>
void log_info(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::info, format, std::forward<A>(args)...);
}
template <class... A>
void log_debug(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::debug, format, std::forward<A>(args)...);
}
template <class... A>
void log_trace(fmt::format_string<A...> format, A&&... args) {
    log_at(LogLevel::trace, format, std::forward<A>(args)...);
}

}  // namespace Atoll::inline base

#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

namespace Atoll::inline base {

namespace log_detail {
int current_level = static_cast<int>(LogLevel::warning);
}

namespace {

std::shared_ptr<spdlog::logger> logger;
std::string process_name = "atoll";

spdlog::logger& ready_logger() {
    if (!logger) {
        logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        logger->set_pattern("[%Y/%m/%d %H:%M:%S.%f, %P] %v");
        logger->set_level(spdlog::level::trace);
    }
    return *logger;
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::error: return "error";
        case LogLevel::warning: return "warning";
        case LogLevel::notice: return "notice";
        case LogLevel::info: return "info";
        case LogLevel::debug: return "debug";
        case LogLevel::trace: return "trace";
    }
    return "log";
}

}  // namespace

Result<void> log_open(const LogTarget& target) {
    try {
        spdlog::sink_ptr sink;
        if (target.file.empty()) {
            sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        } else if (target.max_size_kib > 0) {
            sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(target.file, target.max_size_kib * 1024, 1, !target.append);
        } else {
            sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(target.file, !target.append);
        }
        ready_logger().sinks() = {sink};
        ready_logger().set_pattern("[%Y/%m/%d %H:%M:%S.%f, %P] %v");
    } catch (const std::exception& problem) {
        return fail(Code::io, target.file, fmt::format("cannot open the log file: {}", problem.what()));
    }
    return {};
}

void log_set_level(int level) { log_detail::current_level = level; }
int log_level() { return log_detail::current_level; }
void log_set_process(std::string_view name) { process_name = name; }

void log_detail::write(LogLevel level, fmt::string_view format, fmt::format_args args) {
    auto& out = ready_logger();
    out.log(spdlog::level::info, "{} {}: {}", process_name, level_name(level), fmt::vformat(format, args));
    out.flush();
}

}  // namespace Atoll::inline base

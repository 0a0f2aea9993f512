#include "ctdb/daemon/tunables.h"

#include <charconv>
#include <sstream>

#include "base/file.h"
#include "base/log.h"

namespace Atoll::ctdb {
namespace {

constexpr size_t largest_file = size_t{64} << 10;

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t\r");
    return first == text.npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

Result<Tunables> load_tunables(const std::string& path) {
    Tunables tunables;
    const auto text = read_file(path, largest_file);
    if (!text && text.error().code != Code::not_found) return text.failure();
    std::istringstream lines(text ? *text : "");
    size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        number++;
        line = trimmed(line);
        if (line.empty() || line[0] == '#') continue;
        const size_t equals = line.find('=');
        const std::string name = trimmed(line.substr(0, equals));
        const std::string value = equals == line.npos ? "" : trimmed(line.substr(equals + 1));
        uint32_t parsed = 0;
        const auto [at, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (value.empty() || error != std::errc() || at != value.data() + value.size())
            return fail(Code::invalid, path + ":" + std::to_string(number), "is not NAME=NUMBER");
        if (name == "MonitorInterval") {
            tunables.monitor_interval = std::chrono::seconds(std::max(parsed, 1U));
        } else if (name == "EventScriptTimeout") {
            tunables.event_script_timeout = std::chrono::seconds(parsed);
        } else if (name == "MonitorTimeoutCount") {
            tunables.monitor_timeout_count = parsed;
        } else {
            log_notice("{}:{}: {} does nothing here", path, number, name);
        }
    }
    return tunables;
}

}  // namespace Atoll::ctdb

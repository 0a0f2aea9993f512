#include "ctdb/daemon/tunables.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "base/file.h"
#include "base/log.h"

namespace Atoll::ctdb {
namespace {

constexpr size_t largest_file = size_t{64} << 10;

constexpr std::array<Tunable, 14> known{{
    {"MonitorInterval", &Tunables::monitor_interval, 1},
    {"TickleUpdateInterval", &Tunables::tickle_update_interval, 1},
    {"EventScriptTimeout", &Tunables::event_script_timeout, 1},
    {"MonitorTimeoutCount", &Tunables::monitor_timeout_count, 0},
    {"RecoveryBanPeriod", &Tunables::recovery_ban_period, 1},
    {"EnableBans", &Tunables::enable_bans, 0},
    {"NoIPFailback", &Tunables::no_ip_failback, 0},
    {"RecLockLatencyMs", &Tunables::rec_lock_latency_ms, 0},
    {"StatHistoryInterval", &Tunables::stat_history_interval, 1},
    {"AllowClientDBAttach", &Tunables::allow_client_db_attach, 0},
    {"HopcountMakeSticky", &Tunables::hopcount_make_sticky, 0},
    {"StickyDuration", &Tunables::sticky_duration, 0},
    {"StickyPindown", &Tunables::sticky_pindown, 0},
    {"NoIPTakeover", &Tunables::no_ip_takeover, 0},
}};

// The others of ctdb-tunables(7).
constexpr std::array meaningless{
    "SeqnumInterval",       "ControlTimeout",     "TraverseTimeout",     "KeepaliveInterval",   "KeepaliveLimit",      "RecoverTimeout",
    "RecoverInterval",      "ElectionTimeout",    "TakeoverTimeout",     "RecoveryGracePeriod", "DatabaseHashSize",    "DatabaseMaxDead",
    "RerecoveryTimeout",    "VerboseMemoryNames", "RecdPingTimeout",     "RecdFailCount",       "LogLatencyMs",        "QueueBufferSize",
    "RecoveryDropAllIPs",   "VacuumInterval",     "VacuumMaxRunTime",    "RepackLimit",         "VacuumFastPathCount", "MaxQueueDropMsg",
    "AllowUnhealthyDBRead", "DeferredAttachTO",   "FetchCollapse",       "IPAllocAlgorithm",    "AllowMixedVersions",  "DBRecordCountWarn",
    "DBRecordSizeWarn",     "DBSizeWarn",         "PullDBPreallocation", "LockProcessesPerDB",  "RecBufferSizeLimit",
};

bool same(std::string_view a, const char* b) { return ::strcasecmp(std::string(a).c_str(), b) == 0; }

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(" \t\r");
    return first == text.npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

std::span<const Tunable> known_tunables() { return known; }

Result<Tunable> find_tunable(std::string_view name) {
    for (const Tunable& tunable : known) {
        if (same(name, tunable.name)) return tunable;
    }
    const bool ctdbs = std::any_of(meaningless.begin(), meaningless.end(), [&](const char* other) { return same(name, other); });
    if (ctdbs) return fail(Code::unsupported, std::string(name), "means nothing here");
    return fail(Code::not_found, std::string(name), "is no tunable");
}

Result<void> set_tunable(Tunables& tunables, std::string_view name, uint32_t value) {
    const auto tunable = find_tunable(name);
    if (!tunable) return tunable.failure();
    if (value < tunable->least) return fail(Code::invalid, tunable->name, "must be at least " + std::to_string(tunable->least));
    tunables.*tunable->value = value;
    return {};
}

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
        const std::string where = path + ":" + std::to_string(number);
        uint32_t parsed = 0;
        const auto [at, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (value.empty() || error != std::errc() || at != value.data() + value.size())
            return fail(Code::invalid, where, "is not NAME=NUMBER");
        const auto set = set_tunable(tunables, name, parsed);
        if (!set && set.error().code == Code::invalid) return fail(Code::invalid, where, set.error().message());
        if (!set) log_notice("{}: {}", where, set.error().message());
    }
    return tunables;
}

}  // namespace Atoll::ctdb

#include "conf/ctdb_conf.h"

#include <arpa/inet.h>
#include <strings.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <map>

#include "base/file.h"
#include "base/limits.h"
#include "conf/config_lines.h"

namespace Atoll::conf {
namespace {

struct LevelName {
    const char* name;
    int level;
};
constexpr std::array<LevelName, 5> level_names = {{{"ERROR", 0}, {"WARNING", 1}, {"NOTICE", 2}, {"INFO", 3}, {"DEBUG", 10}}};

using Setter = std::function<bool(const std::string& value)>;

Setter text_of(std::string& to) {
    return [&to](const std::string& value) {
        to = value;
        return true;
    };
}

Setter flag_of(bool& to) {
    return [&to](const std::string& value) {
        const bool on = ::strcasecmp(value.c_str(), "true") == 0 || ::strcasecmp(value.c_str(), "yes") == 0;
        if (!on && ::strcasecmp(value.c_str(), "false") != 0 && ::strcasecmp(value.c_str(), "no") != 0) return false;
        to = on;
        return true;
    };
}

// What this daemon does in one way only: the value must be the one that it does.
Setter always(const char* only) {
    return [only](const std::string& value) { return ::strcasecmp(value.c_str(), only) == 0; };
}

bool set_location(CtdbConf& conf, const std::string& value) {
    if (value.rfind("file:", 0) != 0 || value.size() == 5) return false;
    conf.log_file = value.substr(5);
    return true;
}

bool is_number(const std::string& value) { return !value.empty() && value.find_first_not_of("0123456789") == value.npos; }

// ctdb.conf(5). "recovery lock" is the older name of "cluster lock".
std::map<std::string, Setter> setters(CtdbConf& conf) {
    return {
        {"logging/log level",
         [&conf](const std::string& value) {
             const auto level = log_level_named(value);
             if (level) conf.log_level = *level;
             return level.has_value();
         }},
        {"logging/location", [&conf](const std::string& value) { return set_location(conf, value); }},
        {"cluster/cluster lock", text_of(conf.cluster_lock)},
        {"cluster/recovery lock", text_of(conf.cluster_lock)},
        {"cluster/cluster register", text_of(conf.cluster_register)},
        {"cluster/node address", text_of(conf.node_address)},
        {"cluster/leader capability", flag_of(conf.leader_capability)},
        {"cluster/leader timeout", is_number},  // of elections by broadcast, which there are not: whoever has the lock leads
        {"cluster/transport", always("tcp")},
        {"database/volatile database directory", text_of(conf.volatile_directory)},
        {"database/persistent database directory", text_of(conf.persistent_directory)},
        {"database/state database directory", text_of(conf.state_directory)},
        {"database/tdb mutexes", flag_of(conf.tdb_mutexes)},
        {"event/debug script", text_of(conf.debug_script)},
        {"failover/disabled", flag_of(conf.failover_disabled)},
        {"legacy/ctdb start as stopped", flag_of(conf.start_as_stopped)},
        {"legacy/start as disabled", flag_of(conf.start_as_disabled)},
        {"legacy/realtime scheduling", flag_of(conf.realtime_scheduling)},
        {"legacy/lmaster capability", flag_of(conf.lmaster_capability)},
    };
}

Failure<Error> bad_line(const std::string& file, size_t number, std::string text) {
    return fail(Code::invalid, file + ":" + std::to_string(number), std::move(text));
}

// Calls `take` with each line, blanks at both ends removed, and its number.
Result<void> each_line(std::string_view text, const std::function<Result<void>(const std::string&, size_t)>& take) {
    size_t number = 0;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        std::string line(text.substr(0, end));
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        number++;
        const size_t first = line.find_first_not_of(" \t\r");
        const size_t last = line.find_last_not_of(" \t\r");
        line = first == line.npos ? "" : line.substr(first, last - first + 1);
        if (auto taken = take(line, number); !taken) return taken;
    }
    return {};
}

// The address in its usual spelling; empty: it is none.
std::string usual_address(const std::string& text) {
    std::array<uint8_t, 16> bytes{};
    std::array<char, INET6_ADDRSTRLEN> usual{};
    for (const int family : {AF_INET, AF_INET6}) {
        if (::inet_pton(family, text.c_str(), bytes.data()) == 1 && ::inet_ntop(family, bytes.data(), usual.data(), usual.size()))
            return usual.data();
    }
    return "";
}

std::vector<std::string> words_of(const std::string& text, const char* separators) {
    std::vector<std::string> words;
    for (size_t at = text.find_first_not_of(separators); at != text.npos;) {
        const size_t end = text.find_first_of(separators, at);
        words.push_back(text.substr(at, end - at));
        at = end == text.npos ? end : text.find_first_not_of(separators, end);
    }
    return words;
}

Result<PublicAddress> parse_public_address(const std::string& line, const std::string& file, size_t number) {
    const std::vector<std::string> words = words_of(line, " \t");
    const size_t slash = words[0].find('/');
    PublicAddress parsed;
    parsed.address = usual_address(words[0].substr(0, slash));
    const bool six = parsed.address.find(':') != parsed.address.npos;
    const std::string mask = slash == words[0].npos ? "" : words[0].substr(slash + 1);
    if (parsed.address.empty() || !is_number(mask) || mask.size() > 3) return bad_line(file, number, "is not an ADDRESS/BITS");
    parsed.mask = static_cast<unsigned>(std::stoul(mask));
    if (parsed.mask > (six ? 128U : 32U)) return bad_line(file, number, "an address has not so many bits");
    if (words.size() != 2) return bad_line(file, number, "the interfaces are missing after the address, or something follows them");
    parsed.interfaces = words_of(words[1], ",");
    if (parsed.interfaces.empty()) return bad_line(file, number, "the interfaces are missing after the address");
    return parsed;
}

}  // namespace

std::optional<int> log_level_named(std::string_view name) {
    for (const LevelName& level : level_names) {
        if (name.size() == std::string_view(level.name).size() && ::strncasecmp(name.data(), level.name, name.size()) == 0)
            return level.level;
    }
    return std::nullopt;
}

const char* name_of_log_level(int level) {
    const char* name = level_names[0].name;
    for (const LevelName& known : level_names) {
        if (level >= known.level) name = known.name;
    }
    return name;
}

CtdbPaths ctdb_paths() {
    const char* base = ::getenv("CTDB_BASE");
    const char* socket = ::getenv("CTDB_SOCKET");
    CtdbPaths paths;
    paths.base = base != nullptr ? base : "/etc/ctdb";
    paths.run = base != nullptr ? paths.base + "/run" : "/run/ctdb";
    paths.socket = socket != nullptr ? socket : paths.run + "/ctdbd.socket";
    paths.pid_file = paths.run + "/ctdbd.pid";
    return paths;
}

Result<CtdbConf> parse_ctdb_conf(std::string_view text, const std::string& file, const CtdbPaths& paths) {
    auto lines = read_config_lines(text, file);
    if (!lines) return lines.failure();
    CtdbConf conf;
    const bool below_base = paths.run == paths.base + "/run";
    const std::string databases = below_base ? paths.base + "/db" : "/var/lib/ctdb";
    conf.volatile_directory = databases + "/volatile";
    conf.persistent_directory = databases + "/persistent";
    conf.state_directory = databases + "/state";
    conf.log_file = below_base ? paths.base + "/log.ctdb" : "/var/log/ctdb/log.ctdb";
    const auto known = setters(conf);
    std::string section;
    for (const ConfigLine& line : *lines) {
        if (line.what == ConfigLine::What::section) {
            section = line.name;
            const auto first = known.lower_bound(section + "/");
            if (first == known.end() || first->first.rfind(section + "/", 0) != 0)
                return bad_line(file, line.number, "unknown section [" + section + "]");
            continue;
        }
        const std::string name = "[" + section + "] -> \"" + line.name + "\"";
        const auto setter = known.find(section + "/" + line.name);
        if (line.what == ConfigLine::What::junk || setter == known.end()) return bad_line(file, line.number, "unknown option " + name);
        if (line.value.empty()) return bad_line(file, line.number, "empty value " + name);
        if (!setter->second(line.value)) return bad_line(file, line.number, "cannot have the value \"" + line.value + "\": " + name);
    }
    if (conf.cluster_register.empty() && !conf.cluster_lock.empty() && conf.cluster_lock[0] != '!')
        conf.cluster_register = conf.cluster_lock + ".register";
    return conf;
}

Result<ClusterNodes> parse_nodes(std::string_view text, const std::string& file) {
    ClusterNodes nodes;
    uint32_t pnn = 0;
    const auto read = each_line(text, [&](const std::string& line, size_t number) -> Result<void> {
        if (line.empty()) return {};
        if (line[0] == '#') {
            pnn++;
            nodes.deleted++;
            return {};
        }
        ClusterNode node{pnn++, usual_address(line)};
        if (node.address.empty()) return bad_line(file, number, "'" + line + "' is not an address");
        for (const ClusterNode& other : nodes.live) {
            if (other.address == node.address) return bad_line(file, number, "'" + line + "' stands there twice");
        }
        nodes.live.push_back(std::move(node));
        return {};
    });
    if (!read) return read.failure();
    if (nodes.live.empty()) return fail(Code::invalid, file, "names no node");
    return nodes;
}

Result<std::vector<PublicAddress>> parse_public_addresses(std::string_view text, const std::string& file) {
    std::vector<PublicAddress> addresses;
    const auto read = each_line(text, [&](const std::string& line, size_t number) -> Result<void> {
        if (line.empty() || line[0] == '#') return {};
        auto parsed = parse_public_address(line, file, number);
        if (!parsed) return parsed.failure();
        addresses.push_back(std::move(*parsed));
        return {};
    });
    if (!read) return read.failure();
    return addresses;
}

Result<ClusterNodes> load_nodes(const CtdbPaths& paths) {
    const std::string file = paths.base + "/nodes";
    const auto text = read_file(file, limits::max_config_file);
    if (!text) return text.failure();
    return parse_nodes(*text, file);
}

Result<CtdbFiles> load_ctdb_files(const CtdbPaths& paths) {
    const auto read = [&](const char* name) -> Result<std::string> {
        auto text = read_file(paths.base + name, limits::max_config_file);
        if (!text && text.error().code == Code::not_found) return std::string();
        return text;
    };
    const auto conf_text = read("/ctdb.conf");
    if (!conf_text) return conf_text.failure();
    const auto address_text = read("/public_addresses");
    if (!address_text) return address_text.failure();
    auto conf = parse_ctdb_conf(*conf_text, paths.base + "/ctdb.conf", paths);
    if (!conf) return conf.failure();
    auto nodes = load_nodes(paths);
    if (!nodes) return nodes.failure();
    auto addresses = parse_public_addresses(*address_text, paths.base + "/public_addresses");
    if (!addresses) return addresses.failure();
    return CtdbFiles{std::move(*conf), std::move(*nodes), std::move(*addresses)};
}

}  // namespace Atoll::conf

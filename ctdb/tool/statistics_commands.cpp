#include "ctdb/tool/statistics_commands.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::statistics;

// A line: a group is its own line in front of its first, and part of its machine name. Without a value it is 0.
struct Line {
    const char* group;
    const char* name;
    uint64_t statistics::*value = nullptr;
};
constexpr std::array lines{
    Line{"", "num_clients", &statistics::num_clients},
    Line{"", "frozen"},
    Line{"", "recovering", &statistics::recovering},
    Line{"", "num_recoveries", &statistics::num_recoveries},
    Line{"", "client_packets_sent", &statistics::client_packets_sent},
    Line{"", "client_packets_recv", &statistics::client_packets_recv},
    Line{"", "node_packets_sent", &statistics::node_packets_sent},
    Line{"", "node_packets_recv", &statistics::node_packets_recv},
    Line{"", "keepalive_packets_sent", &statistics::keepalive_packets_sent},
    Line{"", "keepalive_packets_recv", &statistics::keepalive_packets_recv},
    Line{"node", "req_call", &statistics::node_req_call},
    Line{"node", "reply_call"},
    Line{"node", "req_dmaster", &statistics::node_req_dmaster},
    Line{"node", "reply_dmaster", &statistics::node_reply_dmaster},
    Line{"node", "reply_error", &statistics::node_reply_error},
    Line{"node", "req_message", &statistics::node_req_message},
    Line{"node", "req_control", &statistics::node_req_control},
    Line{"node", "reply_control", &statistics::node_reply_control},
    Line{"node", "req_tunnel"},
    Line{"client", "req_call", &statistics::client_req_call},
    Line{"client", "req_message", &statistics::client_req_message},
    Line{"client", "req_control", &statistics::client_req_control},
    Line{"client", "req_tunnel"},
    Line{"timeouts", "call"},
    Line{"timeouts", "control"},
    Line{"timeouts", "traverse"},
    Line{"locks", "num_calls"},
    Line{"locks", "num_current"},
    Line{"locks", "num_pending"},
    Line{"locks", "num_failed"},
    Line{"", "total_calls", &statistics::total_calls},
    Line{"", "pending_calls", &statistics::pending_calls},
    Line{"", "childwrite_calls"},
    Line{"", "pending_childwrite_calls"},
    Line{"", "memory_used", &statistics::memory_used},
    Line{"", "max_hop_count"},
    Line{"", "total_ro_delegations", &statistics::ro_delegations},
    Line{"", "total_ro_revokes", &statistics::ro_revokes},
};

// In the machine's order.
struct Timing {
    const char* name;
    protocol::latency statistics::*value = nullptr;
};
constexpr std::array timings{Timing{"reclock_ctdbd", &statistics::lock_check}, Timing{"reclock_recd"}, Timing{"call", &statistics::call},
                             Timing{"lockwait"}, Timing{"childwrite"}};

constexpr const char* no_buckets = " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
constexpr uint64_t second = 1'000'000;

uint64_t value_of(const Line& line, const statistics& from) { return line.value != nullptr ? from.*line.value : 0; }
protocol::latency value_of(const Timing& timing, const statistics& from) {
    return timing.value != nullptr ? from.*timing.value : protocol::latency();
}

double seconds(uint64_t microseconds) { return static_cast<double>(microseconds) / second; }
double average(const protocol::latency& of) { return of.count != 0 ? seconds(of.total) / static_cast<double>(of.count) : 0; }

std::string latency_line(const char* name, const protocol::latency& of) {
    return fmt::format(" {:<18} MIN/AVG/MAX     {:.6f}/{:.6f}/{:.6f} sec out of {}\n", name, seconds(of.least), average(of),
                       seconds(of.most), of.count);
}

std::string counter_line(int depth, const char* name, uint64_t value) {
    return fmt::format("{:{}}{:<22}{:{}}{:>10}\n", "", 1 + 4 * depth, name, "", 4 * (1 - depth), value);
}

}  // namespace

std::string statistics_text(const statistics& from) {
    std::string text = "CTDB version 1\n";
    text += fmt::format("Current time of statistics  :                {}\n", moment_text(from.now));
    text += fmt::format("Statistics collected since  : {} {}\n", ago_text(from.now, from.since), moment_text(from.since));
    std::string group;
    for (const Line& line : lines) {
        if (group != line.group) group = line.group;
        const bool first = !group.empty() && text.find("\n " + group + "\n") == text.npos;
        if (first) text += " " + group + "\n";
        text += counter_line(group.empty() ? 0 : 1, line.name, value_of(line, from));
    }
    text += fmt::format(" hop_count_buckets:{0} lock_buckets:{0}", no_buckets);
    text += latency_line("locks_latency", {}) + latency_line("reclock_ctdbd", from.lock_check) + latency_line("reclock_recd", {});
    return text + latency_line("call_latency", from.call) + latency_line("childwrite_latency", {});
}

std::string statistics_head(char separator) {
    std::string head;
    const auto add = [&](const std::string& name) { head += name + separator; };
    for (const char* name : {"CTDB version", "Current time of statistics", "Statistics collected since"}) add(name);
    for (const Line& line : lines) add(*line.group != '\0' ? std::string(line.group) + "." + line.name : line.name);
    for (const Timing& timing : timings) {
        for (const char* what : {"num", "min", "avg", "max"}) add(fmt::format("{}_{}_latency", what, timing.name));
    }
    return head + "\n";
}

std::string statistics_row(const statistics& from, char separator) {
    std::string row = fmt::format("1{0}{1}{0}{2}{0}", separator, from.now / second, from.since / second);
    for (const Line& line : lines) row += fmt::format("{}{}", value_of(line, from), separator);
    for (const Timing& timing : timings) {
        const protocol::latency of = value_of(timing, from);
        row += fmt::format("{1}{0}{2:.6f}{0}{3:.6f}{0}{4:.6f}{0}", separator, of.count, seconds(of.least), average(of), seconds(of.most));
    }
    return row + "\n";
}

std::string database_statistics_text(const std::string& name, const protocol::database_statistics& from) {
    std::string text = "DB Statistics " + name + "\n";
    text += counter_line(0, "db_ro_delegations", 0) + counter_line(0, "db_ro_revokes", 0) + " locks\n";
    for (const char* counter : {"num_calls", "num_current", "num_pending", "num_failed"}) text += counter_line(1, counter, 0);
    const uint64_t here = from.calls > from.arrivals ? from.calls - from.arrivals : 0;
    text += fmt::format(" hop_count_buckets: {} {} 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n lock_buckets:{}", here, from.arrivals, no_buckets);
    text += latency_line("locks_latency", {}) + latency_line("vacuum_latency", {});
    text += fmt::format(" Num Hot Keys:     {}\n", protocol::HOT_KEYS);
    for (size_t index = 0; index < protocol::HOT_KEYS; index++) {
        const auto key = index < from.hot_keys.size() ? from.hot_keys[index] : protocol::hot_key();
        text += fmt::format("     Count:{} Key:{:02x}\n", key.count, fmt::join(key.key, ""));
    }
    return text;
}

namespace {

// nullopt: there is none with that number.
Result<std::optional<statistics>, int> statistics_of(Call& call, uint32_t index) {
    protocol::request request;
    request.node = call.node;
    request.op = operation::STATISTICS;
    request.seconds = index;
    auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
    statistics found;
    if (reply && reply->result == protocol::outcome::NO_RECORD) return std::optional<statistics>();
    if (reply && reply->result == protocol::outcome::DONE && decode(Bytes(reply->data), found)) return std::optional(found);
    complain(reply ? "ctdbd says nothing of its statistics" : reply.error().message());
    return tl::unexpected(failure);
}

void show(const Call& call, const statistics& found, bool first) {
    const Format& format = call.options.format;
    if (format.machine && first) say(statistics_head(format.separator));
    say(format.machine ? statistics_row(found, format.separator) : statistics_text(found));
}

int run_statistics(Call& call) {
    const auto found = statistics_of(call, 0);
    if (!found) return found.error();
    show(call, **found, true);
    return 0;
}

int run_statisticsreset(Call& call) {
    const auto done = call.ask(operation::RESET_STATISTICS);
    return done ? 0 : done.error();
}

// All that there are, or so many of the last intervals, the newest first.
int run_stats(Call& call) {
    uint32_t wanted = 0;
    if (!call.arguments.empty()) std::from_chars(call.arguments[0].data(), call.arguments[0].data() + call.arguments[0].size(), wanted);
    for (uint32_t index = 1; wanted == 0 || index <= wanted; index++) {
        const auto found = statistics_of(call, index);
        if (!found) return found.error();
        if (!*found) break;
        show(call, **found, index == 1);
    }
    return 0;
}

int run_dbstatistics(Call& call) {
    const auto* database = call.database_named(call.arguments[0]);
    if (database == nullptr) return failure;
    protocol::request request;
    request.node = call.node;
    request.op = operation::DATABASE_STATISTICS;
    request.database = database->name;
    const auto reply = call.ask(std::move(request));
    if (!reply) return reply.error();
    protocol::database_statistics found;
    if (!decode(Bytes(reply->data), found)) return failure;
    say(database_statistics_text(database->name, found));
    return 0;
}

}  // namespace

std::vector<Command> statistics_commands() {
    return {
        {"statistics", run_statistics, "", "show ctdb statistics"},
        {"statisticsreset", run_statisticsreset, "", "reset ctdb statistics"},
        {"stats", run_stats, "[count]", "show rolling statistics", 0, 1},
        {"dbstatistics", run_dbstatistics, "<dbname|dbid>", "show database statistics", 1, 1},
    };
}

}  // namespace Atoll::ctdb

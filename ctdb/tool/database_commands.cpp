#include "ctdb/tool/database_commands.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"
#include "ctdb/tool/backup_file.h"
#include "ctdb/tool/output.h"
#include "ctdb/tool/record_listing.h"
#include "ctdb/tool/persistent_database.h"
#include "tdb/file/file_database.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

// What this node has, whoever is dmaster of it.
int run_cattdb(Call& call) {
    const auto* database = database_of(call, "cattdb", call.arguments[0]);
    if (database == nullptr) return failure;
    std::vector<DumpedRecord> records;
    if (has_transactions(*database)) {
        auto all = persistent_records(call, database->name);
        if (!all) return all.error();
        records = std::move(*all);
    } else if (const int status = append_records_of(call, call.here.pnn, database->name, Copies::all, records); status != 0) {
        return status;
    }
    for (const DumpedRecord& record : records) say(text_of(record));
    say(fmt::format("Dumped {} record(s)\n", records.size()));
    return 0;
}

Result<uint32_t, int> tunable_of(Call& call, uint32_t pnn, const std::string& name) {
    protocol::request request;
    request.node = pnn;
    request.op = operation::LIST_TUNABLES;
    request.data = bytes_of(name);
    const auto reply = call.ask(std::move(request));
    protocol::tunable_list list;
    if (!reply || !decode(Bytes(reply->data), list) || list.tunables.empty()) return tl::unexpected(failure);
    return list.tunables[0].value;
}

// Nobody may attach to it meanwhile.
bool nobody_attaches(Call& call) {
    for (const auto& node : call.here.nodes) {
        if (!node.connected) continue;
        const auto allowed = tunable_of(call, node.pnn, "AllowClientDBAttach");
        if (!allowed) return false;
        if (*allowed == 0) continue;
        complain(fmt::format("Database access is still active on node {}. Set AllowclientDBAttach=0 on all nodes.", node.pnn));
        return false;
    }
    return true;
}

// Of every node that is there; one that does not know the database has nothing to do.
int tell_all(Call& call, operation op, const std::string& name) {
    for (const auto& node : call.here.nodes) {
        if (!node.connected) continue;
        protocol::request request;
        request.node = node.pnn;
        request.op = op;
        request.database = name;
        auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
        if (reply && (reply->result == outcome::DONE || reply->result == outcome::NO_DATABASE)) continue;
        complain(fmt::format("node {}: {}", node.pnn, reply ? reply->text : reply.error().message()));
        return failure;
    }
    return 0;
}

// With the databases goes what lmasters know of them: every slot is recovered.
int run_detach(Call& call) {
    if (!nobody_attaches(call)) return failure;
    std::vector<std::string> names;
    for (const std::string& argument : call.arguments) {
        const auto* database = call.database_named(argument);
        if (database == nullptr) continue;
        if (has_transactions(*database)) {
            complain("Only volatile databases can be detached");
            return failure;
        }
        names.push_back(database->name);
    }
    if (names.empty()) return 0;
    for (const std::string& name : names) {
        if (const int status = tell_all(call, operation::DETACH, name); status != 0) return status;
    }
    if (call.here.leader == protocol::NO_NODE) return 0;
    protocol::request request;
    request.node = call.here.leader;
    request.op = operation::RECOVER;
    const auto done = call.ask(std::move(request));
    return done ? 0 : done.error();
}

// Until their daemons end.
int set_flag(Call& call, const char* flag, operation op) {
    const auto* database = call.database_named(call.arguments[0]);
    if (database == nullptr) return failure;
    if (!has_transactions(*database)) return tell_all(call, op, database->name);
    complain(fmt::format("{} can be set only on volatile DB", flag));
    return failure;
}

int run_setdbreadonly(Call& call) { return set_flag(call, "READONLY", operation::SET_LENDING); }
int run_setdbsticky(Call& call) { return set_flag(call, "STICKY", operation::SET_STICKING); }

// A record of Samba's: RSN u64, dmaster u32, u32, flags u32, u32 and the value, little-endian.
constexpr size_t record_head = 24;

std::unique_ptr<tdb::FileDatabase> open_file(const std::string& path, bool read_only) {
    tdb::FileOptions options;
    options.path = path;
    options.create = false;
    options.read_only = read_only;
    auto file = tdb::FileDatabase::open(options);
    if (file) return std::move(*file);
    complain("Failed to open TDB file " + path);
    return nullptr;
}

// "0x..." is hex.
std::string bytes_meant(const std::string& text) {
    if (!text.starts_with("0x") || text.size() % 2 != 0) return text;
    std::string bytes;
    for (size_t at = 2; at < text.size(); at += 2) {
        uint8_t byte = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + 2, byte, 16);
        if (error != std::errc() || end != text.data() + at + 2) return text;
        bytes.push_back(static_cast<char>(byte));
    }
    return bytes;
}

std::string flag_names(uint32_t flags) {
    struct Name {
        uint32_t bit;
        const char* name;
    };
    constexpr Name names[] = {{0x00010000, "MIGRATED_WITH_DATA"},  {0x00020000, "VACUUM_MIGRATED"},  {0x00040000, "AUTOMATIC"},
                              {0x01000000, "RO_HAVE_DELEGATIONS"}, {0x02000000, "RO_HAVE_READONLY"}, {0x04000000, "RO_REVOKING_READONLY"},
                              {0x08000000, "RO_REVOKE_COMPLETE"}};
    std::string text;
    for (const Name& name : names) {
        if ((flags & name.bit) != 0) text += std::string(" ") + name.name;
    }
    return text;
}

int write_whole(const std::string& path, const Buffer& bytes) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    const bool written = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    if (file != nullptr && std::fclose(file) == 0 && written) return 0;
    complain(file == nullptr ? "Failed to open output file " + path : path + " cannot be written");
    return file == nullptr ? 0 : failure;
}

int run_tfetch(Call& call) {
    const auto file = open_file(call.arguments[0], true);
    if (!file) return failure;
    const std::string key = bytes_meant(call.arguments[1]);
    Buffer stored;
    const auto found = file->fetch(as_bytes(key), stored);
    if (!found || !*found || stored.size() < record_head) {
        complain(fmt::format("{} record for key {}", found && *found ? "Invalid" : "No", call.arguments[1]));
        return failure;
    }
    ByteReader reader{Bytes(stored)};
    const uint64_t rsn = reader.u64();
    const uint32_t dmaster = reader.u32();
    reader.skip(4);
    const uint32_t flags = reader.u32();
    reader.skip(4);
    const Bytes value = reader.bytes(stored.size() - record_head);
    say(fmt::format("dmaster: {}\nrsn: {}\nflags: 0x{:08x}{}\ndata{}\n", dmaster, rsn, flags, flag_names(flags),
                    quoted({value.begin(), value.end()})));
    return call.arguments.size() > 2 ? write_whole(call.arguments[2], stored) : 0;
}

int run_tstore(Call& call) {
    const auto file = open_file(call.arguments[0], false);
    if (!file) return failure;
    const auto number = [&](size_t index) {
        return index < call.arguments.size() ? std::strtoull(call.arguments[index].c_str(), nullptr, 0) : 0;
    };
    Buffer record;
    ByteWriter writer(record);
    writer.u64(number(3));
    writer.u32(static_cast<uint32_t>(number(4)));
    writer.u32(0);
    writer.u32(static_cast<uint32_t>(number(5)));
    writer.u32(0);
    writer.bytes(as_bytes(bytes_meant(call.arguments[2])));
    const std::string key = bytes_meant(call.arguments[1]);
    if (auto stored = file->store(as_bytes(key), record); !stored) {
        complain(stored.error().message());
        return failure;
    }
    return 0;
}

}  // namespace

std::vector<Command> database_commands() {
    return {
        {"cattdb", run_cattdb, "<dbname|dbid>", "dump local ctdb database", 1, 1},
        {"detach", run_detach, "<dbname|dbid> ...", "detach database(s)", 1, 256},
        {"setdbreadonly", run_setdbreadonly, "<dbname|dbid>", "enable readonly records", 1, 1},
        {"setdbsticky", run_setdbsticky, "<dbname|dbid>", "enable sticky records", 1, 1},
        {"tfetch", run_tfetch, "<tdb-file> <key> [<file>]", "fetch a record", 2, 3},
        {"tstore", run_tstore, "<tdb-file> <key> <data> [<rsn> <dmaster> <flags>]", "store a record", 3, 6},
    };
}

}  // namespace Atoll::ctdb

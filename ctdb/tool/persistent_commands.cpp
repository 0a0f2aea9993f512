#include "ctdb/tool/persistent_commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "ctdb/tool/output.h"
#include "ctdb/tool/persistent_database.h"

namespace Atoll::ctdb {
namespace {

std::optional<PersistentDatabase> persistent_of(Call& call, const char* command) {
    const auto* database = database_of(call, command, call.arguments[0]);
    if (database == nullptr) return std::nullopt;
    if (has_transactions(*database)) return PersistentDatabase(call, database->name);
    complain("Transactions not supported on DB " + database->name);
    return std::nullopt;
}

int run_pstore(Call& call) {
    auto database = persistent_of(call, "pstore");
    if (!database) return failure;
    return database->commit({{bytes_of(call.arguments[1]), bytes_of(call.arguments[2])}}, protocol::ANY_SEQUENCE);
}

// To remove what is not there is no transaction.
int run_pdelete(Call& call) {
    auto database = persistent_of(call, "pdelete");
    if (!database) return failure;
    const auto reply = database->fetch(call.arguments[1]);
    if (!reply) return reply.error();
    return reply->data.empty() ? 0 : database->commit({{bytes_of(call.arguments[1]), {}}}, protocol::ANY_SEQUENCE);
}

// A record that is not there reads as an empty one.
int run_pfetch(Call& call) {
    auto database = persistent_of(call, "pfetch");
    if (!database) return failure;
    const auto reply = database->fetch(call.arguments[1]);
    if (!reply) return reply.error();
    say(std::string(reply->data.begin(), reply->data.end()) + "\n");
    return 0;
}

int run_getdbseqnum(Call& call) {
    const auto* database = database_of(call, "getdbseqnum", call.arguments[0]);
    if (database == nullptr) return failure;
    uint64_t number = 0;
    if (has_transactions(*database)) {
        const auto found = PersistentDatabase(call, database->name).sequence_number();
        if (!found) return found.error();
        number = *found;
    }
    say(fmt::format("0x{:x}\n", number));
    return 0;
}

// `"key" "value"`, with spaces or tabs between them or nothing; nothing is escaped. False: the line is something else, which is printed.
bool take_quoted(std::string_view line, size_t& at, std::string& out) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) at++;
    if (at == line.size() || line[at] != '"') {
        complain(fmt::format("Unsupported input format in {}\n", line.substr(at)));
        return false;
    }
    const size_t end = line.find('"', at + 1);
    if (end == std::string_view::npos) {
        complain(fmt::format("Unmatched \" in input {}\n", line.substr(at)));
        return false;
    }
    out = line.substr(at + 1, end - at - 1);
    at = end + 1;
    return true;
}

// Lines that say nothing are told and left out.
std::vector<protocol::record_write> take_lines(std::FILE* file) {
    std::vector<protocol::record_write> writes;
    char* line = nullptr;
    size_t room = 0;
    for (ssize_t size = 0; (size = ::getline(&line, &room, file)) >= 0;) {
        std::string_view rest(line, static_cast<size_t>(size));
        if (rest.ends_with('\n')) rest.remove_suffix(1);
        size_t at = 0;
        std::string key, value;
        if (take_quoted(rest, at, key) && take_quoted(rest, at, value)) writes.push_back({bytes_of(key), bytes_of(value)});
    }
    std::free(line);
    return writes;
}

int run_ptrans(Call& call) {
    auto database = persistent_of(call, "ptrans");
    if (!database) return failure;
    if (call.arguments.size() == 1) return database->commit(take_lines(stdin), protocol::ANY_SEQUENCE);
    std::FILE* file = std::fopen(call.arguments[1].c_str(), "r");
    if (file == nullptr) {
        complain("Failed to open file " + call.arguments[1]);
        return failure;
    }
    const auto writes = take_lines(file);
    std::fclose(file);
    return database->commit(writes, protocol::ANY_SEQUENCE);
}

int run_wipedb(Call& call) {
    auto database = persistent_of(call, "wipedb");
    if (!database) return failure;
    auto all = database->read_all();
    if (!all) return all.error();
    for (auto& record : all->records) record.value.clear();
    if (const int status = database->commit(all->records, static_cast<int64_t>(all->seqnum)); status != 0) return status;
    say(fmt::format("Database {} wiped\n", call.arguments[0]));
    return 0;
}

}  // namespace

std::vector<Command> persistent_commands() {
    return {
        {"pfetch", run_pfetch, "<dbname|dbid> <key>", "fetch record from persistent database", 2, 2},
        {"pstore", run_pstore, "<dbname|dbid> <key> <value>", "write record to persistent database", 3, 3},
        {"pdelete", run_pdelete, "<dbname|dbid> <key>", "delete record from persistent database", 2, 2},
        {"ptrans", run_ptrans, "<dbname|dbid> [<file>]", "update a persistent database (from file or stdin)", 1, 2},
        {"wipedb", run_wipedb, "<dbname|dbid>", "wipe the contents of a database.", 1, 1},
        {"getdbseqnum", run_getdbseqnum, "<dbname|dbid>", "get database sequence number", 1, 1},
    };
}

}  // namespace Atoll::ctdb

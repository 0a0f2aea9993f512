#include "ctdb/tool/persistent_commands.h"

#include <fmt/format.h>

#include "base/buffer.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

void say(const std::string& text) { std::fputs(text.c_str(), stdout); }
void complain(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

// Prints why not.
const protocol::database_entry* database_of(const Call& call, const char* command) {
    if (call.options.node) {
        complain(fmt::format("Node cannot be specified for command {}", command));
        return nullptr;
    }
    const std::string& name = call.arguments[0];
    for (const auto& database : call.here.databases) {
        if (database.name == name || fmt::format("0x{:08x}", database.id) == name || fmt::format("0x{:x}", database.id) == name)
            return &database;
    }
    complain("No database matching '" + name + "' found");
    return nullptr;
}

const protocol::database_entry* persistent_of(const Call& call, const char* command) {
    const auto* database = database_of(call, command);
    if (database == nullptr || database->persistent) return database;
    complain("Transactions not supported on DB " + database->name);
    return nullptr;
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

protocol::request request_for(const Call& call, const protocol::database_entry& database, operation op) {
    protocol::request request;
    request.node = call.here.pnn;
    request.op = op;
    request.database = database.name;
    return request;
}

Result<protocol::reply, int> call_for(Call& call, protocol::request request) {
    auto reply = call.client->call(request, std::chrono::seconds(call.options.time_limit));
    if (reply) return std::move(*reply);
    complain(reply.error().message());
    return failure;
}

// One record; an empty value removes it.
int commit(Call& call, const protocol::database_entry& database, const std::string& key, const std::string& value) {
    protocol::transaction_part part;
    part.base = protocol::ANY_SEQUENCE;
    part.writes.push_back({bytes_of(key), bytes_of(value)});
    Buffer bytes;
    encode(part, bytes, protocol::transaction_part::newest_version);
    protocol::request request = request_for(call, database, operation::COMMIT);
    if (bytes.size() > protocol::MAX_DATA) {
        complain("the record is too large");
        return failure;
    }
    request.data.assign(bytes.data(), bytes.data() + bytes.size());
    const auto reply = call_for(call, std::move(request));
    if (!reply) return reply.error();
    if (reply->result == outcome::DONE) return 0;
    const bool unknown = reply->result == outcome::MAY_BE_DONE;
    complain(unknown ? "the node left the cluster meanwhile: it may or may not be written" : "cannot be written " + reply->text);
    return failure;
}

int run_pstore(Call& call) {
    const auto* database = persistent_of(call, "pstore");
    return database != nullptr ? commit(call, *database, call.arguments[1], call.arguments[2]) : failure;
}

int run_pdelete(Call& call) {
    const auto* database = persistent_of(call, "pdelete");
    return database != nullptr ? commit(call, *database, call.arguments[1], "") : failure;
}

// A record that is not there reads as an empty one.
int run_pfetch(Call& call) {
    const auto* database = persistent_of(call, "pfetch");
    if (database == nullptr) return failure;
    protocol::request request = request_for(call, *database, operation::FETCH);
    request.key = bytes_of(call.arguments[1]);
    const auto reply = call_for(call, std::move(request));
    if (!reply) return reply.error();
    if (reply->result != outcome::DONE && reply->result != outcome::NO_RECORD) {
        complain("cannot be read " + reply->text);
        return failure;
    }
    say(std::string(reply->data.begin(), reply->data.end()) + "\n");
    return 0;
}

int run_getdbseqnum(Call& call) {
    const auto* database = database_of(call, "getdbseqnum");
    if (database == nullptr) return failure;
    protocol::persistent_page page;
    if (database->persistent) {
        const auto reply = call_for(call, request_for(call, *database, operation::LIST_PERSISTENT));
        if (!reply) return reply.error();
        if (reply->result != outcome::DONE || !decode(Bytes(reply->data), page)) {
            complain("cannot be read " + reply->text);
            return failure;
        }
    }
    say(fmt::format("0x{:x}\n", page.seqnum));
    return 0;
}

}  // namespace

std::vector<Command> persistent_commands() {
    return {
        {"pfetch", run_pfetch, "<dbname|dbid> <key>", "fetch record from persistent database", 2, 2},
        {"pstore", run_pstore, "<dbname|dbid> <key> <value>", "write record to persistent database", 3, 3},
        {"pdelete", run_pdelete, "<dbname|dbid> <key>", "delete record from persistent database", 2, 2},
        {"getdbseqnum", run_getdbseqnum, "<dbname|dbid>", "get database sequence number", 1, 1},
    };
}

}  // namespace Atoll::ctdb

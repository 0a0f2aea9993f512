#include "ctdb/tool/persistent_database.h"

#include <fmt/format.h>

#include "base/buffer.h"
#include "ctdb/tool/output.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

constexpr int most_readings = 8;        // of a database that changes meanwhile
constexpr size_t part_bytes = 60000;    // of a transaction's part: below MAX_DATA with what encoding adds
constexpr size_t record_overhead = 32;  // that encoding adds to a record, at most

const char* meaning_of(outcome result) {
    switch (result) {
        case outcome::CONFLICT: return "the database has changed meanwhile: try again";
        case outcome::MAY_BE_DONE: return "the node left the cluster meanwhile: it may or may not be written";
        case outcome::NO_SPACE: return "the disk of a node is full, or the transaction is too large";
        case outcome::NO_DATABASE: return "there is no such database";
        case outcome::NOT_SERVING: return "the node is no member of the cluster";
        default: return "cannot be done";
    }
}

}  // namespace

const protocol::database_entry* database_of(const Call& call, const char* command, const std::string& name) {
    if (call.options.node) {
        complain(fmt::format("Node cannot be specified for command {}", command));
        return nullptr;
    }
    return call.database_named(name);
}

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

Result<protocol::reply, int> PersistentDatabase::ask(operation op, std::vector<uint8_t> key, std::vector<uint8_t> data) {
    protocol::request request;
    request.node = call_.here.pnn;
    request.op = op;
    request.database = name_;
    request.key = std::move(key);
    request.data = std::move(data);
    auto reply = call_.client->call(request, std::chrono::seconds(call_.options.time_limit));
    if (!reply) {
        complain(reply.error().message());
        return tl::unexpected(failure);
    }
    if (reply->result == outcome::DONE || reply->result == outcome::NO_RECORD) return std::move(*reply);
    complain(fmt::format("{}: {}", name_, reply->text.empty() ? meaning_of(reply->result) : reply->text));
    return tl::unexpected(failure);
}

Result<protocol::reply, int> PersistentDatabase::fetch(const std::string& key) { return ask(operation::FETCH, bytes_of(key), {}); }

Result<protocol::persistent_page, int> PersistentDatabase::page_behind(const std::vector<uint8_t>& key) {
    const auto reply = ask(operation::LIST_PERSISTENT, key, {});
    if (!reply) return tl::unexpected(reply.error());
    protocol::persistent_page page;
    if (decode(Bytes(reply->data), page)) return page;
    complain(name_ + ": the daemon's answer does not decode");
    return tl::unexpected(failure);
}

Result<PersistentDatabase::Contents, int> PersistentDatabase::read_all() {
    for (int reading = 0; reading < most_readings; reading++) {
        Contents all;
        bool more = true, same = true;
        for (bool first = true; more && same; first = false) {
            auto page = page_behind(all.records.empty() ? std::vector<uint8_t>{} : all.records.back().key);
            if (!page) return tl::unexpected(page.error());
            if (first) all.seqnum = page->seqnum;
            same = page->seqnum == all.seqnum;
            more = page->more;
            all.records.insert(all.records.end(), std::make_move_iterator(page->records.begin()),
                               std::make_move_iterator(page->records.end()));
        }
        if (same) return all;
    }
    complain(name_ + ": changes all the time");
    return tl::unexpected(failure);
}

Result<uint64_t, int> PersistentDatabase::sequence_number() {
    const auto page = page_behind({});
    if (!page) return tl::unexpected(page.error());
    return page->seqnum;
}

int PersistentDatabase::send(operation op, const protocol::transaction_part& part) {
    Buffer bytes;
    encode(part, bytes, idl::written_level());
    if (bytes.size() > protocol::MAX_DATA) {
        complain(name_ + ": a record is too large");
        return failure;
    }
    const auto reply = ask(op, {}, {bytes.data(), bytes.data() + bytes.size()});
    return reply ? 0 : reply.error();
}

int PersistentDatabase::commit(const std::vector<protocol::record_write>& writes, int64_t base) {
    protocol::transaction_part part;
    part.base = base;
    size_t bytes = 0;
    for (const protocol::record_write& write : writes) {
        const size_t size = write.key.size() + write.value.size() + record_overhead;
        if (!part.writes.empty() && (bytes + size > part_bytes || part.writes.size() == protocol::MAX_STAGED)) {
            if (const int status = send(operation::STAGE, part); status != 0) return status;
            part.writes.clear();
            bytes = 0;
        }
        part.writes.push_back(write);
        bytes += size;
    }
    return send(operation::COMMIT, part);
}

}  // namespace Atoll::ctdb

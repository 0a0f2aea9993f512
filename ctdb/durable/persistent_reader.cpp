#include "ctdb/durable/persistent_reader.h"

#include <algorithm>

#include "base/loop/identity.h"
#include "ctdb/client/limits.h"
#include "ctdb/durable/durable_keys.h"

namespace Atoll::ctdb {

using protocol::operation;
using protocol::outcome;

Result<protocol::reply> PersistentReader::ask(operation what, Bytes key) {
    if (!connection_) {
        const loop::RootScope root;  // ctdbd hears nobody else
        auto connected = DaemonConnection::connect(socket_path_);
        if (!connected) return connected.failure();
        connection_ = std::move(*connected);
    }
    protocol::request request;
    request.node = no_node;
    request.op = what;
    request.database = database_;
    request.key.assign(key.begin(), key.end());
    auto reply = connection_->call(request, limits::daemon_patience);
    if (!reply) {
        connection_.reset();
        return reply;
    }
    if (reply->result == outcome::DONE || reply->result == outcome::NO_RECORD) return reply;
    return fail(Code::busy, database_, reply->text.empty() ? "the node does not serve it now" : reply->text);
}

Result<void> PersistentReader::attach() {
    const auto attached = ask(operation::ATTACH_PERSISTENT);
    return attached ? Result<void>() : attached.failure();
}

Result<protocol::persistent_page> PersistentReader::page_behind(Bytes key) {
    const auto reply = ask(operation::LIST_PERSISTENT, key);
    if (!reply) return reply.failure();
    return idl::decode<protocol::persistent_page>(Bytes(reply->data));
}

// Behind the last key that can be there is nothing but the number.
Result<uint64_t> PersistentReader::sequence() {
    const Value last(protocol::MAX_PERSISTENT_KEY, 0xFF);
    const auto page = page_behind(last);
    if (!page) return page.failure();
    return page->seqnum;
}

Result<bool> PersistentReader::fetch(Bytes key, Buffer& value) {
    const auto reply = ask(operation::FETCH, key);
    if (!reply) return reply.failure();
    if (reply->result == outcome::NO_RECORD) return false;
    value.assign(Bytes(reply->data));
    return true;
}

Result<uint64_t> PersistentReader::each(const Value& prefix, tdb::Visitor visitor) {
    uint64_t visited = 0;
    Value behind = prefix;
    for (;;) {
        const auto page = page_behind(behind);
        if (!page) return page.failure();
        for (const auto& record : page->records) {
            const bool has_prefix = record.key.size() > prefix.size() && std::equal(prefix.begin(), prefix.end(), record.key.begin());
            if (!has_prefix) return visited;
            visited++;
            if (visitor(Bytes(record.key).subspan(prefix.size()), Bytes(record.value)) == tdb::Visit::stop) return visited;
        }
        if (!page->more || page->records.empty()) return visited;
        behind = page->records.back().key;
    }
}

Result<bool> PersistentReader::read(const std::string& name, Bytes key, tdb::Parser parser) {
    Buffer value;
    auto found = fetch(durable_key(name, key), value);
    if (found && *found) parser(value);
    return found;
}

Result<uint64_t> PersistentReader::traverse(const std::string& name, tdb::Visitor visitor) { return each(durable_key(name, {}), visitor); }

Result<uint32_t> PersistentReader::sequence_number(const std::string&) {
    const auto number = sequence();
    if (!number) return number.failure();
    return static_cast<uint32_t>(*number);
}

}  // namespace Atoll::ctdb

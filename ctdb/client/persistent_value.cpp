#include "ctdb/client/persistent_value.h"

#include "ctdb/client/limits.h"
#include "ctdb/core/types.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

class CommonRecord {
 public:
    CommonRecord(DaemonConnection& daemon, const std::string& database, std::string_view key) : daemon_(daemon), database_(database), key_(key) {}

    Result<protocol::reply> ask(operation what, Bytes key = {}, Bytes data = {}) {
        protocol::request request;
        request.node = no_node;
        request.op = what;
        request.database = database_;
        request.key.assign(key.begin(), key.end());
        request.data.assign(data.begin(), data.end());
        auto reply = daemon_.call(request, limits::daemon_patience);
        if (!reply) return reply;
        if (reply->result == outcome::DONE || reply->result == outcome::NO_RECORD || reply->result == outcome::CONFLICT) return reply;
        return fail(Code::busy, database_, reply->text.empty() ? "the node does not serve it now" : reply->text);
    }

    // As which the database has no such record.
    Result<int64_t> sequence_number() {
        const auto reply = ask(operation::LIST_PERSISTENT);
        if (!reply) return reply.failure();
        const auto page = idl::decode<protocol::persistent_page>(Bytes(reply->data));
        if (!page) return page.failure();
        return static_cast<int64_t>(page->seqnum);
    }

    // CONFLICT: somebody else has changed the database since.
    Result<outcome> write(std::string_view value, int64_t base) {
        protocol::transaction_part part;
        part.base = base;
        part.writes.push_back({{key_.begin(), key_.end()}, {value.begin(), value.end()}});
        Buffer encoded;
        encode(part, encoded, idl::written_level());
        const auto reply = ask(operation::COMMIT, {}, encoded);
        if (!reply) return reply.failure();
        return reply->result;
    }

    Result<protocol::reply> fetch() { return ask(operation::FETCH, as_bytes(key_)); }

 private:
    DaemonConnection& daemon_;
    const std::string& database_;
    std::string_view key_;
};

}  // namespace

Result<std::string> agree_on_value(DaemonConnection& daemon, const std::string& database, std::string_view key, std::string_view first) {
    CommonRecord record(daemon, database, key);
    if (auto attached = record.ask(operation::ATTACH_PERSISTENT); !attached) return attached.failure();
    for (;;) {
        const auto base = record.sequence_number();
        if (!base) return base.failure();
        const auto found = record.fetch();
        if (!found) return found.failure();
        if (found->result == outcome::DONE) return std::string(as_text(Bytes(found->data)));
        const auto written = record.write(first, *base);
        if (!written) return written.failure();
    }
}

}  // namespace Atoll::ctdb

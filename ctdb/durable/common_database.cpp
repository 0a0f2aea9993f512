#include "ctdb/durable/common_database.h"

#include <deque>
#include <optional>
#include <utility>

#include "base/log.h"
#include "ctdb/client/client.h"
#include "ctdb/client/limits.h"
#include "ctdb/durable/persistent_reader.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

constexpr size_t record_overhead = 32;  // at most, of its encoding

protocol::request request_of(operation what, const std::string& database) {
    protocol::request out;
    out.node = no_node;
    out.op = what;
    out.database = database;
    return out;
}

// The requests that make one transaction: its last part commits it.
std::deque<protocol::request> in_requests(const std::string& database, int64_t base, Writes& writes) {
    std::deque<protocol::request> out;
    size_t next = 0;
    do {
        protocol::transaction_part part;
        part.base = base;
        size_t bytes = 0;
        for (; next < writes.size() && part.writes.size() < protocol::MAX_STAGED; next++) {
            const size_t size = writes[next].key.size() + writes[next].value.size() + record_overhead;
            if (!part.writes.empty() && bytes + size > protocol::MAX_PERSISTENT_RECORD) break;
            bytes += size;
            part.writes.push_back(std::move(writes[next]));
        }
        Buffer encoded;
        encode(part, encoded, idl::written_level());
        out.push_back(request_of(next < writes.size() ? operation::STAGE : operation::COMMIT, database));
        out.back().data.assign(encoded.data(), encoded.data() + encoded.size());
    } while (next < writes.size());
    return out;
}

class ClusterCommonDatabase final : public CommonDatabase {
 public:
    ClusterCommonDatabase(loop::Loop& loop, const std::string& socket_path, const std::string& database, DaemonConnection connection)
        : database_(database),
          reader_(socket_path, database),
          connection_(std::move(connection)),
          watch_(
              loop, connection_.fd(), [this] { readable(); }, [this] { send(); }) {
        watch_.watch_read(true);
    }

    void commit(int64_t base, Writes writes, Done done) override {
        ATOLL_ASSERT(!done_ && "one transaction at a time");
        done_ = std::move(done);
        requests_ = in_requests(database_, base, writes);
        send();
    }
    Result<uint64_t> sequence() override { return reader_.sequence(); }
    Result<bool> fetch(Bytes key, Buffer& value) override { return reader_.fetch(key, value); }
    Result<uint64_t> each(const Value& prefix, tdb::Visitor visitor) override { return reader_.each(prefix, visitor); }

 private:
    // One part at a time: ctdbd forgets what was staged if a part cannot be, and the parts behind it must not stand alone.
    void send() {
        if (is_lost_ || requests_.empty() || is_asked_) return watch_.watch_write(false);
        const auto sent = connection_.try_send(requests_.front());
        if (!sent) return lose(sent.error().message());
        watch_.watch_write(!*sent);
        is_asked_ = *sent;
    }

    void readable() {
        auto reply = connection_.try_receive();
        if (!reply) return lose(reply.error().message());
        if (!*reply) return;
        if (!is_asked_ || (*reply)->number != requests_.front().number) return lose("ctdbd answers what was not asked");
        is_asked_ = false;
        requests_.pop_front();
        answered((*reply)->result, (*reply)->text);
    }

    void answered(outcome result, const std::string& text) {
        switch (result) {
            case outcome::DONE: return requests_.empty() ? finish(Outcome::committed) : send();
            case outcome::CONFLICT: return finish(Outcome::conflict);
            case outcome::NO_SPACE: return finish(Outcome::no_room);
            case outcome::INVALID: return finish(Outcome::refused);
            default: return lose(text.empty() ? "this node is no member of the cluster any more" : text);
        }
    }

    void finish(Outcome outcome) {
        requests_.clear();
        const Done done = std::exchange(done_, nullptr);
        if (done) done(outcome);
    }

    void lose(const std::string& why) {
        log_error("{}: {}", database_, why);
        is_lost_ = true;
        watch_.watch_read(false);
        watch_.watch_write(false);
        if (on_lost) on_lost();
    }

    const std::string database_;
    PersistentReader reader_;
    DaemonConnection connection_;
    loop::FdWatch watch_;
    std::deque<protocol::request> requests_;  // of the transaction; the first is asked, or next
    bool is_asked_ = false;
    bool is_lost_ = false;
    Done done_;
};

}  // namespace

Result<std::unique_ptr<CommonDatabase>> open_common_database(loop::Loop& loop, const std::string& socket_path, const std::string& database) {
    auto connection = DaemonConnection::connect(socket_path);
    if (!connection) return connection.failure();
    if (const auto enrolled = connection->enrol(limits::daemon_patience); !enrolled) return enrolled.failure();
    return std::unique_ptr<CommonDatabase>(new ClusterCommonDatabase(loop, socket_path, database, std::move(*connection)));
}

}  // namespace Atoll::ctdb

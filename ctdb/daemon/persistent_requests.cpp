#include "ctdb/daemon/persistent_requests.h"

#include "base/buffer.h"
#include "ctdb/core/limits.h"
#include "ctdb/daemon/database_names.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/replies.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

outcome outcome_of(protocol::transaction_result result) {
    using protocol::transaction_result;
    switch (result) {
        case transaction_result::COMMITTED: return outcome::DONE;
        case transaction_result::CONFLICT: return outcome::CONFLICT;
        case transaction_result::NO_ROOM: return outcome::NO_SPACE;
        case transaction_result::NOT_MEMBER: return outcome::NOT_SERVING;
        default: return outcome::MAY_BE_DONE;
    }
}

}  // namespace

DatabaseId PersistentRequests::find(const std::string& name) const {
    const DatabaseId id = id_of_database(name);
    return databases_.knows(id) ? id : 0;
}

void PersistentRequests::execute(const protocol::request& request, ClientId owner, const Answer& answer) {
    const DatabaseId database = find(request.database);
    if (database == 0) return answer(outcome_reply(outcome::NO_DATABASE));
    if (core_.session() == 0) return answer(outcome_reply(outcome::NOT_SERVING, "the node is no member of the cluster"));
    if (request.op == operation::COMMIT) return commit(request, database, owner, answer);
    if (request.op == operation::STAGE) {
        int64_t base = 0;
        if (stage(request, owner, base, answer)) answer({});
        return;
    }
    if (reads_.size() >= limits::max_operations) return answer(outcome_reply(outcome::NOT_SERVING, "too many wait"));
    reads_.push_back(Read{request, database, owner, answer});
    serve();
}

// False: it has been answered. What other nodes ask has no connection on which it could be staged.
bool PersistentRequests::stage(const protocol::request& request, ClientId owner, int64_t& base, const Answer& answer) {
    protocol::transaction_part part;
    const bool whole = request.op == operation::COMMIT;
    bool valid = decode(Bytes(request.data), part) && (owner != 0 || whole);
    Staged& staged = staged_[owner];
    for (auto& write : part.writes) {
        const size_t size = write.key.size() + write.value.size();
        valid = valid && !write.key.empty() && write.key.size() <= protocol::MAX_PERSISTENT_KEY && size <= protocol::MAX_PERSISTENT_RECORD;
        staged.bytes += size;
        staged.writes.push_back(std::move(write));
    }
    base = part.base;
    if (valid && staged.bytes <= limits::max_transaction_bytes) return true;
    const bool too_much = valid;
    staged_.erase(owner);
    answer(too_much ? outcome_reply(outcome::NO_SPACE, "the transaction is too large")
                    : outcome_reply(outcome::INVALID, "cannot be written"));
    return false;
}

void PersistentRequests::commit(const protocol::request& request, DatabaseId database, ClientId owner, const Answer& answer) {
    ClientCommits commits;
    if (!stage(request, owner, commits.base, answer)) return;
    if (transactions_.size() >= limits::max_operations) {
        staged_.erase(owner);
        return answer(outcome_reply(outcome::NOT_SERVING, "too many wait"));
    }
    commits.client = ++last_;
    commits.database = database;
    commits.writes = std::move(staged_[owner].writes);
    staged_.erase(owner);
    transactions_[commits.client] = Transaction{owner, answer};
    deliver_(std::move(commits));
}

void PersistentRequests::done(const TransactionDone& done) {
    const auto found = transactions_.find(done.client);
    if (found == transactions_.end()) return;
    const Answer answer = std::move(found->second.answer);
    transactions_.erase(found);
    answer(outcome_reply(outcome_of(done.result)));
}

// A transaction whose client has gone goes on.
void PersistentRequests::client_left(ClientId owner) {
    staged_.erase(owner);
    reads_.remove_if([&](const Read& read) { return read.owner == owner; });
}

void PersistentRequests::serve() {
    for (auto at = reads_.begin(); at != reads_.end();) {
        const bool member = core_.session() != 0;
        if (member && !core_.persistent().readable(at->database, node_now())) {
            ++at;
            continue;
        }
        const Read ready = std::move(*at);
        at = reads_.erase(at);
        ready.answer(member ? read(ready) : outcome_reply(outcome::NOT_SERVING, "the node is no member of the cluster"));
    }
}

protocol::reply PersistentRequests::read(const Read& read) const {
    if (read.request.op == operation::LIST_PERSISTENT) return page(read);
    protocol::reply reply;
    const auto found = databases_.file(read.database).read(read.request.key, reply.data);
    if (!found) return outcome_reply(outcome::NOT_SERVING, found.error().message());
    return *found ? reply : outcome_reply(outcome::NO_RECORD);
}

protocol::reply PersistentRequests::page(const Read& read) const {
    protocol::persistent_page page;
    page.seqnum = core_.persistent().sequence(read.database);
    size_t bytes = 0;
    const auto done = databases_.file(read.database).each(read.request.key, [&](Bytes key, Bytes value) {
        const size_t size = key.size() + value.size() + 16;
        page.more =
            !page.records.empty() && (bytes + size > protocol::MAX_PERSISTENT_RECORD || page.records.size() == protocol::MAX_STAGED);
        if (page.more) return false;
        bytes += size;
        page.records.push_back({{key.begin(), key.end()}, {value.begin(), value.end()}});
        return true;
    });
    if (!done) return outcome_reply(outcome::NOT_SERVING, done.error().message());
    return data_reply(page);
}

}  // namespace Atoll::ctdb

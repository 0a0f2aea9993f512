#include "ctdb/durable/shared_journal.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "ctdb/durable/durable_keys.h"
#include "ctdb/protocol/client.idl.h"
#include "idl/level.h"

namespace Atoll::ctdb {

using committer::change;
using committer::change_kind;
using committer::Pending;

namespace {

constexpr unsigned max_conflicts = 16;  // of a transaction with conditions; then its batches are tried by themselves, or are busy

size_t size_of(const committer::batch& request) {
    size_t out = 0;
    for (const change& one : request.changes) out += one.database.size() + 1 + one.key.size() + one.value.size();
    return out;
}

bool has_conditions(const committer::batch& request) {
    return std::ranges::any_of(request.changes, [](const change& one) { return committer::is_condition(one.kind); });
}

// What the cluster's databases take.
bool can_be_written(const change& wanted) {
    if (!committer::changes_something(wanted.kind) || wanted.kind == change_kind::REMOVE) return true;
    const size_t key = wanted.database.size() + 1 + wanted.key.size();
    return wanted.kind != change_kind::WIPE && !wanted.value.empty() && key <= protocol::MAX_PERSISTENT_KEY &&
           key + wanted.value.size() <= protocol::MAX_PERSISTENT_RECORD;
}

}  // namespace

SharedJournal::SharedJournal(loop::Loop& loop, std::unique_ptr<CommonDatabase> common, Pnn node, std::vector<std::string> databases)
    : loop_(loop), common_(std::move(common)), node_(node), databases_(std::move(databases)), next_timer_(loop_, [this] { next(); }) {
    common_->on_lost = [this] { lost(); };
}

Result<std::unique_ptr<SharedJournal>> SharedJournal::open(loop::Loop& loop, std::unique_ptr<CommonDatabase> common, Pnn node,
                                                           std::vector<std::string> databases) {
    std::unique_ptr<SharedJournal> out(new SharedJournal(loop, std::move(common), node, std::move(databases)));
    Result<void> loaded;
    const auto visited = out->common_->each(senders_prefix(node), [&](Bytes name, Bytes state) {
        loaded = out->senders().load(name, state);
        return loaded ? tdb::Visit::go_on : tdb::Visit::stop;
    });
    if (!visited) return visited.failure();
    if (!loaded) return loaded.failure();
    return out;
}

bool SharedJournal::has(const std::string& database) { return std::ranges::find(databases_, database) != databases_.end(); }

// What earlier batches of the transaction write is there before what the disks have.
Result<bool> SharedJournal::look(const std::string& database, Bytes key, tdb::Parser parser) {
    const Value whole = durable_key(database, key);
    if (const auto found = writes_.find(whole); found != writes_.end()) {
        if (!found->second.empty()) parser(Bytes(found->second));
        return !found->second.empty();
    }
    Buffer value;
    auto found = common_->fetch(whole, value);
    if (found && *found) parser(value);
    return found;
}

void SharedJournal::decide(Part group, std::function<void()> decided) {
    ATOLL_ASSERT(!decided_ && decided && !group.empty());
    decided_ = std::move(decided);
    cut(group);
    if (!is_cleaning_) next_timer_.set_at(monotonic_now());
}

// Into what one transaction takes; a batch alone always fits.
void SharedJournal::cut(Part group) {
    size_t first = 0, bytes = 0;
    for (size_t i = 0; i < group.size(); i++) {
        const size_t size = size_of(group[i].request);
        if (i > first && bytes + size > max_common_transaction) {
            parts_.push_back(group.subspan(first, i - first));
            first = i;
            bytes = 0;
        }
        bytes += size;
    }
    parts_.push_back(group.subspan(first));
}

// Begins with the next part, or tells that there is none.
void SharedJournal::next() {
    if (is_lost_ || !decided_) return;
    if (parts_.empty()) return std::exchange(decided_, nullptr)();
    int64_t base = protocol::ANY_SEQUENCE;
    if (std::ranges::any_of(parts_.front(), [](const Pending& one) { return has_conditions(one.request); })) {
        const auto sequence = common_->sequence();
        if (!sequence) return lost();
        base = static_cast<int64_t>(*sequence);
    }
    if (const auto judged = judge_part(); !judged) return lost();
    commit_part(base);
}

// What ctdbd cannot say ends the session; it is no answer to a batch.
Result<void> SharedJournal::judge_part() {
    writes_.clear();
    for (Pending& pending : parts_.front()) {
        judge_one(pending);
        if (pending.reply.result == committer::outcome::IO_ERROR) return fail(Code::dead, durable_database, pending.reply.text);
        if (pending.reply.result == committer::outcome::COMMITTED) put(pending.request);
    }
    return {};
}

void SharedJournal::judge_one(Pending& pending) {
    committer::judge(pending.request, *this, pending.reply);
    const auto wrong = std::ranges::find_if_not(pending.request.changes, can_be_written);
    if (pending.reply.result != committer::outcome::COMMITTED || wrong == pending.request.changes.end()) return;
    pending.reply.which = static_cast<uint32_t>(wrong - pending.request.changes.begin());
    committer::reply_with(pending.reply, committer::outcome::REFUSED, wrong->database + ": the cluster does not take such a change");
}

void SharedJournal::put(const committer::batch& request) {
    for (const change& wanted : request.changes) {
        if (!committer::changes_something(wanted.kind)) continue;
        Value& value = writes_[durable_key(wanted.database, wanted.key)];
        value.clear();
        if (wanted.kind != change_kind::REMOVE) value.assign(wanted.value.begin(), wanted.value.end());
    }
}

// Only of those of whom something is committed: what else was decided may be decided again if the answers are lost.
void SharedJournal::put_senders() {
    std::set<Guid> names;
    for (const Pending& pending : parts_.front()) {
        if (pending.reply.result == committer::outcome::COMMITTED && committer::changes_something(pending.request))
            names.insert(pending.sender);
    }
    for (const Guid& name : names) {
        Buffer state;
        encode(senders().state(name), state, idl::written_level());
        writes_[sender_key(node_, name)].assign(state.data(), state.data() + state.size());
    }
}

void SharedJournal::commit_part(int64_t base) {
    for (const Pending& pending : parts_.front()) senders().note(pending);
    is_noted_ = true;
    put_senders();
    if (writes_.empty()) return finished(CommonDatabase::Outcome::committed);
    Writes writes;
    writes.reserve(writes_.size());
    for (auto& [key, value] : writes_) writes.push_back({key, std::move(value)});
    writes_.clear();
    common_->commit(base, std::move(writes), [this](CommonDatabase::Outcome outcome) { finished(outcome); });
}

void SharedJournal::finished(CommonDatabase::Outcome outcome) {
    if (outcome != CommonDatabase::Outcome::committed) take_back_notes();
    switch (outcome) {
        case CommonDatabase::Outcome::committed:
            parts_.pop_front();
            conflicts_ = 0;
            break;
        case CommonDatabase::Outcome::conflict:
            if (++conflicts_ >= max_conflicts) try_less(committer::outcome::CHANGED, "others change the durable state all the time");
            break;
        case CommonDatabase::Outcome::no_room: try_less(committer::outcome::NO_SPACE, "a node's disk is full"); break;
        case CommonDatabase::Outcome::refused: try_less(committer::outcome::REFUSED, "ctdbd does not take it"); break;
    }
    is_noted_ = false;
    next_timer_.set_at(monotonic_now());
}

void SharedJournal::take_back_notes() {
    const Part part = parts_.front();
    if (is_noted_) std::for_each(part.rbegin(), part.rend(), [this](const Pending& pending) { senders().unnote(pending); });
}

// What is large must not fail with it what is small, nor what has conditions what has none.
void SharedJournal::try_less(committer::outcome result, const std::string& why) {
    const Part part = parts_.front();
    parts_.pop_front();
    conflicts_ = 0;
    if (part.size() > 1) {
        parts_.push_front(part.subspan(part.size() / 2));
        parts_.push_front(part.first(part.size() / 2));
        return;
    }
    Pending& failed = part.front();
    log_error("{}: {}", durable_database, why);
    failed.reply = {};
    failed.reply.number = failed.request.number;
    committer::reply_with(failed.reply, result, why);
    senders().note(failed);
}

// Between two groups.
void SharedJournal::clean() {
    const std::vector<Guid> gone = senders().gone();
    if (gone.empty() || decided_ || is_cleaning_ || is_lost_) return;
    Writes writes;
    for (const Guid& name : gone) writes.push_back({sender_key(node_, name), {}});
    is_cleaning_ = true;
    common_->commit(protocol::ANY_SEQUENCE, std::move(writes), [this, gone](CommonDatabase::Outcome outcome) {
        is_cleaning_ = false;
        const std::vector<Guid> still = senders().gone();  // one may have come back meanwhile
        for (const Guid& name : gone) {
            if (outcome == CommonDatabase::Outcome::committed && std::ranges::find(still, name) != still.end()) senders().forget(name);
        }
        if (decided_) next_timer_.set_at(monotonic_now());
    });
}

void SharedJournal::lost() {
    if (std::exchange(is_lost_, true)) return;
    log_error("{}: this node's session has ended", durable_database);
    tell_broken();
}

}  // namespace Atoll::ctdb

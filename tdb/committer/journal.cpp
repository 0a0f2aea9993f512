#include "tdb/committer/journal.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/limits.h"
#include "base/log.h"

namespace Atoll::committer {
namespace {

constexpr const char* senders_name = "committer_senders";
constexpr idl::Level level = idl::first_level;
constexpr size_t max_senders = 2 * size_t{limits::max_client_processes};
// After it a sender that has not come back has given up.
constexpr auto return_time = 2 * std::chrono::seconds(limits::committer_patience_seconds);
constexpr size_t max_text = 256;  // of an answer

bool changes_nothing(change_kind kind) {
    return kind == change_kind::EXPECT_VALUE || kind == change_kind::EXPECT_PRESENT || kind == change_kind::EXPECT_ABSENT;
}

bool changes_something(const batch& request) {
    return std::any_of(request.changes.begin(), request.changes.end(), [](const change& c) { return !changes_nothing(c.kind); });
}

void reply_with(answer& reply, outcome result, std::string text) {
    reply.result = result;
    reply.text = std::move(text);
    if (reply.text.size() > max_text) reply.text.resize(max_text);
}

void reply_with(answer& reply, const Error& error) {
    reply_with(reply, error.code == Code::no_space ? outcome::NO_SPACE : outcome::IO_ERROR, error.text);
}

bool has_ended(uint32_t pid) { return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const JournalOptions& options) {
    tdb::LmdbEnvironmentOptions file;
    file.path = options.path;
    file.map_size = options.map_size;
    auto environment = tdb::LmdbEnvironment::open(file);
    if (!environment) return environment.failure();
    std::unique_ptr<Journal> journal(new Journal(std::move(*environment)));
    if (auto opened = journal->open_databases(options); !opened) return opened.failure();
    if (auto loaded = journal->load_senders(); !loaded) return loaded.failure();
    return journal;
}

Result<void> Journal::open_databases(const JournalOptions& options) {
    if (auto cleared = environment_->clear_dead_readers(); !cleared) return cleared.failure();
    for (const std::string& name : options.databases) {
        ATOLL_ASSERT(name != senders_name);
        auto database = tdb::LmdbDatabase::open(environment_, name, tdb::Rank::none);
        if (!database) return database.failure();
        databases_.emplace(name, std::move(*database));
    }
    auto senders = tdb::LmdbDatabase::open(environment_, senders_name, tdb::Rank::none);
    if (!senders) return senders.failure();
    senders_database_ = std::move(*senders);
    return {};
}

Result<void> Journal::load_senders() {
    Result<void> outcome;
    auto visited = senders_database_->traverse([&](Bytes key, Bytes value) {
        Guid name;
        Sender sender;
        if (key.size() != name.bytes.size()) {
            outcome = fail(Code::corrupt, senders_database_->name(), "a key is no sender's name");
        } else {
            std::copy(key.begin(), key.end(), name.bytes.begin());
            outcome = decode(value, sender.state);
            sender.arrived = sender.state.decided;
            sender.left = monotonic_now();
            senders_.emplace(name, std::move(sender));
        }
        return outcome ? tdb::Visit::go_on : tdb::Visit::stop;
    });
    if (!visited) return visited.failure();
    return outcome;
}

bool Journal::enter(const Guid& name, pid_t pid, uint64_t answered) {
    const auto found = senders_.find(name);
    if (found == senders_.end()) {
        if (senders_.size() >= max_senders) return false;
        Sender sender;
        sender.state.pid = static_cast<uint32_t>(pid);
        sender.state.decided = sender.arrived = answered;
        sender.is_here = true;
        senders_.emplace(name, std::move(sender));
        return true;
    }
    Sender& sender = found->second;
    if (sender.is_here || sender.state.pid != static_cast<uint32_t>(pid) || answered > sender.state.decided) return false;
    sender.is_here = true;
    sender.arrived = sender.state.decided;
    return true;
}

void Journal::leave(const Guid& name) {
    const auto found = senders_.find(name);
    ATOLL_ASSERT(found != senders_.end());
    found->second.is_here = false;
    found->second.left = monotonic_now();
}

Journal::Known Journal::recall(const Guid& name, const batch& arrived, answer& out) {
    const auto found = senders_.find(name);
    ATOLL_ASSERT(found != senders_.end() && found->second.is_here);
    Sender& sender = found->second;
    if (arrived.answered >= arrived.number || arrived.number - arrived.answered > MAX_UNANSWERED) return Known::out_of_order;
    if (arrived.number <= sender.state.decided) {
        for (const answer& former : sender.state.answers) {
            if (former.number != arrived.number) continue;
            out = former;
            return Known::decided;
        }
        return Known::out_of_order;
    }
    if (arrived.number != sender.arrived + 1) return Known::out_of_order;
    sender.arrived = arrived.number;
    return Known::is_new;
}

tdb::Database* Journal::find(const std::string& database) {
    const auto found = databases_.find(database);
    return found == databases_.end() ? nullptr : found->second.get();
}

bool Journal::holds(const change& condition, tdb::Database& database, answer& reply) {
    bool same = false;
    const bool compare = condition.kind == change_kind::EXPECT_VALUE;
    const auto found = database.parse(condition.key, [&](Bytes value) {
        same = !compare || std::equal(value.begin(), value.end(), condition.value.begin(), condition.value.end());
    });
    if (!found) {
        reply_with(reply, found.error());
        return false;
    }
    switch (condition.kind) {
        case change_kind::INSERT:
        case change_kind::EXPECT_ABSENT:
            if (*found) reply_with(reply, outcome::FOUND, condition.database + ": the record is there already");
            return !*found;
        case change_kind::MODIFY:
        case change_kind::EXPECT_PRESENT:
        case change_kind::EXPECT_VALUE:
            if (!*found) {
                reply_with(reply, outcome::NOT_FOUND, condition.database + ": no such record");
            } else if (!same) {
                reply_with(reply, outcome::CHANGED, condition.database + ": the record has been changed");
            }
            return *found && same;
        case change_kind::STORE:
        case change_kind::REMOVE:
        case change_kind::WIPE: break;
    }
    return true;
}

// Whether the batch may be made as things stand: COMMITTED, or why not.
void Journal::judge(const batch& request, answer& reply) {
    reply = {};
    reply.number = request.number;
    if (request.changes.empty()) return reply_with(reply, outcome::REFUSED, "an empty batch");
    for (const change& wanted : request.changes) {
        tdb::Database* database = find(wanted.database);
        if (database == nullptr) return reply_with(reply, outcome::REFUSED, "there is no durable database '" + wanted.database + "'");
        if (wanted.key.empty() != (wanted.kind == change_kind::WIPE))
            return reply_with(reply, outcome::REFUSED, wanted.database + ": a key that cannot be");
        const bool is_condition =
            wanted.kind != change_kind::STORE && wanted.kind != change_kind::REMOVE && wanted.kind != change_kind::WIPE;
        if (is_condition && !holds(wanted, *database, reply)) return;
        reply.which++;
    }
    reply.which = 0;
}

Result<void> Journal::apply(const batch& request) {
    for (const change& wanted : request.changes) {
        tdb::Database& database = *find(wanted.database);
        if (wanted.kind == change_kind::WIPE) {
            if (auto wiped = database.wipe(); !wiped) return wiped;
        } else if (wanted.kind == change_kind::REMOVE) {
            if (auto removed = database.remove(wanted.key); !removed) return removed.failure();
        } else if (!changes_nothing(wanted.kind)) {
            if (auto stored = database.store(wanted.key, wanted.value); !stored) return stored;
        }
    }
    return {};
}

// False: nothing was changed.
Result<bool> Journal::apply_group(std::span<Pending> group) {
    bool changed = false;
    for (Pending& pending : group) {
        judge(pending.request, pending.reply);
        if (pending.reply.result != outcome::COMMITTED) continue;
        if (auto applied = apply(pending.request); !applied) return applied.failure();
        changed = changed || changes_something(pending.request);
    }
    return changed;
}

// Only senders of whom something is committed: what else was decided may be decided again if the answers are lost.
Result<void> Journal::store_senders(std::span<const Pending> group) {
    std::set<Guid> names;
    for (const Pending& pending : group) {
        if (pending.reply.result == outcome::COMMITTED && changes_something(pending.request)) names.insert(pending.sender);
    }
    for (const Guid& name : names) {
        encoded_.clear();
        encode(senders_.at(name).state, encoded_, level);
        if (auto stored = senders_database_->store(name.bytes, encoded_); !stored) return stored;
    }
    return {};
}

void Journal::note(const Pending& pending) {
    sender_state& state = senders_.at(pending.sender).state;
    ATOLL_ASSERT(pending.request.number == state.decided + 1);
    state.decided = pending.request.number;
    std::erase_if(state.answers, [&](const answer& former) { return former.number <= pending.request.answered; });
    state.answers.push_back(pending.reply);
    ATOLL_ASSERT(state.answers.size() <= MAX_UNANSWERED);
}

void Journal::unnote(const Pending& pending) {
    sender_state& state = senders_.at(pending.sender).state;
    ATOLL_ASSERT(pending.request.number == state.decided && !state.answers.empty());
    state.decided--;
    state.answers.pop_back();
}

// One transaction. On a failure nothing has happened and nothing is noted.
Result<void> Journal::try_group(std::span<Pending> group) {
    if (auto begun = environment_->begin(); !begun) return begun;
    auto changed = apply_group(group);
    if (!changed) {
        environment_->cancel();
        return changed.failure();
    }
    for (const Pending& pending : group) note(pending);
    Result<void> done;
    if (*changed) {
        done = store_senders(group);
        if (done) {
            done = environment_->commit();
            if (done) commits_++;
        } else {
            environment_->cancel();
        }
    } else {
        environment_->cancel();
    }
    if (!done) std::for_each(group.rbegin(), group.rend(), [this](const Pending& pending) { unnote(pending); });
    return done;
}

void Journal::decide(std::span<Pending> group) {
    if (group.empty()) return;
    auto done = try_group(group);
    while (!done && environment_->will_grow()) done = try_group(group);
    if (done) {
        batches_ += group.size();
        return;
    }
    // What is large must not fail with it what is small.
    if (done.error().code == Code::no_space && group.size() > 1) {
        decide(group.first(group.size() / 2));
        return decide(group.subspan(group.size() / 2));
    }
    log_error("{}", done.error().message());
    for (Pending& pending : group) {
        pending.reply = {};
        pending.reply.number = pending.request.number;
        reply_with(pending.reply, done.error());
        note(pending);
    }
    batches_ += group.size();
}

void Journal::clean() {
    if (const auto cleared = environment_->clear_dead_readers(); !cleared) log_error("{}", cleared.error().message());
    std::vector<Guid> gone;
    const Monotonic now = monotonic_now();
    for (const auto& [name, sender] : senders_) {
        if (!sender.is_here && (has_ended(sender.state.pid) || now - sender.left > return_time)) gone.push_back(name);
    }
    if (gone.empty()) return;
    auto done = environment_->begin();
    if (!done) return log_error("{}", done.error().message());
    for (const Guid& name : gone) {
        const auto removed = done ? senders_database_->remove(name.bytes) : Result<bool>(false);
        if (!removed) done = removed.failure();
    }
    if (!done) {
        environment_->cancel();
        return log_error("{}", done.error().message());
    }
    done = environment_->commit();
    if (!done) return log_error("{}", done.error().message());
    commits_++;
    for (const Guid& name : gone) senders_.erase(name);
}

}  // namespace Atoll::committer

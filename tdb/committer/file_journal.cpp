#include "tdb/committer/file_journal.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "idl/level.h"

namespace Atoll::committer {
Result<std::unique_ptr<FileJournal>> FileJournal::open(const JournalOptions& options) {
    tdb::LmdbEnvironmentOptions file;
    file.path = options.path;
    file.map_size = options.map_size;
    auto environment = tdb::LmdbEnvironment::open(file);
    if (!environment) return environment.failure();
    std::unique_ptr<FileJournal> journal(new FileJournal(std::move(*environment)));
    if (auto opened = journal->open_databases(options); !opened) return opened.failure();
    if (auto loaded = journal->load_senders(); !loaded) return loaded.failure();
    return journal;
}

Result<void> FileJournal::open_databases(const JournalOptions& options) {
    if (auto cleared = environment_->clear_dead_readers(); !cleared) return cleared.failure();
    for (const std::string& name : options.databases) {
        ATOLL_ASSERT(name != senders_database);
        auto database = tdb::LmdbDatabase::open(environment_, name, tdb::Rank::none);
        if (!database) return database.failure();
        databases_.emplace(name, std::move(*database));
    }
    auto senders = tdb::LmdbDatabase::open(environment_, senders_database, tdb::Rank::none);
    if (!senders) return senders.failure();
    senders_database_ = std::move(*senders);
    return {};
}

Result<void> FileJournal::load_senders() {
    Result<void> outcome;
    auto visited = senders_database_->traverse([&](Bytes key, Bytes value) {
        outcome = senders().load(key, value);
        return outcome ? tdb::Visit::go_on : tdb::Visit::stop;
    });
    if (!visited) return visited.failure();
    return outcome;
}

Result<bool> FileJournal::look(const std::string& database, Bytes key, tdb::Parser parser) {
    return databases_.find(database)->second->parse(key, parser);
}

Result<void> FileJournal::apply(const batch& request) {
    for (const change& wanted : request.changes) {
        tdb::Database& database = *databases_.find(wanted.database)->second;
        if (wanted.kind == change_kind::WIPE) {
            if (auto wiped = database.wipe(); !wiped) return wiped;
        } else if (wanted.kind == change_kind::REMOVE) {
            if (auto removed = database.remove(wanted.key); !removed) return removed.failure();
        } else if (changes_something(wanted.kind)) {
            if (auto stored = database.store(wanted.key, wanted.value); !stored) return stored;
        }
    }
    return {};
}

// False: nothing was changed.
Result<bool> FileJournal::apply_group(std::span<Pending> group) {
    bool changed = false;
    for (Pending& pending : group) {
        judge(pending.request, *this, pending.reply);
        if (pending.reply.result != outcome::COMMITTED) continue;
        if (auto applied = apply(pending.request); !applied) return applied.failure();
        changed = changed || changes_something(pending.request);
    }
    return changed;
}

// Only senders of whom something is committed: what else was decided may be decided again if the answers are lost.
Result<void> FileJournal::store_senders(std::span<const Pending> group) {
    std::set<Guid> names;
    for (const Pending& pending : group) {
        if (pending.reply.result == outcome::COMMITTED && changes_something(pending.request)) names.insert(pending.sender);
    }
    for (const Guid& name : names) {
        encoded_.clear();
        encode(senders().state(name), encoded_, idl::written_level());
        if (auto stored = senders_database_->store(name.bytes, encoded_); !stored) return stored;
    }
    return {};
}

// One transaction. On a failure nothing has happened and nothing is noted.
Result<void> FileJournal::try_group(std::span<Pending> group) {
    if (auto begun = environment_->begin(); !begun) return begun;
    auto changed = apply_group(group);
    if (!changed) {
        environment_->cancel();
        return changed.failure();
    }
    for (const Pending& pending : group) senders().note(pending);
    Result<void> done;
    if (*changed) done = store_senders(group);
    if (*changed && done) {
        done = environment_->commit();
    } else {
        environment_->cancel();
    }
    if (!done) std::for_each(group.rbegin(), group.rend(), [this](const Pending& pending) { senders().unnote(pending); });
    return done;
}

void FileJournal::decide_all(std::span<Pending> group) {
    auto done = try_group(group);
    while (!done && environment_->will_grow()) done = try_group(group);
    if (done) return;
    // What is large must not fail with it what is small.
    if (done.error().code == Code::no_space && group.size() > 1) {
        decide_all(group.first(group.size() / 2));
        return decide_all(group.subspan(group.size() / 2));
    }
    log_error("{}", done.error().message());
    for (Pending& pending : group) {
        pending.reply = {};
        pending.reply.number = pending.request.number;
        reply_with(pending.reply, done.error());
        senders().note(pending);
    }
}

void FileJournal::decide(std::span<Pending> group, std::function<void()> decided) {
    if (!group.empty()) decide_all(group);
    decided();
    if (environment_->is_broken()) tell_broken();
}

Result<void> FileJournal::remove_senders(std::span<const Guid> names) {
    if (auto begun = environment_->begin(); !begun) return begun;
    for (const Guid& name : names) {
        if (auto removed = senders_database_->remove(name.bytes); !removed) {
            environment_->cancel();
            return removed.failure();
        }
    }
    return environment_->commit();
}

void FileJournal::clean() {
    if (const auto cleared = environment_->clear_dead_readers(); !cleared) log_error("{}", cleared.error().message());
    const std::vector<Guid> gone = senders().gone();
    const auto done = gone.empty() ? Result<void>() : remove_senders(gone);
    if (done) {
        for (const Guid& name : gone) senders().forget(name);
    } else {
        log_error("{}", done.error().message());
    }
    if (environment_->is_broken()) tell_broken();
}

}  // namespace Atoll::committer

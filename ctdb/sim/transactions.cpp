// Transactions on persistent and replicated databases, and the disks that they are written to.
#include <utility>

#include "base/bytes.h"
#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {
namespace {

constexpr DatabaseId databases[] = {101, 102, replicated_database};
constexpr uint64_t keys_of_database = 6;

}  // namespace

void World::start_writers(Host& host) {
    if (!options_.transactions) return;
    for (size_t index = 0; index < host.writers.size(); index++) schedule_writer(host, index);
}

void World::schedule_writer(Host& host, size_t index) {
    schedule_.after(random_.below(2 * writer_think_), [this, &host, index, turn = host.writers[index].turn] {
        if (host.up && host.writers[index].turn == turn) begin_transaction(host, index);
    });
}

bool World::readable(const Host& host, DatabaseId database) const {
    return host.up && !host.stopped && !host.frozen && host.core->persistent().readable(database, host.clock(schedule_.now()));
}

// Reads, and writes what depends on it, or does not.
void World::begin_transaction(Host& host, size_t index) {
    Writer& writer = host.writers[index];
    const DatabaseId database = databases[random_.below(std::size(databases))];
    writer.turn++;
    if (!readable(host, database)) return schedule_writer(host, index);
    const int64_t base = random_.one_in(4) ? protocol::ANY_SEQUENCE : static_cast<int64_t>(host.disk.sequence(database));
    writer.stamp = ++last_stamp_;
    writer.client = ++host.last_transaction;
    writer.waits = true;
    ClientCommits commits{writer.client, database, base, {}};
    TransactionChecker::Keys keys;
    for (uint64_t count = random_.between(1, 5); count > 0; count--)
        keys.emplace(size_t{1}, static_cast<uint8_t>(random_.below(keys_of_database)));
    for (const auto& key : keys) {
        Value value(8);
        store_le(value.data(), writer.stamp);
        commits.writes.push_back({key, std::move(value)});
    }
    transactions_.submitted(writer.stamp, database, base, std::move(keys));
    deliver(host, host.incarnation, std::move(commits));
}

void World::transaction_done(Host& host, const TransactionDone& done) {
    using protocol::transaction_result;
    for (size_t index = 0; index < host.writers.size(); index++) {
        Writer& writer = host.writers[index];
        if (!writer.waits || writer.client != done.client) continue;
        writer.waits = false;
        if (done.result == transaction_result::COMMITTED) {
            writer.done++;
            note(host, transactions_.committed(writer.stamp, done.seqnum));
        } else if (done.result != transaction_result::UNKNOWN) {
            note(host, transactions_.refused(writer.stamp));
        }
        return schedule_writer(host, index);
    }
}

void World::note(const Host& host, const std::optional<std::string>& wrong) {
    if (wrong) checker_.violated("node " + std::to_string(host.pnn) + ": " + *wrong);
}

// What a client of this node would read now.
void World::observe(Host& host) {
    for (const DatabaseId database : databases) {
        if (!readable(host, database)) continue;
        const uint64_t seqnum = host.disk.sequence(database);
        uint64_t& seen = host.observed[database];
        if (seen == seqnum + 1 && seqnum >= transactions_.floor(database)) continue;
        seen = seqnum + 1;
        note(host, transactions_.observed(database, seqnum, host.disk.content(database)));
    }
}

// What was answered of a replicated database is kept by members that have it, each until it starts again or is a member no more. When none
// is left it may be lost.
void World::watch_replicas() {
    const uint64_t floor = transactions_.floor(replicated_database);
    if (floor != std::exchange(kept_floor_, floor)) keepers_.clear();
    const std::optional<protocol::view>& stored = register_content();
    for (const auto& host : hosts_) {
        if (!host->up) continue;
        const bool has_it =
            transactions_.keeps(replicated_database, host->disk.sequence(replicated_database), host->disk.content(replicated_database));
        if (has_it) keepers_.emplace(host->pnn, host->core->session());
    }
    std::erase_if(keepers_, [&](const auto& keeper) {
        const Host& host = *hosts_[keeper.first];
        const bool is_same = host.up && host.core->session() == keeper.second;
        return !is_same || !stored || find_session(*stored, keeper.first, keeper.second) == nullptr;
    });
    if (floor != 0 && keepers_.empty()) transactions_.lost(replicated_database);
}

// A disk does one thing after the other.
void World::write_persistent(Host& host, const WritePersistent& write) {
    const Time latency = host.slow_disk ? random_.between(10 * millisecond, 2 * second) : random_.between(200, 5 * millisecond);
    const Time done = std::max(schedule_.now(), host.disk_free_at) + latency;
    host.disk_free_at = done;
    host.disk.start(write);
    schedule_.after(done - schedule_.now(), [this, &host, incarnation = host.incarnation] {
        if (!host.up || host.incarnation != incarnation) return;
        const bool ok = !host.full_disk;
        const uint64_t ticket = host.disk.finish(ok).ticket;
        if (options_.planted != Planted::commits_without_sync) {
            host.disk.sync();
        } else {
            schedule_.after(random_.below(2 * second), [&host] { host.disk.sync(); });
        }
        deliver(host, incarnation, PersistentWritten{ticket, ok});
    });
}

// What was under way may have been done, up to some point.
void World::end_disk(Host& host) {
    while (!host.disk.under_way.empty() && random_.one_in(2)) host.disk.finish(true);
    if (options_.planted != Planted::commits_without_sync) host.disk.sync();
    host.disk.power_lost(true);
    host.observed.clear();
    host.disk_free_at = 0;
    for (Writer& writer : host.writers) writer.waits = false, writer.turn++;
}

}  // namespace Atoll::ctdb::sim

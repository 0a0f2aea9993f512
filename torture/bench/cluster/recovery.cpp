#include "torture/bench/cluster/recovery.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "base/time.h"
#include "ctdb/client/cluster_database.h"
#include "torture/bench/cluster/players.h"

namespace Atoll::bench {
namespace {

using ctdb::ClusterDatabase;
using ctdb::Slot;

constexpr const char* database_name = "clusterbench_recovery.tdb";
constexpr unsigned patience_s = 1200;  // for all of it, filling included
constexpr auto patience_with_slots = std::chrono::seconds(60);
constexpr size_t max_nodes = 16;
constexpr uint64_t eighth = 8;       // of a node's records one is in another node's slot
constexpr uint32_t shared_bits = 2;  // of four slots of the survivors one has records of the victim
constexpr unsigned between_probes_us = 1000;
constexpr unsigned between_looks_us = 500;
constexpr uint32_t nobody = ctdb::no_node;

struct Survivor {
    std::atomic<uint64_t> probes{0}, asked{0}, kept{0};
    std::atomic<uint64_t> longest_probe{0};                              // nanoseconds
    std::atomic<uint64_t> closed_first{0}, back_first{0}, back_last{0};  // nanoseconds of the monotonic clock
    std::atomic<uint64_t> longest_away{0};
};

struct Board {
    std::array<std::atomic<uint32_t>, protocol::SLOTS> locator;
    Meeting located, filled, armed;
    std::atomic<uint64_t> killed{0};
    std::atomic<unsigned> watched{0};  // survivors at which all touched slots are back
    std::atomic<bool> over{false};
    std::array<Survivor, max_nodes> survivors;
};

uint64_t nanoseconds_now() { return static_cast<uint64_t>(monotonic_now().time_since_epoch() / std::chrono::nanoseconds(1)); }

void raise_to(std::atomic<uint64_t>& most, uint64_t value) { most = std::max(most.load(), value); }

// Once every node has said which slots it locates: which records a node makes, and where.
class Plan {
 public:
    Plan(const RecoveryOptions& options, Board& board, unsigned node) : node_(node) {
        const uint64_t share = options.records / options.sockets.size();
        away_count_ = share / eighth;
        own_count_ = share - away_count_;
        for (Slot slot = 0; slot < board.locator.size(); slot++) {
            const uint32_t locator = board.locator[slot];
            if (locator == nobody) give_up(fmt::format("no node locates slot {}", slot));
            if (locator == node) own_.push_back(slot);
            if (node == options.victim ? locator != node && shared(slot) : locator == options.victim) away_.push_back(slot);
        }
        if (own_.empty() || away_.empty() || own_count_ < own_.size() || away_count_ < away_.size()) give_up("too few records, or slots");
    }

    // Nodes may locate every second slot, or every third: the shared ones are scattered, so that each node has as many.
    static bool shared(Slot slot) { return slot * 0x9E3779B1 >> (32 - shared_bits) == 0; }
    [[nodiscard]] uint64_t count() const { return own_count_ + away_count_; }
    // The slots in turn, so that the first of either kind are one in each.
    [[nodiscard]] uint64_t id(uint64_t number) const { return number < own_count_ ? own(number) : away(number - own_count_); }
    [[nodiscard]] uint64_t own(uint64_t number) const { return make(number, own_, 0); }
    [[nodiscard]] uint64_t away(uint64_t number) const { return make(number, away_, 1); }
    [[nodiscard]] size_t own_slots() const { return own_.size(); }
    [[nodiscard]] size_t away_slots() const { return away_.size(); }

 private:
    [[nodiscard]] uint64_t make(uint64_t number, const std::vector<Slot>& slots, uint64_t kind) const {
        return ctdb::id_in_slot(uint64_t{node_} << 41 | kind << 40 | number, slots[number % slots.size()]);
    }

    unsigned node_;
    std::vector<Slot> own_, away_;
    uint64_t own_count_ = 0, away_count_ = 0;
};

// A record's key is its id, big-endian, its value the key again and again.
struct Record {
    explicit Record(uint64_t id) {
        for (size_t at = 0; at < key.size(); at++) key[at] = static_cast<uint8_t>(id >> (56 - 8 * at));
        for (size_t at = 0; at < value.size(); at++) value[at] = key[at % key.size()];
    }
    [[nodiscard]] bool is(Bytes stored) const { return std::ranges::equal(stored, value); }

    std::array<uint8_t, 8> key{};
    std::array<uint8_t, 64> value{};
};

// A process's place at its node.
struct Place {
    Place(const RecoveryOptions& options, unsigned player)
        : node(std::make_shared<ctdb::Node>(options.sockets[player])),
          database(must(ClusterDatabase::open(node, database_name, tdb::Rank::session, {.slot_in_key = true}))) {
        must(node->connect());
    }
    // How often ctdbd was asked for a record, or told of a release for which it waits.
    [[nodiscard]] uint64_t asked() const { return node->counters().wanted + node->counters().released; }
    // Waits for the record if it has to.
    [[nodiscard]] bool has(const Record& record) const {
        bool same = false;
        const bool there = must(database->parse(record.key, [&](Bytes value) { same = record.is(value); }));
        return there && same;
    }

    std::shared_ptr<ctdb::Node> node;
    std::unique_ptr<ClusterDatabase> database;
};

// Changes each record and gives the nanoseconds that the slowest took.
uint64_t change_all(const Place& place, const std::vector<Record>& records) {
    uint64_t slowest = 0;
    for (const Record& record : records) {
        const uint64_t began = nanoseconds_now();
        auto locked = must(place.database->fetch_locked(record.key));
        if (!record.is(locked.value())) give_up("a record of an untouched slot is not as it was");
        must(locked.store(record.value));
        locked.release();
        slowest = std::max(slowest, nanoseconds_now() - began);
    }
    return slowest;
}

void probe(const RecoveryOptions& options, const Place& place, const Plan& plan, Survivor& survivor, Board& board) {
    std::vector<Record> records;
    for (size_t k = 0; k < plan.own_slots(); k++) {
        if (!Plan::shared(ctdb::slot_of_id(plan.own(k)))) records.emplace_back(plan.own(k));
    }
    change_all(place, records);
    const uint64_t asked = place.asked();
    board.armed.come(static_cast<unsigned>(2 * (options.sockets.size() - 1)));
    while (!board.over) {
        raise_to(survivor.longest_probe, change_all(place, records));
        survivor.probes += records.size();
        ::usleep(between_probes_us);
    }
    survivor.asked = place.asked() - asked;
}

// Makes a node's records, and at a survivor goes on to probe.
void fill(const RecoveryOptions& options, unsigned player, Board& board) {
    const auto players = static_cast<unsigned>(options.sockets.size());
    const Place place(options, player);
    for (Slot slot = 0; slot < board.locator.size(); slot++) {
        if (place.node->gate(slot).located) board.locator[slot] = player;
    }
    board.located.come(players);
    const Plan plan(options, board, player);
    for (uint64_t number = 0; number < plan.count(); number++) {
        const Record record(plan.id(number));
        must(place.database->store(record.key, record.value));
    }
    board.filled.come(2 * players - 1);
    if (player == options.victim) return;
    Survivor& survivor = board.survivors[player];
    probe(options, place, plan, survivor, board);
    uint64_t kept = 0;
    for (uint64_t number = 0; number < plan.count(); number++) kept += place.has(Record(plan.id(number))) ? 1 : 0;
    survivor.kept = kept;
}

// A touched slot, with a record that this node has in it.
struct Watched {
    Watched(const Place& place, uint64_t id) : slot(ctdb::slot_of_id(id)), before(place.node->gate(slot).epoch), record(id) {}

    Slot slot;
    ctdb::Epoch before;
    Record record;
    uint64_t closed = 0;  // when it was first seen so
    bool back = false;
};

void look(const Place& place, Watched& watched, Survivor& survivor) {
    const ctdb::SlotGate& gate = place.node->gate(watched.slot);
    const uint64_t now = nanoseconds_now();
    if (!gate.open || gate.epoch != watched.before) {
        if (watched.closed == 0) watched.closed = now;
        if (survivor.closed_first == 0) survivor.closed_first = now;
    }
    if (!gate.open || gate.epoch == watched.before) return;
    if (!place.has(watched.record)) give_up(fmt::format("a survivor's record of slot {} is lost", watched.slot));
    const uint64_t back = nanoseconds_now();
    watched.back = true;
    if (survivor.back_first == 0) survivor.back_first = back;
    survivor.back_last = back;
    raise_to(survivor.longest_away, back - watched.closed);
}

// At a survivor: when the slots that are touched are in use again.
void watch(const RecoveryOptions& options, unsigned player, Board& board) {
    const auto players = static_cast<unsigned>(options.sockets.size());
    board.filled.come(2 * players - 1);
    const Place place(options, player);
    const Plan plan(options, board, player);
    std::vector<Watched> slots;
    for (size_t k = 0; k < plan.away_slots(); k++) slots.emplace_back(place, plan.away(k));
    for (size_t k = 0; k < plan.own_slots(); k++) {
        if (Plan::shared(ctdb::slot_of_id(plan.own(k)))) slots.emplace_back(place, plan.own(k));
    }
    board.armed.come(2 * (players - 1));
    while (board.killed == 0) ::usleep(between_looks_us);
    const Monotonic deadline = monotonic_now() + patience_with_slots;
    for (size_t back = 0; back < slots.size();) {
        for (Watched& watched : slots) {
            if (!watched.back) look(place, watched, board.survivors[player]);
        }
        back = static_cast<size_t>(std::ranges::count(slots, true, &Watched::back));
        if (monotonic_now() >= deadline) give_up(fmt::format("{} of {} touched slots are not back", slots.size() - back, slots.size()));
        ::usleep(between_looks_us);
    }
    board.watched++;
}

// Of all survivors: the least, the greatest, the sum.
class Summary {
 public:
    Summary(const RecoveryOptions& options, Board& board) : options_(options), board_(board) {}

    [[nodiscard]] uint64_t sum(std::atomic<uint64_t> Survivor::*what) const {
        uint64_t all = 0;
        each(what, [&](uint64_t value) { all += value; });
        return all;
    }
    [[nodiscard]] uint64_t most(std::atomic<uint64_t> Survivor::*what) const {
        uint64_t most = 0;
        each(what, [&](uint64_t value) { most = std::max(most, value); });
        return most;
    }
    [[nodiscard]] uint64_t least(std::atomic<uint64_t> Survivor::*what) const {
        uint64_t least = UINT64_MAX;
        each(what, [&](uint64_t value) { least = std::min(least, value); });
        return least;
    }
    [[nodiscard]] double since_death(uint64_t moment) const { return milliseconds(moment - board_.killed); }
    static double milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; }

    void print(double fill_s) const {
        const uint64_t expected = options_.records / options_.sockets.size() * (options_.sockets.size() - 1);
        fmt::print(R"({{"records":{},"fill_s":{:.3f},"slots_untouched":{},"slots_touched":{},"probes":{},"asked":{},)"
                   R"("longest_probe_us":{:.1f},"closed_first":{:.3f},"back_first":{:.3f},"back_last":{:.3f},"longest_away":{:.3f},)"
                   R"("expected":{},"kept":{}}})"
                   "\n",
                   options_.records, fill_s, untouched(), board_.locator.size() - untouched(), sum(&Survivor::probes),
                   sum(&Survivor::asked), milliseconds(most(&Survivor::longest_probe)) * 1e3, since_death(least(&Survivor::closed_first)),
                   since_death(least(&Survivor::back_first)), since_death(most(&Survivor::back_last)),
                   milliseconds(most(&Survivor::longest_away)), expected, sum(&Survivor::kept));
    }

 private:
    template <class Visit>
    void each(std::atomic<uint64_t> Survivor::*what, Visit visit) const {
        for (unsigned player = 0; player < options_.sockets.size(); player++) {
            if (player != options_.victim) visit(board_.survivors[player].*what);
        }
    }

    [[nodiscard]] size_t untouched() const {
        size_t count = 0;
        for (Slot slot = 0; slot < board_.locator.size(); slot++)
            count += board_.locator[slot] != options_.victim && !Plan::shared(slot) ? 1 : 0;
        return count;
    }

    const RecoveryOptions& options_;
    Board& board_;
};

}  // namespace

void run_recovery(const RecoveryOptions& options) {
    const auto count = static_cast<unsigned>(options.sockets.size());
    if (count < 2 || count > max_nodes || options.victim >= count) give_up("so many nodes, or that victim, it does not take");
    if (options.records < least_records) give_up(fmt::format("fewer than {} records do not reach every slot", least_records));
    Shared<Board> board;
    for (auto& locator : board->locator) locator = nobody;
    Players players(patience_s);
    const uint64_t began = nanoseconds_now();
    for (unsigned player = 0; player < count; player++) {
        players.add([&, player] { fill(options, player, *board); });
        if (player != options.victim) players.add([&, player] { watch(options, player, *board); });
    }
    players.await([&] { return board->filled.complete(2 * count - 1); });
    const double fill_s = Summary::milliseconds(nanoseconds_now() - began) / 1e3;
    // The victim's player is gone by then: its supervisor would end it.
    players.await([&] { return board->armed.complete(2 * (count - 1)) && players.playing() == 2 * (count - 1); });
    board->killed = nanoseconds_now();
    if (::kill(options.victim_pid, SIGKILL) != 0) give_up("cannot kill the victim's ctdbd");
    players.await([&] { return board->watched == count - 1; });
    board->over = true;
    players.await_end();
    Summary(options, *board).print(fill_s);
}

}  // namespace Atoll::bench

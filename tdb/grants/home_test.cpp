// docs/grants.md against many nodes, whose messages are lost, doubled, late and out of order, and which die. What agents do is as it is in
// the server; nodes, their users and the network are played, from a seed. After every step no two nodes may have, or use, what excludes
// each other. Each rule is broken on purpose too, and has to be found broken.
#include "tdb/grants/home.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <sstream>

#include "base/bytes.h"
#include "tdb/grants/limits.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::grants {
namespace {

NtTime virtual_now{1};

class Random {
 public:
    explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 1) {}
    uint64_t next() {
        uint64_t z = (state_ += 0x9E3779B97F4A7C15);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    uint64_t below(uint64_t limit) { return next() % limit; }
    bool one_in(uint64_t n) { return below(n) == 0; }

 private:
    uint64_t state_;
};

rights opening(unsigned access, unsigned shared) {
    rights out;
    out.opens = open_bit(access, shared);
    return out;
}

class World;

// A process's open: asks, uses, and closes.
struct User {
    enum State { idle, asking, entered, using_it } state = idle;
    size_t file = 0;
    rights wanted;
    Question question = 0;
    rights used;
    uint64_t since = 0;
};

class PlayedNode final : public Nodes, public Recalls {
 public:
    PlayedNode(World& world, uint32_t number);
    [[nodiscard]] NodeSession self() const override { return {number_, session_}; }
    [[nodiscard]] bool ended(const NodeSession& who) const override;
    void recall(Bytes file, const rights& lost) override { recalls.push_back({std::string(as_text(file)), lost, false}); }
    void may_delete(Bytes) override {}

    void start();
    void die();
    void restart_agent();
    void step_user(User& user);
    void mark(const std::string& file);
    void step_recall();
    [[nodiscard]] rights used(const std::string& file) const;

    struct Running {
        std::string file;
        rights lost;
        bool taken_back;
    };
    std::vector<Running> recalls;
    std::vector<User> users;
    std::unique_ptr<HomeAgent> agent;
    std::unique_ptr<tdb::MemoryDatabase> held;
    uint64_t uses = 0, refusals = 0;

 private:
    friend class World;
    World& world_;
    const uint32_t number_;
    uint64_t session_ = 0;
    std::optional<HomeRecords> records_;
    std::optional<ProcessHome> process_home_;
    std::optional<NodeGrants> agents_, processes_;
};

struct Options {
    size_t nodes = 3, users = 3, files = 2;
    bool faults = true;
    bool marks = false;
    Planted planted = Planted::none;
    std::vector<rights> wants;
};

class World {
 public:
    World(uint64_t seed, Options options) : random(seed), options_(std::move(options)) {
        for (size_t i = 0; i < options_.nodes; i++) nodes.push_back(std::make_unique<PlayedNode>(*this, static_cast<uint32_t>(i)));
        for (auto& node : nodes) node->start();
    }

    // False: a conflict, in `broken`.
    bool step() {
        virtual_now.ticks += random.below(20'000);  // 1 ms on average
        const auto what = random.below(100);
        PlayedNode& node = *nodes[random.below(nodes.size())];
        acting_ = node.number_;
        if (options_.faults && random.one_in(400)) {
            if (node.session_ == 0) {
                node.start();
            } else if (random.one_in(3)) {
                node.die();
            } else {
                node.restart_agent();
            }
        } else if (node.session_ == 0) {
            return true;
        } else if (what < 45 && !network.empty()) {
            deliver();
        } else if (what < 60) {
            if (!node.recalls.empty()) node.step_recall();
        } else if (what < 62) {
            node.agent->tick();
        } else if (!node.users.empty()) {
            node.step_user(node.users[random.below(node.users.size())]);
        }
        return note_writers() && check();
    }

    void send(uint32_t to, Bytes message) {
        Buffer copy;
        copy.assign(message);
        if (options_.faults && random.one_in(20)) return;
        network.emplace_back(to, std::string(as_text(message)));
        if (options_.faults && random.one_in(20)) network.emplace_back(to, std::string(as_text(message)));
    }
    void deliver() {
        const size_t which = options_.faults ? random.below(std::min<size_t>(network.size(), 8)) : 0;
        const auto [to, message] = network[which];
        network.erase(network.begin() + static_cast<ptrdiff_t>(which));
        if (nodes[to]->session_ == 0) return;
        acting_ = to;
        nodes[to]->agent->receive(as_bytes(message));
    }

    std::string file(size_t i) const { return "file " + std::to_string(i); }

    // A node's last changes may be lost with it: those since the record came to it. False: a conflict, in `broken`.
    bool note_writers() {
        for (size_t i = 0; i < options_.files; i++) {
            Buffer now;
            (void)home->fetch(as_bytes(file(i)), now).ok();
            Version& version = versions_[file(i)];
            const std::string value(as_text(now.bytes()));
            if (value == version.value) continue;
            if (!respects_mark(i, version.value, value)) return false;
            if (version.writer != acting_) version.before = version.value;
            version.writer = acting_;
            version.value = value;
        }
        return true;
    }

    static file_grants read(const std::string& value) {
        file_grants out;
        const bool decoded = value.empty() || decode(as_bytes(value), out).ok();
        EXPECT_TRUE(decoded);
        return out;
    }
    // Of what is marked for deletion nobody takes `opens` as long as others have any.
    bool respects_mark(size_t i, const std::string& before, const std::string& now) {
        const file_grants old = read(before);
        if (!old.mark || old.mark->withdrawn) return true;
        const file_grants changed = read(now);
        const auto opens_of = [](const file_grants& record, const node_share& whose) {
            for (const node_share& entry : record.holders) {
                if (entry.node == whose.node && entry.session == whose.session) return entry.held.opens;
            }
            return uint64_t{0};
        };
        for (const node_share& entry : changed.holders) {
            if ((entry.held.opens & ~opens_of(old, entry)) == 0) continue;
            for (const node_share& other : changed.holders) {
                if (other.node == entry.node || opens_of(old, other) == 0) continue;
                if (other.held.opens == 0 || nodes[other.node]->session_ != other.session) continue;
                broken = "node " + std::to_string(entry.node) + " opens " + file(i) + ", which is to be deleted and node " +
                         std::to_string(other.node) + " has open";
                return false;
            }
        }
        return true;
    }
    void lose_changes_of(uint32_t writer) {
        for (auto& [name, version] : versions_) {
            if (version.writer != writer || random.one_in(2)) continue;
            version.value = version.before;
            version.writer = UINT32_MAX;
            if (version.value.empty()) {
                (void)home->remove(as_bytes(name)).ok();
            } else {
                (void)home->store(as_bytes(name), as_bytes(version.value)).ok();
            }
        }
    }

    bool check() {
        for (size_t i = 0; i < options_.files; i++) {
            for (const auto& one : nodes) {
                if (one->session_ == 0) continue;
                for (const auto& other : nodes) {
                    if (other->session_ == 0 || one == other) continue;
                    if (empty(in_the_way(has(*one, i), has(*other, i)))) continue;
                    broken = "nodes " + std::to_string(one->number_) + " and " + std::to_string(other->number_) + " of " + file(i) +
                             show(*one, i) + show(*other, i);
                    return false;
                }
            }
        }
        return true;
    }
    std::string show(const PlayedNode& node, size_t i) {
        const auto text = [](const rights& r) {
            std::ostringstream out;
            out << std::hex << r.opens << '/' << int(r.lease) << '/' << r.change << r.lock << r.unlocked;
            return out.str();
        };
        Buffer value;
        file_grants record;
        std::string out = "; has " + text(has(node, i)) + ", uses " + text(node.used(file(i))) + ", in the record";
        if (*home->fetch(as_bytes(file(i)), value) && decode(value.bytes(), record)) {
            for (const node_share& entry : record.holders) {
                if (entry.node == node.number_) out += " " + text(entry.held);
            }
        }
        return out;
    }
    rights has(const PlayedNode& node, size_t i) {
        Buffer value;
        node_grants record;
        rights out = node.used(file(i));
        if (*node.held->fetch(as_bytes(file(i)), value) && decode(value.bytes(), record) && record.session == node.session_)
            out = merged(out, record.held);
        return out;
    }

    Random random;
    std::unique_ptr<tdb::MemoryDatabase> home = tdb::MemoryDatabase::open({"grants_home", tdb::Rank::open});
    std::vector<std::unique_ptr<PlayedNode>> nodes;
    std::deque<std::pair<uint32_t, std::string>> network;
    std::string broken;
    uint64_t sessions = 0, stamps = 0, numbers = 0, deaths = 0, agents = 0, marks = 0;

 private:
    friend class PlayedNode;
    struct Version {
        std::string value, before;
        uint32_t writer = UINT32_MAX;
    };
    const Options options_;
    std::map<std::string, Version> versions_;
    uint32_t acting_ = 0;
};

PlayedNode::PlayedNode(World& world, uint32_t number) : world_(world), number_(number) {}

bool PlayedNode::ended(const NodeSession& who) const {
    const PlayedNode& other = *world_.nodes[who.node];
    if (other.session_ != who.session) return true;
    return world_.options_.planted == Planted::buries_the_living && world_.random.one_in(20);
}

void PlayedNode::start() {
    session_ = ++world_.sessions;
    held = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
    users.assign(world_.options_.users, {});
    recalls.clear();
    records_.emplace(
        *world_.home, *this, [this] { return ++world_.stamps; }, world_.options_.planted);
    process_home_.emplace(*records_, *this, [this](Bytes message) {
        if (agent) agent->receive(message);
    });
    processes_.emplace(*held, *process_home_, [] { return virtual_now; });
    restart_agent();
}

void PlayedNode::restart_agent() {
    world_.agents++;
    recalls.clear();
    world_.numbers += 1000000;
    agent = std::make_unique<HomeAgent>(
        *records_, *this, [this](uint32_t node, Bytes message) { world_.send(node, message); }, world_.numbers, world_.options_.planted);
    agents_.emplace(*held, *agent, [] { return virtual_now; });
    agent->begin(*agents_, *this, *held);
}

void PlayedNode::die() {
    world_.deaths++;
    session_ = 0;
    users.clear();
    recalls.clear();
    world_.lose_changes_of(number_);
}

rights PlayedNode::used(const std::string& file) const {
    rights out;
    for (const User& user : users) {
        if (user.state == User::using_it && world_.file(user.file) == file) out = merged(out, user.used);
    }
    return out;
}

// As smbd/fsa does: asks, enters its open, and looks whether it may stay.
void PlayedNode::step_user(User& user) {
    const std::string file = world_.file(user.file);
    const auto& wants = world_.options_.wants;
    switch (user.state) {
        case User::idle:
            user.file = world_.random.below(world_.options_.files);
            user.wanted = wants[world_.random.below(wants.size())];
            user.question = 0;
            user.state = User::asking;
            user.since = virtual_now.ticks;
            break;
        case User::asking: {
            if (world_.options_.faults && world_.random.one_in(100)) {
                user.state = User::idle;  // its client has gone
                break;
            }
            const auto answer =
                processes_->need(as_bytes(file), user.wanted, user.question, [](const tdb::LockedRecord&) { return Result<void>(); });
            ASSERT_TRUE(answer) << answer.error().message();
            if (*answer == Answer::refused) {
                refusals++;
                user.state = User::idle;
            } else if (*answer == Answer::here) {
                user.state = User::entered;
            }
            break;
        }
        case User::entered: {
            const auto still = processes_->uses(as_bytes(file), user.wanted);
            ASSERT_TRUE(still);
            user.used = user.wanted;
            user.state = *still ? User::using_it : User::asking;
            if (*still) uses++;
            break;
        }
        case User::using_it:
            if (world_.options_.marks && user.used.opens != 0) mark(file);
            if (world_.random.one_in(6)) user.state = User::idle;
            break;
    }
}

// Who has it open marks it for deletion, and who has it open elsewhere may withdraw that.
void PlayedNode::mark(const std::string& file) {
    const auto found = processes_->mark_of(as_bytes(file));
    ASSERT_TRUE(found);
    const bool marked = *found && !(*found)->withdrawn;
    if (!world_.random.one_in(marked ? 12 : 6)) return;
    world_.marks++;
    ASSERT_TRUE(processes_->set_mark(as_bytes(file), deletion_mark{.withdrawn = marked, .how = {}}));
}

// Leases are broken and acknowledged; everything else that is used is kept.
void PlayedNode::step_recall() {
    const size_t which = world_.random.below(recalls.size());
    Running& recall = recalls[which];
    if (!recall.taken_back) {
        NtTime until;
        const auto back =
            agents_->take_back(as_bytes(recall.file), recall.lost, until, [](const tdb::LockedRecord&) { return Result<void>(); });
        ASSERT_TRUE(back);
        recall.taken_back = *back == Answer::here;
        return;
    }
    for (User& user : users) {
        if (user.state != User::using_it || world_.file(user.file) != recall.file) continue;
        if ((user.used.lease & recall.lost.lease) == 0) continue;
        user.used.lease = static_cast<uint8_t>(user.used.lease & ~recall.lost.lease);
        return;  // others' acknowledgments come later
    }
    const Running done = recall;
    recalls.erase(recalls.begin() + static_cast<ptrdiff_t>(which));
    const rights all = used(done.file);
    ASSERT_TRUE(agents_->give_up(as_bytes(done.file), done.lost, without(done.lost, without(done.lost, all))));
}

std::vector<rights> all_kinds() {
    std::vector<rights> out = {opening(reads, 7), opening(reads | writes, 7), opening(writes, 1), opening(reads, 1), opening(7, 0)};
    for (const uint8_t lease : {read_lease, uint8_t{read_lease | write_lease}}) out.push_back({.lease = lease});
    out.push_back({.change = true});
    out.push_back({.lock = true});
    out.push_back({.unlocked = true});
    out.push_back({.deletion = true});
    out.push_back(merged(opening(reads | deletes, 7), {.deletion = true}));
    out.push_back(merged(opening(reads | writes, 7), {.lease = 5, .unlocked = true}));
    return out;
}

// The broken run's seed and step; nullopt: none is.
std::optional<std::string> run(uint64_t seed, const Options& options, int steps) {
    World world(seed, options);
    for (int i = 0; i < steps; i++) {
        if (!world.step()) return "seed " + std::to_string(seed) + ", step " + std::to_string(i) + ": " + world.broken;
    }
    return std::nullopt;
}

TEST(Home, NoTwoNodesHaveWhatExcludesEachOther) {
    uint64_t deaths = 0, agents = 0, uses = 0, refusals = 0, marks = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        Options options;
        options.nodes = 2 + seed % 4;
        options.wants = all_kinds();
        options.marks = true;
        World world(seed, options);
        for (int i = 0; i < 4000; i++) ASSERT_TRUE(world.step()) << "seed " << seed << ", step " << i << ": " << world.broken;
        deaths += world.deaths;
        agents += world.agents;
        marks += world.marks;
        for (auto& node : world.nodes) {
            uses += node->uses;
            refusals += node->refusals;
        }
    }
    EXPECT_GT(deaths, 50u);
    EXPECT_GT(agents, 200u);
    EXPECT_GT(uses, 1000u);
    EXPECT_GT(refusals, 1000u);
    EXPECT_GT(marks, 1000u);
}

TEST(Home, BrokenRulesAreFound) {
    for (const Planted planted : {Planted::ignores_others, Planted::keeps_over_deletion, Planted::answers_before_break,
                                  Planted::trusts_old_answers, Planted::buries_the_living, Planted::ignores_mark}) {
        Options options;
        options.wants = all_kinds();
        options.marks = true;
        options.planted = planted;
        bool found = false;
        for (uint64_t seed = 1; seed <= 200 && !found; seed++) found = run(seed, options, 4000).has_value();
        EXPECT_TRUE(found) << static_cast<int>(planted);
    }
}

// Whoever asks gets an answer, whatever was lost before.
TEST(Home, EverybodyIsAnswered) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        Options options;
        options.nodes = 2 + seed % 4;
        options.wants = all_kinds();
        options.marks = true;
        World world(seed, options);
        for (int i = 0; i < 2000; i++) ASSERT_TRUE(world.step()) << world.broken;
        for (auto& node : world.nodes) {
            if (node->self().session == 0) node->start();
        }
        // From here on nobody begins anything, and nothing is lost.
        const auto someone_asks = [&] {
            for (auto& node : world.nodes) {
                for (User& user : node->users) {
                    if (user.state == User::asking || user.state == User::entered) return true;
                }
            }
            return false;
        };
        for (int round = 0; round < 300 && someone_asks(); round++) {
            virtual_now.ticks += limits::grant_nudge_milliseconds * 10'000;
            for (auto& node : world.nodes) node->agent->tick();
            for (int i = 0; i < 50; i++) {
                while (!world.network.empty()) world.deliver();
                for (auto& node : world.nodes) {
                    if (!node->recalls.empty()) node->step_recall();
                    for (User& user : node->users) {
                        if (user.state == User::asking || user.state == User::entered) node->step_user(user);
                    }
                }
                ASSERT_TRUE(world.check()) << world.broken;
            }
        }
        EXPECT_FALSE(someone_asks()) << "seed " << seed;
    }
}

// Nodes that want the same for themselves get it in turns.
TEST(Home, NodesTakeTurns) {
    Options options;
    options.files = 1;
    options.faults = false;
    options.wants = {{.lease = read_lease | write_lease}};
    World world(7, options);
    for (int i = 0; i < 60000; i++) ASSERT_TRUE(world.step()) << world.broken;
    std::vector<uint64_t> uses;
    for (auto& node : world.nodes) uses.push_back(node->uses);
    const auto [least, most] = std::ranges::minmax(uses);
    EXPECT_GT(least, 100u);
    EXPECT_LT(most, least + least / 2);
}

// That turns are kept is for fairness alone.
TEST(Home, WhoTakesAnothersTurnBreaksNothing) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        Options options;
        options.wants = all_kinds();
        options.marks = true;
        options.planted = Planted::ignores_turn;
        const auto broken = run(seed, options, 4000);
        ASSERT_FALSE(broken) << *broken;
    }
}

// The share's root: everybody opens it, and nobody is in anybody's way.
TEST(Home, WhatIsInNobodysWayCostsNoMessage) {
    Options options;
    options.nodes = 5;
    options.faults = false;
    options.wants = {opening(reads, 7), opening(reads | writes, 7)};
    World world(3, options);
    for (int i = 0; i < 20000; i++) ASSERT_TRUE(world.step()) << world.broken;
    const uint64_t taken = world.stamps;
    EXPECT_LE(taken, 5u * 2 * 2) << "each once a node, file and kind";
    uint64_t uses = 0;
    for (auto& node : world.nodes) {
        uses += node->uses;
        EXPECT_EQ(node->agent->counters().asked, 0u);
        EXPECT_EQ(node->agent->counters().messages, 0u);
    }
    EXPECT_GT(uses, 500u);
}

}  // namespace
}  // namespace Atoll::grants

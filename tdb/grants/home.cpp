#include "tdb/grants/home.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "idl/level.h"
#include "tdb/grants/limits.h"

namespace Atoll::grants {

namespace {

rights common(const rights& a, const rights& b) { return without(a, without(a, b)); }

std::string key_of(Bytes file) { return std::string(as_text(file)); }

}  // namespace

void ProcessHome::ask(Bytes file, const rights& wanted) {
    grant_notices message;
    message.node = nodes_.self().node;
    message.session = session();
    grant_notice& notice = message.notices.emplace_back();
    notice.what = grant_event::GRANT_ASK;
    notice.file.assign(file.begin(), file.end());
    notice.of = wanted;
    encoded_.clear();
    encode(message, encoded_, idl::written_level());
    to_agent_(encoded_);
}

void HomeAgent::begin(NodeGrants& node, Recalls& recalls, tdb::Database& held) {
    node_ = &node;
    recaller_ = &recalls;
    std::vector<std::pair<FileKey, rights>> asked;
    const auto visited = held.traverse([&](Bytes file, Bytes) {
        if (const auto missing = node.unanswered(file); missing && !empty(*missing)) asked.emplace_back(key_of(file), *missing);
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("grants: {}", visited.error().message());
    for (const auto& [file, missing] : asked) add_wait(file, missing);
    end_step();
}

void HomeAgent::receive(Bytes message) {
    grant_notices notices;
    if (auto r = decode(message, notices); !r) return log_error("grants: {}", r.error().message());
    for (const grant_notice& notice : notices.notices) take_in({notices.node, notices.session}, notice);
    end_step();
}

void HomeAgent::take_in(const NodeSession& from, const grant_notice& notice) {
    const FileKey file(notice.file.begin(), notice.file.end());
    switch (notice.what) {
        case grant_event::GRANT_ASK: return from == nodes_.self() ? add_wait(file, notice.of) : void();
        case grant_event::GRANT_RECALL: return recall(file, {from.node, notice.number, notice.of});
        case grant_event::GRANT_GAVE: return hear(from, file, notice);
        case grant_event::GRANT_LOOK: return go_on_all(file);
    }
}

void HomeAgent::tick() {
    std::vector<FileKey> files, stuck;
    for (auto& [file, waits] : waits_) {
        for (Wait& wait : waits) {
            wait.recalled.clear();
            wait.keepers.clear();
        }
        files.push_back(file);
    }
    nudging_ = true;
    for (const FileKey& file : files) go_on_all(file);
    nudging_ = false;
    for (auto& [file, recall] : recalls_) {
        if (++recall.nudges % limits::recall_patience_nudges == 0) stuck.push_back(file);
    }
    for (const FileKey& file : stuck) start_recall(file);
    end_step();
}

// --- What this node wants

void HomeAgent::ask(Bytes file, const rights& wanted) {
    add_wait(key_of(file), wanted);
    end_step();
}

void HomeAgent::add_wait(const FileKey& file, const rights& wanted) {
    if (empty(wanted)) return;
    auto& waits = waits_[file];
    if (std::ranges::any_of(waits, [&](const Wait& wait) { return wait.wanted == wanted; })) return;
    counters_.asked++;
    waits.push_back({wanted, ++last_, {}, {}});
    const uint64_t number = last_;
    if (go_on(file, waits.back(), nullptr)) end_wait(file, number);
}

std::vector<uint64_t> HomeAgent::live(const FileKey& file) const {
    std::vector<uint64_t> out;
    if (const auto found = waits_.find(file); found != waits_.end()) {
        for (const Wait& wait : found->second) out.push_back(wait.number);
    }
    return out;
}

void HomeAgent::end_wait(const FileKey& file, uint64_t number) {
    const auto found = waits_.find(file);
    if (found == waits_.end()) return;
    std::erase_if(found->second, [&](const Wait& wait) { return wait.number == number; });
    if (found->second.empty()) waits_.erase(found);
}

// True: it waits no longer.
bool HomeAgent::go_on(const FileKey& file, Wait& wait, const Gone* gone) {
    const Bytes key = as_bytes(file);
    const rights wanted = wait.wanted;
    const auto enter = [&](uint64_t stamp) { return node_->granted(key, wanted, stamp, true); };
    const auto found = records_.try_to_take(key, wanted, wait.number, live(file), gone, enter);
    if (!found) {
        log_error("grants: {}", found.error().message());
        return false;
    }
    if (found->taken) {
        if (wanted.deletion) deletable_.push_back(file);
        pass_on(file, *found);
        return true;
    }
    if (!found->ahead.empty()) {
        // Who has got it passes it on; but he may have forgotten that he waits.
        if (!nudging_) return false;
        for (const uint32_t node : found->ahead) tell(node, grant_event::GRANT_LOOK, file, 0, {});
        return false;
    }
    for (const node_share& other : found->in_the_way) {
        rights& already = wait.recalled[other.node];
        if (contains(already, other.held)) continue;
        already = merged(already, other.held);
        tell(other.node, grant_event::GRANT_RECALL, file, wait.number, other.held);
    }
    return false;
}

// Something has changed. Who waits for nothing here has nothing to look for but wants that a former agent has left.
void HomeAgent::go_on_all(const FileKey& file) {
    const std::vector<uint64_t> numbers = live(file);
    if (numbers.empty()) {
        const auto found = records_.keep_waiting(as_bytes(file), {});
        if (found) pass_on(file, *found);
        return;
    }
    for (const uint64_t number : numbers) {
        const auto waits = waits_.find(file);
        if (waits == waits_.end()) return;
        const auto wait = std::ranges::find_if(waits->second, [&](const Wait& one) { return one.number == number; });
        if (wait != waits->second.end() && go_on(file, *wait, nullptr)) end_wait(file, number);
    }
}

// Another node's answer to a recall.
void HomeAgent::hear(const NodeSession& from, const FileKey& file, const grant_notice& notice) {
    const auto waits = waits_.find(file);
    if (waits == waits_.end()) return;
    const auto wait = std::ranges::find_if(waits->second, [&](const Wait& one) { return one.number == notice.number; });
    if (wait == waits->second.end()) return;
    const bool keeps = !empty(notice.kept);
    if (keeps && !wait->wanted.deletion) return refuse(file, notice.number);
    // Whoever is to delete it hears of all: then those who keep it open know that it is to go, and the others ask before they open it.
    if (keeps) {
        if (wait->recalled.contains(from.node)) wait->keepers.insert(from.node);
    } else {
        wait->recalled.erase(from.node);
    }
    const Gone gone{from, without(notice.of, notice.kept), notice.stamp};
    if (go_on(file, *wait, &gone)) return end_wait(file, notice.number);
    if (!wait->keepers.empty() && wait->keepers.size() == wait->recalled.size()) refuse(file, notice.number);
}

void HomeAgent::refuse(const FileKey& file, uint64_t number) {
    rights wanted;
    for (const Wait& wait : waits_[file]) {
        if (wait.number == number) wanted = wait.wanted;
    }
    end_wait(file, number);
    const auto found = records_.keep_waiting(as_bytes(file), live(file));
    if (auto r = node_->refused(as_bytes(file), wanted); !r) log_error("grants: {}", r.error().message());
    if (found) pass_on(file, *found);
}

// Whose turn it is now: what of ours is in his way goes to him unasked.
void HomeAgent::pass_on(const FileKey& file, const Found& found) {
    for (const node_want& want : found.next) {
        const rights ours = in_the_way(want.wanted, found.held);
        if (empty(ours)) {
            tell(want.node, grant_event::GRANT_LOOK, file, 0, {});
        } else {
            recall(file, {want.node, want.number, ours});
        }
    }
}

// --- What others want of this node

void HomeAgent::recall(const FileKey& file, const Asker& asker) {
    Recall& running = recalls_[file];
    for (Asker& known : running.askers) {
        if (known.node == asker.node && known.number == asker.number) {
            known.wanted = merged(known.wanted, asker.wanted);
            return;
        }
    }
    running.askers.push_back(asker);
    if (running.askers.size() == 1) start_recall(file);
}

void HomeAgent::start_recall(const FileKey& file) {
    Recall& recall = recalls_[file];
    recall.lost = {};
    for (const Asker& asker : recall.askers) recall.lost = merged(recall.lost, asker.wanted);
    const rights lost = recall.lost;
    if (planted_ == Planted::answers_before_break) {
        NtTime until;
        (void)node_->take_back(as_bytes(file), lost, until, [](const tdb::LockedRecord&) { return Result<void>(); }).ok();
        (void)node_->give_up(as_bytes(file), lost, {}).ok();
        if (!recalls_.contains(file)) return;
    }
    recaller_->recall(as_bytes(file), lost);
}

void HomeAgent::gave(Bytes file, const rights& lost, const rights& kept, uint64_t stamp) {
    const FileKey key = key_of(file);
    const auto found = recalls_.find(key);
    if (found == recalls_.end()) return;
    rights left = kept;
    if (stamp == 0) {  // the node knows nothing of the file: neither, then, which entry it has
        const auto still = records_.give_up(file, lost, [&]() -> Result<rights> {
            auto held = node_->held(file);
            return held ? Result<rights>(common(lost, merged(*held, kept))) : held;
        });
        if (!still) return log_error("grants: {}", still.error().message());
        left = *still;
    }
    std::vector<Asker> others;
    for (const Asker& asker : found->second.askers) {
        if (!contains(lost, asker.wanted)) {
            others.push_back(asker);
            continue;
        }
        grant_notice& notice = tell(asker.node, grant_event::GRANT_GAVE, key, asker.number, asker.wanted);
        notice.kept = common(asker.wanted, left);
        notice.stamp = stamp;
    }
    found->second.askers = std::move(others);
    if (found->second.askers.empty()) {
        recalls_.erase(found);
    } else {
        start_recall(key);
    }
    send_all();
}

// --- Messages

grant_notice& HomeAgent::tell(uint32_t node, grant_event what, const FileKey& file, uint64_t number, const rights& of) {
    grant_notices& message = outgoing_[node];
    if (message.notices.size() >= MAX_NOTICES) send_all();
    grant_notice& notice = outgoing_[node].notices.emplace_back();
    notice.what = what;
    notice.file.assign(file.begin(), file.end());
    notice.number = number;
    notice.of = of;
    return notice;
}

// What is ended here may ask for more.
void HomeAgent::end_step() {
    for (const FileKey& file : std::exchange(deletable_, {})) recaller_->may_delete(as_bytes(file));
    send_all();
}

void HomeAgent::send_all() {
    Buffer encoded;
    for (auto& [node, message] : std::exchange(outgoing_, {})) {
        if (message.notices.empty()) continue;
        message.node = nodes_.self().node;
        message.session = session();
        counters_.messages++;
        counters_.notices += message.notices.size();
        encoded.clear();
        encode(message, encoded, idl::written_level());
        to_node_(node, encoded);
    }
}

}  // namespace Atoll::grants

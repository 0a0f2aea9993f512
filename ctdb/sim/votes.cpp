// The votes of a world without a cluster lock: what is on which disk, and what of the register that makes.
#include <algorithm>

#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

void World::write_ballot(Host& host, const WriteBallot& write) {
    host.disk.ballots_under_way.push_back(write.ballot);
    ask_lock(host, [](World& world, Host& h) { world.finish_ballot(h, !h.full_disk); });
}

void World::finish_ballot(Host& host, bool ok) {
    host.disk.finish_ballot(ok);
    if (ok) note_copy(host.disk.ballot->stored);
    deliver(host, host.incarnation, BallotWritten{ok});
}

// What was under way may be there. Now and then the state directory is lost, of one node at a time.
void World::end_ballots(Host& host) {
    while (!host.disk.ballots_under_way.empty() && random_.one_in(2)) {
        host.disk.finish_ballot(true);
        note_copy(host.disk.ballot->stored);
    }
    host.disk.ballots_under_way.clear();
    const bool all_have = std::ranges::all_of(hosts_, [](const auto& other) { return other->disk.ballot.has_value(); });
    if (!by_majority_ || calm_ || !options_.faults || !all_have || !random_.one_in(8)) return;
    trace(host, "loses its vote", "");
    host.disk.lose_ballot();
}

// A view counts from when a majority's disks have it in the same copy, whether or not anybody knows.
void World::note_copy(const protocol::register_copy& copy) {
    const auto is_majority = [&](const std::vector<uint32_t>& nodes) {
        const auto has = [&](Pnn pnn) { return hosts_[pnn]->disk.has(copy); };
        return 2 * static_cast<size_t>(std::ranges::count_if(nodes, has)) > nodes.size();
    };
    if (copy.view.empty() || !is_majority(copy.voters) || !is_majority(copy.former)) return;
    protocol::view view;
    if (!decode(Bytes(copy.view), view)) return checker_.violated("the register does not decode");
    if (chosen_ && chosen_->id == view.id) return;
    trace(*hosts_.front(), "and others have", print(view));
    chosen_ = view;
    checker_.view_written(view, schedule_.now());
}

}  // namespace Atoll::ctdb::sim

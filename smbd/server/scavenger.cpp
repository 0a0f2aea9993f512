#include "smbd/server/scavenger.h"

#include <chrono>
#include <vector>

#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/file_key.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/server/limits.h"
#include "smbd/xsrv/persistent.h"

namespace Atoll::server {

namespace {

constexpr uint64_t ticks_a_millisecond = 10'000;

// The guarantee is that nobody's open ends before (MS-SMB2 3.3.6.2).
NtTime due_time(const xsrv::durable_open& durable) { return {durable.disconnected.ticks + durable.timeout_ms * ticks_a_millisecond}; }

// Who stands in a table under nobody's name: (file, open id).
using Nobodys = std::set<std::pair<fsa::FileId, uint64_t>>;

template <class Record, class Holders>
Result<void> find_nobodys(tdb::Database& table, Nobodys& found, Holders holders) {
    Record record;
    const auto visited = table.traverse([&](Bytes key, Bytes value) {
        if (key.size() != fsa::RecordKey().size() || !decode(value, record)) return tdb::Visit::go_on;
        for (const auto& one : holders(record)) {
            if (fsa::is_disconnected(one.holder)) found.emplace(fsa::id_of(key), one.holder.unique_id);
        }
        return tdb::Visit::go_on;
    });
    return visited ? Result<void>() : visited.failure();
}

}  // namespace

void Scavenger::begin() {
    const auto visited = tables_.for_each_open([this](const xsrv::open_global& record) { mind(record); });
    if (!visited) log_error("{}", visited.error().message());
}

void Scavenger::mind(uint64_t persistent_id) {
    if (const auto record = tables_.find_open(persistent_id)) mind(*record);
}

void Scavenger::mind(const xsrv::open_global& record) {
    if (!record.durable || !fsa::is_disconnected(record.owner)) return;
    due_.emplace(due_time(*record.durable), record.persistent_id);
    set_timer();
}

void Scavenger::processes_ended(const messaging::ServerIds& ended) {
    std::vector<xsrv::open_global> outlive;
    const auto visited = tables_.for_each_open([&](const xsrv::open_global& record) {
        if (record.durable && ended.contains(messaging::ServerId(record.owner))) outlive.push_back(record);
        mind(record);  // it may have ended before it told of this one
    });
    if (!visited) log_error("{}", visited.error().message());
    for (xsrv::open_global& record : outlive) {
        fsa::RemainingOpen remains = xsrv::remaining_open(record);
        if (!files_.find_disconnected(remains)) {
            files_.end_disconnected(remains.file, remains.open_id);  // its locks
            continue;
        }
        xsrv::note_remains(remains, *record.durable);
        const auto noted = tables_.disconnect_open(record.persistent_id, messaging::ServerId(record.owner), record.name, *record.durable);
        if (!noted) log_error("{}", noted.error().message());
        mind(record.persistent_id);
    }
}

// An open has its record before it can be nobody's, and until it has ended: what is found first and then has none is such a one.
void Scavenger::end_those_without_record() {
    Nobodys found;
    const auto modes = [](const fsa::locking_record& record) -> auto& { return record.share_modes; };
    const auto locks = [](const fsa::brlock_record& record) -> auto& { return record.holders; };
    auto read = find_nobodys<fsa::locking_record>(tables_.locking(), found, modes);
    if (read) read = find_nobodys<fsa::brlock_record>(tables_.brlock(), found, locks);
    std::set<uint64_t> there;
    if (read) read = tables_.for_each_open([&](const xsrv::open_global& record) { there.insert(record.persistent_id); });
    if (!read) return log_error("{}", read.error().message());
    for (const auto& [file, open_id] : found) {
        if (!there.contains(open_id)) files_.end_disconnected(file, open_id);
    }
}

void Scavenger::end(uint64_t persistent_id) {
    const auto record = tables_.find_open(persistent_id);
    if (record && fsa::is_disconnected(record->owner)) end(*record);
}

// From the disk first: what is there and not in the tables would be put back into them.
void Scavenger::end(const xsrv::open_global& record) {
    end_on_disk_(record, [this, id = record.persistent_id](bool done) {
        if (done) return end_in_tables(id);
        due_.emplace(NtTime{NtTime::now().ticks + limits::end_again_ticks}, id);
        set_timer();
    });
}

// Of one that its client has taken back meanwhile nothing ends; it has written it to the disk anew.
void Scavenger::end_in_tables(uint64_t persistent_id) {
    const auto record = tables_.find_open(persistent_id);
    if (!record || !fsa::is_disconnected(record->owner)) return;
    files_.end_disconnected(xsrv::file_of(*record), persistent_id);
    loop::take_root();
    tables_.remove_disconnected_open(persistent_id);
}

void Scavenger::end_those_due() {
    const NtTime now = NtTime::now();
    for (unsigned i = 0; i < limits::opens_ended_at_once && !due_.empty() && due_.begin()->first <= now; i++) {
        const uint64_t id = due_.begin()->second;
        due_.erase(due_.begin());
        const auto record = tables_.find_open(id);
        if (!record || !record->durable || !fsa::is_disconnected(record->owner)) continue;
        if (due_time(*record->durable) > now) {
            due_.emplace(due_time(*record->durable), id);  // it was taken back, and its client is away once more
        } else {
            end(*record);
        }
    }
    set_timer();
}

void Scavenger::set_timer() {
    if (due_.empty()) return timer_.cancel();
    const uint64_t now = NtTime::now().ticks, next = due_.begin()->first.ticks;
    timer_.set_in(std::chrono::nanoseconds(next > now ? (next - now) * 100 : 0));
}

}  // namespace Atoll::server

#include "smbd/server/persistent_opens.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/server/limits.h"

namespace Atoll::server {

namespace {

bool is_at(const std::string& share_path, const std::string& name, uint64_t inode) {
    struct stat st;
    return lstat((share_path + "/" + name).c_str(), &st) == 0 && st.st_ino == inode;
}

// The file's own record knows of renames by others, unless it was left by somebody long ago.
fsa::FileState state_of(xsrv::PersistentState& state, const xsrv::open_global& record) {
    fsa::FileState out;
    auto kept = state.find_file(xsrv::file_of(record));
    if (kept) {
        out.delete_pending = kept->delete_pending;
        out.delete_token = std::move(kept->delete_token);
    }
    const bool moved = kept && is_at(kept->share_path, kept->name, record.id.inode);
    out.share_path = moved ? kept->share_path : record.share_path;
    out.name = moved ? kept->name : record.name;
    return out;
}

}  // namespace

void PersistentOpens::restore() {
    std::vector<xsrv::open_global> records;
    const auto visited = state_.for_each_open([&](const xsrv::open_global& record) { records.push_back(record); });
    if (!visited) log_error("persistent handles cannot be read: {}", visited.error().message());
    std::vector<fsa::FileId> used;
    size_t restored = 0;
    for (xsrv::open_global& record : records) {
        if (!record.durable) continue;
        used.push_back(xsrv::file_of(record));
        if (enter(record)) restored++;
    }
    if (restored > 0) log_notice("{} persistent handles wait for their clients", restored);
    std::ranges::sort(used);
    if (visited) {
        drop_unused_files(used);
        drop_unused_locks(records);
    }
    drop_old_intents();
}

// The file first: who finds the record may take it back. False: it cannot be, or is there.
bool PersistentOpens::enter(xsrv::open_global& record) {
    xsrv::give_up_read_caching(record);
    const auto held = files_.restore(xsrv::remaining_open(record), record.opened, state_of(state_, record));
    if (!held) log_error("{}/{}: what a client has open of it persistently is lost", record.share_path, record.name);
    const auto entered = tables_.restore_open(record);
    if (!entered) log_error("{}", entered.error().message());
    return held && entered && *entered;
}

Result<void> PersistentOpens::restore_lost(const Exists& exists, const std::function<void(uint64_t)>& restored) {
    std::vector<xsrv::open_global> lost;
    std::map<messaging::ServerId, bool> owners;
    auto visited = state_.for_each_open([&](const xsrv::open_global& record) {
        if (!record.durable) return;
        const messaging::ServerId owner(record.owner);
        auto known = owners.find(owner);
        if (known == owners.end()) known = owners.emplace(owner, exists(owner)).first;
        if (!known->second) lost.push_back(record);
    });
    if (!visited) return visited;
    size_t entered = 0;
    for (xsrv::open_global& record : lost) {
        if (tables_.find_open(record.persistent_id)) continue;
        if (!enter(record)) continue;
        entered++;
        look_again(record);
        restored(record.persistent_id);
    }
    if (entered > 0) log_notice("{} persistent handles that were lost with their node wait for their clients", entered);
    return {};
}

// Who ends an open takes it from the disk first: another node may have done so since that was read.
void PersistentOpens::look_again(const xsrv::open_global& record) {
    const auto there = state_.has_open(record.persistent_id);
    if (!there || *there) return;
    files_.end_disconnected(xsrv::file_of(record), record.persistent_id);
    loop::take_root();
    tables_.remove_disconnected_open(record.persistent_id);
}

// Others write meanwhile. What is read first and used by no open that is read then is used by none, for ids of opens do not come again;
// those of files do, so theirs go only as they were read.
Result<void> PersistentOpens::drop_unused() {
    std::vector<std::pair<uint64_t, xsrv::LockBuckets>> buckets;
    std::vector<fsa::FileId> files;
    auto read = state_.for_each_lock_bucket([&](uint64_t id, xsrv::LockBuckets bucket) { buckets.emplace_back(id, bucket); });
    if (read) read = state_.for_each_file([&](const fsa::FileId& file) { files.push_back(file); });
    std::set<uint64_t> opens;
    std::set<fsa::FileId> used;
    if (read) {
        read = state_.for_each_open([&](const xsrv::open_global& record) {
            opens.insert(record.persistent_id);
            used.insert(xsrv::file_of(record));
        });
    }
    if (!read) return read;
    committer::Batch batch;
    for (const auto& [id, bucket] : buckets) {
        const bool room = batch.record().changes.size() < limits::persistent_removals_at_once;
        if (room && !opens.contains(id)) xsrv::remove_locks(batch, id, bucket);
    }
    submit(batch);
    for (const fsa::FileId& file : files) {
        committer::Batch one;
        if (!used.contains(file) && state_.remove_unchanged_file(one, file)) submit(one);
    }
    drop_old_intents();
    return {};
}

void PersistentOpens::drop_unused_files(const std::vector<fsa::FileId>& used) {
    committer::Batch batch;
    const auto visited = state_.for_each_file([&](const fsa::FileId& file) {
        const bool room = batch.record().changes.size() < limits::persistent_removals_at_once;
        if (room && !std::ranges::binary_search(used, file)) xsrv::remove_file(batch, file);
    });
    if (!visited) log_error("{}", visited.error().message());
    submit(batch);
}

// Of an open that has ended, when its process was killed with a LOCK on its way to the disk.
void PersistentOpens::drop_unused_locks(const std::vector<xsrv::open_global>& records) {
    std::vector<uint64_t> used;
    for (const xsrv::open_global& record : records) used.push_back(record.persistent_id);
    std::ranges::sort(used);
    committer::Batch batch;
    const auto visited = state_.for_each_lock_bucket([&](uint64_t persistent_id, xsrv::LockBuckets bucket) {
        const bool room = batch.record().changes.size() < limits::persistent_removals_at_once;
        if (room && !std::ranges::binary_search(used, persistent_id)) xsrv::remove_open(batch, persistent_id, bucket);
    });
    if (!visited) log_error("{}", visited.error().message());
    submit(batch);
}

void PersistentOpens::processes_ended(const messaging::ServerIds& ended) {
    committer::Batch batch;
    const auto visited = state_.for_each_open([&](const xsrv::open_global& record) {
        const bool room = batch.record().changes.size() < limits::persistent_removals_at_once;
        if (room && ended.contains(messaging::ServerId(record.owner)) && !tables_.find_open(record.persistent_id))
            xsrv::remove_open(batch, record.persistent_id, xsrv::buckets_of(record));
    });
    if (!visited) log_error("{}", visited.error().message());
    submit(batch);
}

void PersistentOpens::end(const xsrv::open_global& record, std::function<void(bool done)> then) {
    if (!xsrv::is_persistent(record)) return then(true);
    const auto failed = [then](const Error& error) {
        const bool taken_back = error.code == Code::busy || error.code == Code::not_found;
        if (!taken_back) log_error("the end of a persistent handle cannot be written: {}", error.message());
        then(false);
    };
    committer::Batch batch;
    const auto there = state_.remove_unchanged_open(batch, record.persistent_id);
    if (!there) return failed(there.error());
    if (!*there) return then(true);
    const auto submitted = state_.commits().submit(batch, [then, failed](const Result<void>& committed) {
        if (!committed) return failed(committed.error());
        then(true);
    });
    if (!submitted) failed(submitted.error());
}

// Nobody has come for what it was about to do.
void PersistentOpens::drop_old_intents() {
    const uint64_t now = NtTime::now().ticks;
    committer::Batch batch;
    const auto visited = state_.for_each_intent([&](const xsrv::create_intent& intent) {
        const bool room = batch.record().changes.size() < limits::persistent_removals_at_once;
        if (room && intent.begun.ticks + limits::create_intent_ticks < now)
            xsrv::remove_intent(batch, intent.client_guid, intent.create_guid);
    });
    if (!visited) log_error("{}", visited.error().message());
    submit(batch);
    timer_.set_in(limits::create_intent_sweep);
}

void PersistentOpens::submit(const committer::Batch& batch) {
    if (batch.empty()) return;
    const auto submitted = state_.commits().submit(batch, [](const Result<void>& committed) {
        if (!committed) log_error("what has ended of persistent handles cannot be written: {}", committed.error().message());
    });
    if (!submitted) log_error("what has ended of persistent handles cannot be written: {}", submitted.error().message());
}

}  // namespace Atoll::server

#include "smbd/server/persistent_opens.h"

#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
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
        xsrv::give_up_read_caching(record);
        used.push_back(xsrv::file_of(record));
        const auto entered = tables_.restore_open(record);
        if (!entered) log_error("{}", entered.error().message());
        const auto held = files_.restore(xsrv::remaining_open(record), record.opened, state_of(state_, record));
        if (!held) log_error("{}/{}: what a client has open of it persistently is lost", record.share_path, record.name);
        if (entered && *entered && held) restored++;
    }
    if (restored > 0) log_notice("{} persistent handles wait for their clients", restored);
    std::ranges::sort(used);
    if (visited) {
        drop_unused_files(used);
        drop_unused_locks(records);
    }
    drop_old_intents();
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

void PersistentOpens::ended(const xsrv::open_global& record) {
    if (!xsrv::is_persistent(record)) return;
    const auto known = state_.find_open(record.persistent_id);
    committer::Batch batch;
    xsrv::remove_open(batch, record.persistent_id, known ? xsrv::buckets_of(*known) : 0);
    submit(batch);
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

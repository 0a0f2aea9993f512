#include "smbd/fsa/share_modes.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "idl/level.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/rights.h"
#include "smbd/fsa/record_key.h"

namespace Atoll::fsa {

namespace {

NtStatus failed(const Error& error) {
    log_error("locking: {}", error.message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

// True if `sharing` forbids `access`.
bool forbids(uint32_t share, uint32_t granted) {
    if ((share & sharing::read) == 0 && (granted & (access::read_data | access::execute)) != 0) return true;
    if ((share & sharing::write) == 0 && (granted & (access::write_data | access::append_data)) != 0) return true;
    return (share & sharing::delete_) == 0 && (granted & access::delete_) != 0;
}

}  // namespace

bool sharing_conflicts(uint32_t access_a, uint32_t share_a, uint32_t access_b, uint32_t share_b) {
    if ((access_a & access::shared) == 0 || (access_b & access::shared) == 0) return false;
    return forbids(share_a, access_b) || forbids(share_b, access_a);
}

bool sharing_conflicts(const share_mode& a, const share_mode& b) {
    const bool stream_a = any(a.flags & share_mode_flags::SHARE_MODE_OF_STREAM),
               stream_b = any(b.flags & share_mode_flags::SHARE_MODE_OF_STREAM);
    if (!stream_a && !stream_b) return sharing_conflicts(a.access_mask, a.share_access, b.access_mask, b.share_access);
    if (stream_a && stream_b) return false;
    const share_mode& stream = stream_a ? a : b;
    const share_mode& file = stream_a ? b : a;
    const bool may_delete = (file.access_mask & access::delete_) != 0;
    return may_delete && (stream.share_access & sharing::delete_) == 0 && (stream.access_mask & access::shared) != 0;
}

// Who deletes when somebody else closes last: the user of the session, or, where nobody said who that is, the identity that acts now.
void ShareModes::set_deleter(const security::Token* token) {
    if (!record_.delete_token) record_.delete_token.emplace(std::move(spare_token_));
    security::Token& out = *record_.delete_token;
    if (token != nullptr) {
        out = *token;
        return;
    }
    const loop::Identity& identity = loop::current_identity();
    out.user_sid = well_known::unix_users.with_rid(identity.uid);
    out.group_sids.clear();
    out.privileges = 0;
    out.uid = identity.uid;
    out.gid = identity.gid;
    out.gids.assign(identity.groups.begin(), identity.groups.end());
    out.user_name.clear();
    out.domain_name.clear();
    out.is_guest = out.is_anonymous = false;
}

void ShareModes::clear_deleter() {
    if (record_.delete_token) spare_token_ = std::move(*record_.delete_token);
    record_.delete_token.reset();
}

// An empty record_ if there is none, or one that does not decode: a damaged record must not make a file unusable for good.
Result<tdb::LockedRecord, NtStatus> ShareModes::lock(const FileId& id) {
    const RecordKey key = key_of(id);
    auto locked = database_of(id).fetch_locked(key);
    if (!locked) return failed(locked.error());
    bool good = false;
    if (locked->exists()) {
        auto r = decode(locked->value(), record_);
        good = r.ok();
        if (!good) log_error("locking: record of inode {}: {}", id.inode, r.error().message());
    }
    if (!good) {
        record_.share_path.clear();
        record_.name.clear();
        record_.stream.clear();
        record_.delete_pending = false;
        clear_deleter();
        record_.share_modes.clear();
    }
    return std::move(*locked);
}

Result<void, NtStatus> ShareModes::write(tdb::LockedRecord& record) {
    if (record_.share_modes.empty()) {
        if (auto r = record.remove(); !r) return failed(r.error());
        return {};
    }
    record_.cached = std::ranges::any_of(record_.share_modes, [](const share_mode& entry) { return entry.caching != 0; });
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    if (auto r = record.store(encoded_); !r) return failed(r.error());
    return {};
}

// A holder that ended without closing: its entries go, and what it had marked for deletion on close becomes delete-pending. Those that
// outlive it are nobody's from now on.
void ShareModes::drop_dead() {
    if (!params_.holder_exists) return;
    Holder known_to_live = params_.self;  // one look for all entries of a process that stand together
    const auto lives = [&](share_mode& entry) {
        if (is_disconnected(entry.holder)) return true;
        const Holder holder = holder_of(entry.holder);
        if (holder != known_to_live && holder != params_.self && !params_.holder_exists(holder)) {
            if (!outlives_process(entry)) return false;
            entry.holder = disconnected_holder(entry.open_id);
            return true;
        }
        known_to_live = holder;
        return true;
    };
    auto& entries = record_.share_modes;
    if (std::ranges::all_of(entries, lives)) return;
    const auto first_dead = std::stable_partition(entries.begin(), entries.end(), lives);
    const std::vector<share_mode> dead(first_dead, entries.end());
    entries.erase(first_dead, entries.end());
    for (const share_mode& entry : dead) {
        if (any(entry.flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE)) record_.delete_pending = true;
        oplocks_->forget(record_, entry);
    }
}

NtStatus ShareModes::conflict_with(const share_mode& entry) const {
    if (record_.delete_pending) return NtStatus::DELETE_PENDING;
    if (record_.share_modes.size() >= MAX_SHARE_MODES) return NtStatus::SHARING_VIOLATION;
    for (const share_mode& existing : record_.share_modes) {
        if (sharing_conflicts(existing, entry)) return NtStatus::SHARING_VIOLATION;
    }
    return NtStatus::SUCCESS;
}

struct ShareModes::Look {
    Actor actor;
    OplockTable::Outcome outcome;
    [[nodiscard]] CachingOperation operation(const Opening& opening) const {
        return opening.overwrites ? CachingOperation::overwrite : CachingOperation::open;
    }
};

// Whether the open is in the way of what somebody caches, whoever that is.
bool ShareModes::breaks_something(const Opening& opening) const {
    const auto operation = opening.overwrites ? CachingOperation::overwrite : CachingOperation::open;
    return record_.cached && std::ranges::any_of(record_.share_modes, [&](const share_mode& other) {
               return kept_beside(operation, opening.desired, other) != other.caching;
           });
}

// A client that is served by a new process, because its former one was killed, comes with the same lease keys.
bool ShareModes::joins_lease_of_another_process(const share_mode& entry) const {
    return entry.lease && std::ranges::any_of(record_.share_modes, [&](const share_mode& other) {
               return other.lease && *other.lease == *entry.lease && other.holder != entry.holder;
           });
}

// An open whose sharing is refused waits for those who only keep their handles for later (MS-FSA 2.1.5.1.2, OPEN_BREAK_H).
NtStatus ShareModes::look_at_sharing(const FileId& id, const Opening& opening, Look& found) {
    auto& entries = record_.share_modes;
    bool conflict = false;
    for (const share_mode& other : entries) {
        if (!sharing_conflicts(other, opening.entry)) continue;
        if (is_disconnected(other.holder) && !any(other.flags & share_mode_flags::SHARE_MODE_RESILIENT)) {
            conflict = true;  // nobody's open that is in the way of somebody's ends
            continue;
        }
        if ((other.caching & caching::handle) == 0 || other.oplock != oplock_kind::OPLOCK_LEASE || found.actor.shares_key(other))
            return NtStatus::SHARING_VIOLATION;
        conflict = true;
    }
    if (!conflict) return NtStatus::SUCCESS;
    for (size_t i = 0; i < entries.size(); i++) {
        if (sharing_conflicts(entries[i], opening.entry))
            oplocks_->take(record_, id, i, CachingOperation::share, opening.desired, found.outcome);
    }
    return found.outcome.wait ? NtStatus::PENDING : NtStatus::SHARING_VIOLATION;
}

// MS-FSA 2.1.5.1.2: batch oplocks first, then the sharing, then what else is cached. PENDING: others have been asked.
NtStatus ShareModes::look(const FileId& id, const Opening& opening, Look& found) {
    if (record_.delete_pending) return NtStatus::DELETE_PENDING;
    auto& entries = record_.share_modes;
    if (entries.size() >= MAX_SHARE_MODES) return NtStatus::SHARING_VIOLATION;
    // MS-SMB2 3.3.5.9: its client comes back, or its time is up. Who only looks at attributes takes nothing from it; its very client may,
    // if it has lost the handle and looks at the file before it opens it again, with its lease (Linux).
    const bool only_looks = (opening.desired & ~free_access) == 0;
    const auto is_kept = [&](const share_mode& entry) {
        return !only_looks && is_disconnected(entry.holder) && any(entry.flags & share_mode_flags::SHARE_MODE_PERSISTENT) &&
               !found.actor.shares_key(entry);
    };
    if (std::ranges::any_of(entries, is_kept)) return NtStatus::FILE_NOT_AVAILABLE;
    if (!record_.cached) {
        const NtStatus status = conflict_with(opening.entry);
        const auto is_nobodys = [](const share_mode& entry) { return is_disconnected(entry.holder); };
        if (status == NtStatus::SUCCESS || std::ranges::none_of(entries, is_nobodys)) return status;
    }
    for (size_t i = 0; i < entries.size(); i++) {
        if (entries[i].oplock == oplock_kind::OPLOCK_BATCH)
            oplocks_->take(record_, id, i, found.operation(opening), opening.desired, found.outcome);
    }
    if (found.outcome.wait) return NtStatus::PENDING;
    if (const NtStatus status = look_at_sharing(id, opening, found); status != NtStatus::SUCCESS) return status;
    // Whoever is going to delete the file asks for its handles first, lest others keep it.
    const bool deletes = any(opening.entry.flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE);
    for (size_t i = 0; i < entries.size(); i++) {
        if (found.actor.shares_key(entries[i])) continue;
        oplocks_->take(record_, id, i, found.operation(opening), opening.desired, found.outcome);
        if (deletes) oplocks_->take(record_, id, i, CachingOperation::remove, opening.desired, found.outcome);
    }
    return found.outcome.wait ? NtStatus::PENDING : NtStatus::SUCCESS;
}

Result<ShareModes::Added, NtStatus> ShareModes::wait_for_others(tdb::LockedRecord& record, const Opening& opening, const Look& found) {
    if (opening.wait == nullptr) return NtStatus::SHARING_VIOLATION;
    if (const auto armed = oplocks_->wait(record, found.outcome.until, *opening.wait); !armed) return failed(armed.error());
    return NtStatus::PENDING;
}

Result<ShareModes::Added, NtStatus> ShareModes::add(const FileId& id, const Opening& opening) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    Look found;
    found.actor = {opening.entry.holder, opening.entry.open_id, opening.entry.lease ? &*opening.entry.lease : nullptr};
    // Only then is it worth asking whether the others still live.
    if (conflict_with(opening.entry) != NtStatus::SUCCESS || breaks_something(opening) || joins_lease_of_another_process(opening.entry)) {
        const size_t before = record_.share_modes.size();
        drop_dead();
        found.outcome.changed = record_.share_modes.size() != before;
        if (found.outcome.changed && record_.delete_pending && record_.share_modes.empty()) return Added::orphaned;
    }
    const NtStatus status = look(id, opening, found);
    if (status != NtStatus::SUCCESS) {
        if (found.outcome.changed) {
            if (auto r = write(*locked); !r) return r.failure();
        }
        auto outcome = status == NtStatus::PENDING ? wait_for_others(*locked, opening, found) : Result<Added, NtStatus>(status);
        locked->release();
        oplocks_->send();
        return outcome;
    }
    if (record_.share_modes.empty()) set_name(opening.name);
    share_mode entry = opening.entry;
    if (opening.caching != nullptr) {
        if (auto r = oplocks_->grant(record_, id, entry, *opening.caching, *opening.granted); !r) return r.failure();
    }
    record_.share_modes.push_back(entry);
    if (any(entry.flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE)) set_deleter(opening.token);
    if (auto r = write(*locked); !r) return r.failure();
    locked->release();
    oplocks_->send();
    return Added::yes;
}

void ShareModes::set_name(const Name& name) {
    record_.share_path.assign(name.share_path);
    record_.name.assign(name.name);
    record_.stream.assign(name.stream);
}

void ShareModes::describe(Deletion& deletion) const {
    deletion.now = true;
    deletion.share_path = record_.share_path;
    deletion.name = record_.name;
    deletion.stream = record_.stream;
    deletion.token = record_.delete_token;
}

// MS-FSA 2.1.5.5, phases 1 to 3.
Result<void, NtStatus> ShareModes::remove(const FileId& id, uint64_t open_id, const Name& name, Deletion& deletion, Removal removal) {
    deletion.now = deletion.by_close = false;
    auto locked = lock(id);
    if (!locked) return locked.failure();
    auto& entries = record_.share_modes;
    const auto own = std::find_if(entries.begin(), entries.end(), [&](const share_mode& entry) { return is_self(entry, open_id); });
    if (own == entries.end()) return {};
    if (any(own->flags & share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE)) {
        if (removal == Removal::of_close) {
            record_.delete_pending = deletion.by_close = true;
            set_name(name);
        }
        own->flags = own->flags & ~share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE;
    }
    if (removal == Removal::of_failed_new && entries.size() == 1) {
        record_.delete_pending = deletion.by_close = true;
        set_name(name);
    }
    if (record_.delete_pending && entries.size() > 1 && removal == Removal::of_close) {
        // Others keep a file that is to be deleted from going: they are asked to close what they only keep for later.
        OplockTable::Outcome ignored;
        const Actor actor{own->holder, own->open_id, own->lease ? &*own->lease : nullptr};
        for (size_t i = 0; i < entries.size(); i++) {
            if (!actor.shares_key(entries[i])) oplocks_->take(record_, id, i, CachingOperation::remove, access::delete_, ignored);
        }
    }
    if (record_.delete_pending && entries.size() > 1) {
        const share_mode kept = *own;
        drop_dead();
        if (entries.size() == 1) entries.front() = kept;
    }
    if (record_.delete_pending && entries.size() == 1) {
        // The entry stays while the file is deleted, so that nobody opens it meanwhile: it is delete-pending.
        describe(deletion);
        oplocks_->forget(record_, entries.front());
        entries.front().caching = 0;
        return write(*locked);
    }
    remove_entry(open_id);
    auto written = write(*locked);
    locked->release();
    oplocks_->send();
    return written;
}

void ShareModes::remove_entry(uint64_t open_id) {
    auto& entries = record_.share_modes;
    const auto own = std::find_if(entries.begin(), entries.end(), [&](const share_mode& entry) { return is_self(entry, open_id); });
    oplocks_->forget(record_, *own);
    entries.erase(own);
}

Result<void, NtStatus> ShareModes::drop_ended(const FileId& id, uint64_t open_id, Deletion& deletion) {
    deletion.now = deletion.by_close = false;
    auto locked = lock(id);
    if (!locked) return locked.failure();
    drop_dead();
    if (!record_.delete_pending || !record_.share_modes.empty()) return write(*locked);
    describe(deletion);
    share_mode& entry = record_.share_modes.emplace_back();
    entry.holder = server_id_of(params_.self);
    entry.open_id = open_id;
    return write(*locked);
}

Result<void> ShareModes::visit_all(tdb::Visitor visitor) {
    if (auto visited = params_.locking.traverse(visitor); !visited) return visited.failure();
    if (params_.directories == nullptr) return {};
    auto visited = params_.directories->traverse(visitor);
    return visited ? Result<void>() : visited.failure();
}

std::vector<FileId> ShareModes::held_by(const Holders& holders) {
    std::vector<FileId> found;
    const auto visited = visit_all([&](Bytes key, Bytes value) {
        const auto is_its = [&](const share_mode& entry) { return holders.contains(holder_of(entry.holder)); };
        if (key.size() == RecordKey().size() && decode(value, record_) && std::ranges::any_of(record_.share_modes, is_its))
            found.push_back(id_of(key));
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("locking: {}", visited.error().message());
    return found;
}

void ShareModes::finish_deletion(const FileId& id) {
    const RecordKey key = key_of(id);
    if (auto r = database_of(id).remove(key); !r) log_error("locking: {}", r.error().message());
}

Result<bool, NtStatus> ShareModes::enter_deletion(const FileId& id, const Deletion& deletion) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    drop_dead();
    const bool alone = record_.share_modes.empty();
    record_.delete_pending = true;
    set_name({deletion.share_path, deletion.name, deletion.stream});
    set_deleter(deletion.token ? &*deletion.token : nullptr);
    if (alone) {
        share_mode& entry = record_.share_modes.emplace_back();
        entry.holder = server_id_of(params_.self);
    }
    if (auto r = write(*locked); !r) return r.failure();
    return alone;
}

bool ShareModes::describe_deletion(const FileId& id, Deletion& deletion) {
    const locking_record* record = look_at(id);
    if (record == nullptr || !record->delete_pending) return false;
    describe(deletion);
    return true;
}

Result<void, NtStatus> ShareModes::set_delete_pending(const FileId& id, bool pending, const Name& name, const security::Token* token) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    record_.delete_pending = pending;
    clear_deleter();
    if (pending) {
        set_deleter(token);
        set_name(name);
    }
    return write(*locked);
}

bool ShareModes::may_be_cached(const FileId& id) {
    const RecordKey key = key_of(id);
    bool cached = false;
    // locking.idl: the record's header, then `cached`.
    constexpr size_t cached_at = 4;
    auto r = database_of(id).parse(key, [&](Bytes value) { cached = value.size() > cached_at && value[cached_at] != 0; });
    if (!r) log_error("locking: {}", r.error().message());
    return cached;
}

const locking_record* ShareModes::look_at(const FileId& id) {
    const RecordKey key = key_of(id);
    bool found = false;
    auto r = database_of(id).parse(key, [&](Bytes value) { found = decode(value, record_).ok(); });
    if (!r) log_error("locking: {}", r.error().message());
    return found ? &record_ : nullptr;
}

bool ShareModes::has_lease(const FileId& id, const lease_id& lease) {
    const locking_record* record = look_at(id);
    return record != nullptr &&
           std::ranges::any_of(record->share_modes, [&](const share_mode& entry) { return entry.lease && *entry.lease == lease; });
}

bool ShareModes::is_delete_pending(const FileId& id) {
    const locking_record* record = look_at(id);
    return record != nullptr && record->delete_pending;
}

void ShareModes::current_name(const FileId& id, std::string_view share_path, std::string& name) {
    const RecordKey key = key_of(id);
    auto r = database_of(id).parse(key, [&](Bytes value) {
        if (decode(value, record_) && record_.share_path == share_path) name = record_.name;
    });
    if (!r) log_error("locking: {}", r.error().message());
}

void ShareModes::rename(const FileId& id, std::string_view old_name, const Name& name) {
    auto locked = lock(id);
    if (!locked || record_.share_modes.empty()) return;
    if (record_.share_path != name.share_path || record_.name != old_name) return;  // the record speaks of another link
    set_name(name);
    if (auto r = write(*locked); !r) log_error("locking: a renamed file keeps its former name");
}

// Two locked steps: first the entry is in both, so that nobody takes the stream for unused.
Result<void, NtStatus> ShareModes::move(const FileId& from, const FileId& to, uint64_t open_id, const Name& name) {
    if (auto r = copy_only_entry(from, to, open_id, name); !r) return r;
    finish_deletion(from);
    return {};
}

Result<void, NtStatus> ShareModes::copy_only_entry(const FileId& from, const FileId& to, uint64_t open_id, const Name& name) {
    share_mode entry;
    {
        const auto locked = lock(from);
        if (!locked) return locked.failure();
        drop_dead();
        if (record_.share_modes.size() != 1 || !is_self(record_.share_modes.front(), open_id)) return NtStatus::SHARING_VIOLATION;
        entry = record_.share_modes.front();
    }
    auto locked = lock(to);
    if (!locked) return locked.failure();
    drop_dead();
    if (!record_.share_modes.empty()) return NtStatus::SHARING_VIOLATION;
    record_.share_modes.push_back(entry);
    set_name(name);
    return write(*locked);
}

Result<bool, NtStatus> ShareModes::would_conflict(const FileId& id, uint32_t access, uint32_t share) {
    share_mode entry;
    entry.access_mask = access;
    entry.share_access = share;
    const auto conflicts = [&] {
        return std::ranges::any_of(record_.share_modes, [&](const share_mode& existing) { return sharing_conflicts(existing, entry); });
    };
    bool conflict = false;
    auto seen = database_of(id).parse(key_of(id), [&](Bytes value) { conflict = decode(value, record_) && conflicts(); });
    if (!seen) return failed(seen.error());
    if (!conflict) return false;
    auto locked = lock(id);  // who is in the way may have died
    if (!locked) return locked.failure();
    drop_dead();
    return conflicts();
}

Result<void, NtStatus> ShareModes::become_file(const FileId& stream, uint64_t open_id) {
    {
        auto locked = lock(stream.of_file());
        if (!locked) return locked.failure();
        drop_dead();
        if (record_.share_modes.size() != 1 || !is_self(record_.share_modes.front(), open_id)) return NtStatus::SHARING_VIOLATION;
        record_.share_modes.front().flags = share_mode_flags::none;
        if (auto r = write(*locked); !r) return r;
    }
    finish_deletion(stream);
    return {};
}

Result<size_t, NtStatus> ShareModes::others(const FileId& id, uint64_t open_id) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    const size_t before = record_.share_modes.size();
    drop_dead();
    if (record_.share_modes.size() != before && !(record_.delete_pending && record_.share_modes.empty())) {
        if (auto r = write(*locked); !r) return r.failure();
    }
    return static_cast<size_t>(std::count_if(record_.share_modes.begin(), record_.share_modes.end(),
                                             [&](const share_mode& entry) { return !is_self(entry, open_id); }));
}

Result<void, NtStatus> ShareModes::files_below(const Name& directory, std::vector<FileId>& found) {
    const auto visited = visit_all([&](Bytes key, Bytes value) {
        if (key.size() != RecordKey().size() || !decode(value, record_) || record_.share_path != directory.share_path)
            return tdb::Visit::go_on;
        const std::string_view name = record_.name;
        if (!directory.name.empty() && !(name.starts_with(directory.name) && name.substr(directory.name.size()).starts_with('/')))
            return tdb::Visit::go_on;
        drop_dead();
        if (!record_.share_modes.empty()) found.push_back(id_of(key));
        return tdb::Visit::go_on;
    });
    if (!visited) return failed(visited.error());
    return {};
}

Result<bool, NtStatus> ShareModes::is_open(const FileId& id) {
    auto locked = lock(id);
    if (!locked) return locked.failure();
    drop_dead();
    return !record_.share_modes.empty();
}

}  // namespace Atoll::fsa

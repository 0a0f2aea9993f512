// Opens that outlive their client: what is left of one when the client goes away, how it is taken back, how it ends (MS-SMB2 3.3.7.1,
// 3.3.5.9.7, 3.3.5.9.12). A durable open has no descriptor while its client is away.
#include <algorithm>

#include "base/log.h"
#include "base/utf.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/record_key.h"
#include "smbd/fsa/streams.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

constexpr uint32_t reading = access::read_data | access::execute;
constexpr uint32_t writing = access::write_data | access::append_data;

vfs::Access data_access(uint32_t granted) {
    const bool read = (granted & reading) != 0, write = (granted & writing) != 0;
    if (write) return read ? vfs::Access::read_write : vfs::Access::write;
    return read ? vfs::Access::read : vfs::Access::path;
}

constexpr uint16_t epochs_after_loss = 1024;  // more than a lease's changes that may be lost with a node

// With a node that is lost the record of a lease may be lost, or an older one come back; the entries are right, for they are on two nodes.
// The client sees from the epoch that it may have missed changes (MS-SMB2 3.2.5.7.5).
Result<void, NtStatus> mend_lease(Core& core, const OpenFile& open, const LeaseGrant& noted) {
    auto locked = core.modes.lock(open.id);
    if (!locked) return locked.failure();
    auto& entries = core.modes.record().share_modes;
    const auto own = std::ranges::find_if(entries, [&](const share_mode& entry) { return entry.open_id == open.open_id; });
    if (own == entries.end() || !own->lease) return {};
    const auto there = core.oplocks.find_lease(*own->lease);
    if (there && there->state == own->caching) return {};
    LeaseGrant lease = there ? *there : noted;
    lease.state = own->caching;
    lease.epoch = static_cast<uint16_t>(lease.epoch + epochs_after_loss);
    return core.oplocks.restore(core.modes.record(), open.id, *own, lease);
}

bool is_name(std::string_view wire, std::string_view name) {
    std::string path(wire);
    std::ranges::replace(path, '\\', '/');
    return equal_ignoring_case(path, name);
}

}  // namespace

Result<bool, NtStatus> Core::make_lasting(Open& lasting_open, Lasting lasting) {
    auto& open = static_cast<OpenFile&>(lasting_open);
    if (open.directory || !open.stream.empty() || open.file.snapshot != 0) return false;
    auto made = modes.make_durable(open.id, open.open_id, lasting);
    if (!made || !*made) return made;
    if (open.locks > 0) {
        if (auto r = locks.make_durable({open.id, open.open_id, true}); !r) return r.failure();
    }
    open.durable = true;
    return true;
}

// All but what is cached and locked.
void Core::describe_open(const OpenFile& open, RemainingOpen& remains) {
    remains.open_id = open.open_id;
    remains.file = open.id;
    remains.name = open.name;
    remains.granted_access = open.granted;
    remains.share_access = open.sharing;
    remains.options = open.create_options;
    remains.position = open.position;
    remains.allocation_size = open.set_aside;
}

bool Core::disconnect(Open& leaving, RemainingOpen& remains) {
    auto& open = static_cast<OpenFile&>(leaving);
    ATOLL_ASSERT(!open.closed);
    if (!open.durable) return false;
    find_name(open);
    const auto kept = modes.disconnect(open.id, open.open_id);
    if (!kept || !*kept) return false;
    describe_open(open, remains);
    find_disconnected(remains);
    if (auto r = locks.disconnect({open.id, open.open_id}, remains.locks); !r)
        log_error("fsa: the locks of {} will not outlive this process", open.name);
    settle_changes(open);
    end_use(open);
    return true;
}

bool Core::find_disconnected(RemainingOpen& remains) {
    const auto entry = modes.find_disconnected(remains.file, remains.open_id);
    if (!entry) return false;
    remains.oplock = static_cast<OplockLevel>(entry->oplock);
    if (entry->lease) {
        remains.lease_client = entry->lease->client;
        remains.lease_key = entry->lease->key;
        if (const auto lease = oplocks.find_lease(*entry->lease)) remains.lease = *lease;
        remains.lease.state = entry->caching;
    }
    locks.list({remains.file, remains.open_id}, remains.locks);
    return true;
}

// The file at the name that locking.tdb has, or the one that is known: it must be the very same file.
Result<void, NtStatus> Core::reopen(OpenFile& open, const RemainingOpen& remains) {
    open.name = remains.name;
    modes.current_name(remains.file.of_file(), open.root().path(), open.name);
    vfs::OpenHow how;
    how.access = data_access(remains.granted_access);
    auto file = open.vfs().open(open.name.c_str(), how);
    if (!file) return NtStatus::OBJECT_NAME_NOT_FOUND;
    open.file = std::move(*file);
    if (auto r = open.refresh(); !r) return NtStatus::OBJECT_NAME_NOT_FOUND;
    const FileId id = id_of(open.vfs().file_id(open.file, open.stat), open.stat);
    if (id != remains.file || open.stat.links == 0) return NtStatus::OBJECT_NAME_NOT_FOUND;
    return {};
}

// What a node must have that takes it back: its opens, its lock, and all that it cached (docs/design.md, "State": all or nothing).
Result<void, NtStatus> Core::need_grants(const OpenFile& open, const RemainingOpen& remains, Wait* wait) {
    if (!node.shared()) return {};
    share_mode entry;
    entry.access_mask = open.granted;
    entry.share_access = open.sharing;
    entry.create_options = open.create_options;
    LeaseRequest lease;
    lease.state = remains.lease.state;
    CachingRequest caching;
    caching.level = remains.oplock;
    caching.lease = &lease;
    auto granted = node.need_open(open.id, entry, caching, wait);
    if (granted && caching.level != remains.oplock) granted = NtStatus::OBJECT_NAME_NOT_FOUND;
    if (granted && !remains.locks.empty()) granted = node.need_lock(open.id, wait);
    if (granted || granted.error() == NtStatus::PENDING) return granted;
    return NtStatus::OBJECT_NAME_NOT_FOUND;
}

// Its entries: all of them or none.
Result<void, NtStatus> Core::take_back(OpenFile& open, const RemainingOpen& remains) {
    share_mode entry;
    if (auto r = modes.reconnect(open.id, open.open_id, entry); !r) return r;
    const auto locked = locks.reconnect({open.id, open.open_id});
    bool complete = locked && *locked == remains.locks.size();
    if (entry.lease) complete = complete && mend_lease(*this, open, remains.lease) && oplocks.find_lease(*entry.lease);
    open.oplock = static_cast<OplockLevel>(entry.oplock);
    open.lease = entry.lease;
    open.locks = remains.locks.size();
    open.durable = true;
    if (complete) return oplocks.break_again(open.id, entry), Result<void, NtStatus>();
    log_notice("fsa: {} cannot be taken back: its locks or its lease are not there any more", open.name);
    RemainingOpen ignored;
    if (!modes.disconnect(open.id, open.open_id) || !locks.disconnect({open.id, open.open_id}, ignored.locks))
        log_error("fsa: {} stays with this process", open.name);
    return NtStatus::OBJECT_NAME_NOT_FOUND;
}

Result<CreateResult, NtStatus> Core::reconnect(Share& share, const RemainingOpen& remains, std::optional<std::string_view> expected_path,
                                               Wait* wait) {
    OpenFile* open = take();
    if (open == nullptr) return NtStatus::TOO_MANY_OPENED_FILES;
    open->attach(static_cast<ShareRoot&>(share));
    open->open_id = remains.open_id;
    open->id = remains.file;
    open->granted = remains.granted_access;
    open->sharing = remains.share_access;
    open->create_options = remains.options;
    open->mode = remains.options & option::of_mode;
    open->position = remains.position;
    open->set_aside = remains.allocation_size;
    open->token = remains.token;
    auto reopened = reopen(*open, remains);
    if (reopened && expected_path && !is_name(*expected_path, open->name)) reopened = NtStatus::INVALID_PARAMETER;
    if (reopened) reopened = need_grants(*open, remains, wait);
    if (reopened) reopened = take_back(*open, remains);
    if (!reopened) {
        give_back(*open);
        return reopened.failure();
    }
    open->root().open_count++;
    CreateResult out;
    describe(*open, out);
    return out;
}

void Core::describe(Open& described, CreateResult& out) {
    auto& open = static_cast<OpenFile&>(described);
    out.open = &open;
    out.oplock = open.oplock;
    if (open.lease) {
        if (const auto lease = oplocks.find_lease(*open.lease)) out.lease = *lease;
    }
    out.info = open.info_from(open.stat, open.attributes, false);
}

Result<bool, NtStatus> Core::wait_for_end(const FileId& file, uint64_t open_id, Monotonic deadline, Wait& wait) {
    auto locked = modes.lock(file);
    if (!locked) return locked.failure();
    modes.drop_dead();
    const auto& entries = modes.record().share_modes;
    const bool there = std::ranges::any_of(entries, [&](const share_mode& entry) { return entry.open_id == open_id; });
    if (!there) return false;
    if (params_.watches == nullptr || params_.loop == nullptr) return NtStatus::INSUFFICIENT_RESOURCES;
    if (!wait.arm(*params_.watches, *params_.loop, *locked, deadline)) return NtStatus::INSUFFICIENT_RESOURCES;
    return true;
}

void Core::end_disconnected(const FileId& file, uint64_t open_id) {
    // It may be in the way of a close that has a deletion in hand.
    ShareModes::Deletion in_hand;
    std::swap(in_hand, deletion_);
    const auto removed = modes.remove_disconnected(file, open_id, deletion_);
    const bool ended = removed && *removed == ShareModes::Ended::yes;
    if (ended || (removed && *removed == ShareModes::Ended::gone)) locks.unlock_all({file, open_id});
    if (ended && deletion_.now) delete_unopened(file, params_.share_at);
    std::swap(in_hand, deletion_);
    if (ended && params_.open_ended) params_.open_ended(open_id);
}

}  // namespace Atoll::fsa

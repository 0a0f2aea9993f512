#include "smbd/fsa/core.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/fsa/record_key.h"
#include "smbd/fsa/streams.h"
#include "vfs/path.h"
#include "vfs/share_options.h"

namespace Atoll::fsa {

namespace {

// Change notification of a file or stream (MS-FSA 2.1.4.1).
void tell_watchers(const OpenFile& open, Notifier& notifier, NotifyAction action, uint32_t filter) {
    if (!notifier.index.anyone()) return;
    uint32_t of_file = filter;
    if (!open.stream.empty()) {
        uint32_t of_stream = 0;
        if ((filter & notify_filter::size) != 0) of_stream |= notify_filter::stream_size;
        if ((filter & notify_filter::last_write) != 0) of_stream |= notify_filter::stream_write;
        of_file &= ~(notify_filter::size | notify_filter::last_write);
        if (of_stream != 0) notifier.changed(open.root(), open.name + ':' + open.stream, NotifyAction::modified_stream, of_stream);
    }
    if (of_file != 0) notifier.changed(open.root(), open.name, action, of_file);
}

}  // namespace

std::unique_ptr<FileSystem> FileSystem::create(FileSystemParams params) { return std::make_unique<Core>(std::move(params)); }

Core::~Core() { ATOLL_ASSERT(in_use_ == 0); }

Result<std::unique_ptr<Share>> Core::connect(ShareParams params) {
    vfs::Options options = vfs::options_of(*params.conf, params.path);
    options.ids = params_.ids;
    options.expand = params.expand;
    auto vfs = vfs::connect_share(std::move(options));
    if (!vfs) return vfs.failure();
    return std::unique_ptr<Share>(std::make_unique<ShareRoot>(std::move(params), std::move(*vfs)));
}

OpenFile* Core::take() {
    if (in_use_ >= limits::max_opens) return nullptr;
    in_use_++;
    if (free_.empty()) return &all_.emplace_back(*this);
    OpenFile* open = free_.back();
    free_.pop_back();
    return open;
}

Actor OpenFile::actor() const { return {server_id_of(core_.self()), open_id, lease ? &*lease : nullptr}; }

OpenFile* Core::find_open(uint64_t open_id) {
    for (OpenFile& open : all_) {
        if (open.open_id == open_id && open.file.valid() && !open.closed) return &open;
    }
    return nullptr;
}

OpenFile* Core::find_open(const lease_id& lease) {
    for (OpenFile& open : all_) {
        if (open.lease && *open.lease == lease && open.file.valid() && !open.closed) return &open;
    }
    return nullptr;
}

Result<OplockLevel, NtStatus> Core::acknowledge_oplock(Open& open, OplockLevel level) {
    return oplocks.acknowledge(static_cast<OpenFile&>(open), level);
}

size_t Core::locks_of(const FileId& file, std::string_view stream, uint64_t open_id) {
    return locks.count({file.volume, file.inode, file.generation, stream.empty() ? 0 : stream_hash(stream)}, open_id);
}

Result<void, NtStatus> Core::acknowledge_lease(const Guid& client, const Guid& key, uint32_t state) {
    return oplocks.acknowledge({client, key}, state);
}

void Core::give_back(OpenFile& open) {
    ATOLL_ASSERT(open.jobs == 0);
    open.reset();
    free_.push_back(&open);
    in_use_--;
}

// MS-FSA 2.1.5.5
Result<void, NtStatus> Core::close(Open& closing, FileInfo* info) {
    auto& open = static_cast<OpenFile&>(closing);
    ATOLL_ASSERT(!open.closed);
    if (info != nullptr) {
        if (auto now = open.info()) *info = *now;
        info->name = {};
    }
    if ((open.create_options & option::delete_on_close) != 0 && !open.name.empty() && open.stream.empty())
        find_name(open);  // the link that is deleted
    open.give_up_locks();
    kernel_oplocks.release(open);
    notify_watches.close(open);
    auto removed = leave(open, ShareModes::Removal::of_close);
    const bool deletes = removed && (open.create_options & option::delete_on_close) != 0;
    if (open.directory && deletes && !deletion_.now) {  // others have it open
        notifier.marked_deleted(open.root(), open.name);
        if (modes.describe_deletion(open.id, deletion_)) node.spread_mark(open.id, deletion_);
        deletion_.now = false;
    }
    if (!deletion_.now) settle_changes(open);
    end_use(open);
    return removed;
}

void Core::settle_changes(OpenFile& open) {
    if (open.pending_changes != 0) tell_watchers(open, notifier, NotifyAction::modified, open.pending_changes);
    // What a listing tells of a written file is, to others' leases, settled when it is closed (MS-FSA 2.1.4.17, note 43).
    if (open.wrote && open.stream.empty()) directory_leases.child_changed(open.root(), open.name, &open);
}

void Core::end_use(OpenFile& open) {
    open.root().open_count--;
    open.closed = true;
    if (open.jobs == 0) give_back(open);
}

Result<void, NtStatus> Core::leave(OpenFile& open, ShareModes::Removal removal) {
    auto removed = modes.remove(open.id, open.open_id, open.full_name(), deletion_, removal);
    if (open.stream.empty()) {
        if (deletion_.now) delete_file(open, open.id);
        return removed;
    }
    if (deletion_.now) delete_stream(open);
    auto left = leave_file_of_stream(open);
    return removed ? left : removed;
}

Result<void, NtStatus> Core::delete_orphan(OpenFile& open) {
    auto taken = modes.drop_ended(open.id, open.open_id, deletion_);
    if (deletion_.now && open.id.stream != 0) delete_stream(open);
    if (deletion_.now && open.id.stream == 0) delete_file(open, open.id);
    return taken;
}

// Removes `name` if it still is the name of `file`.
bool Core::remove_name(ShareRoot& share, const vfs::File& file, std::string_view name, const OpenFile* through) {
    if (name.empty()) return false;
    auto& vfs = share.vfs();
    split(name);
    auto parent = vfs.open(parent_path_.c_str(), {});
    auto wanted = vfs.stat(file);
    if (!parent || !wanted) return false;
    auto there = vfs.stat_at(*parent, leaf_.c_str());
    if (!there) return false;
    if (there->type() != vfs::FileType::symlink && (there->inode != wanted->inode || there->device != wanted->device)) return false;
    const bool directory = there->is_directory();
    auto removed = directory ? vfs.rmdir(*parent, leaf_.c_str()) : vfs.unlink(*parent, leaf_.c_str());
    if (!removed && directory && removed.error() == ENOTEMPTY && share.conf().delete_veto_files) {
        // smb.conf(5), "delete veto files": what the client cannot see does not keep its directory.
        if (auto readable = vfs.reopen(file, vfs::Access::read)) {
            vfs::DirectoryReader reader(vfs, *readable);
            for (auto entry = reader.next(); entry && entry->has_value(); entry = reader.next()) {
                const std::string vetoed((*entry)->name);
                if (share.is_vetoed(vetoed)) (void)vfs.unlink(file, vetoed.c_str()).ok();
            }
            removed = vfs.rmdir(*parent, leaf_.c_str());
        }
    }
    if (removed) {
        if (auto parent_stat = vfs.stat(*parent)) directory_leases.children_changed(share, *parent, *parent_stat, through);
        notifier.removed(share, name, directory);
    }
    if (!removed) log_info("fsa: cannot delete {} of share {}: errno {}", name, share.name(), removed.error());
    return true;
}

bool Core::is_named(OpenFile& open, std::string_view name) {
    auto& vfs = open.vfs();
    split(name);
    auto parent = vfs.open(parent_path_.c_str(), {});
    if (!parent) return false;
    auto there = vfs.stat_at(*parent, leaf_.c_str());
    return there && (there->type() == vfs::FileType::symlink || (there->inode == open.stat.inode && there->device == open.stat.device));
}

void Core::find_name(OpenFile& open) {
    if (is_named(open, open.name)) return;
    modes.current_name(open.id.of_file(), open.root().path(), open.name);
    if (is_named(open, open.name)) return;
    if (auto name = name_in_kernel(open); !name.empty()) open.name = std::move(name);
}

// After a directory above has been renamed, by another process (`strict rename = no`) or a program on this machine, nobody but the kernel
// knows. "" if the file is not in the share any more.
std::string Core::name_in_kernel(const OpenFile& open) {
    if (!open.vfs().plain_names()) return {};
    const auto path = real_path(open.file);
    const std::string above = open.root().real_path() + "/";
    return path && path->starts_with(above) ? path->substr(above.size()) : std::string();
}

void Core::files_below(const OpenFile& directory, std::vector<FileId>& found) const {
    const std::string above = directory.name + "/";
    for (const OpenFile& open : all_) {
        const bool below = !open.closed && open.file.valid() && open.name.starts_with(above);
        if (below && open.root().path() == directory.root().path()) found.push_back(open.id);
    }
}

void Core::become_deleter() {
    const auto& token = *deletion_.token;
    former_ = loop::current_identity();
    deleter_.uid = token.uid;
    deleter_.gid = token.gid;
    deleter_.groups.assign(token.gids.begin(), token.gids.end());
    if (!loop::take_identity(deleter_)) log_warning("fsa: cannot delete as uid {}", token.uid);
}

// Removes the name of a file that nobody has open any more, and its record.
void Core::delete_file(OpenFile& open, const FileId& id) {
    if (!node.deletes(id, deletion_)) return;
    ShareRoot& share = open.root();
    as_deleter([&] {
        // The record has the name as the last rename left it, if that was made by way of the same share.
        const bool same_share = deletion_.share_path == share.path();
        if (same_share && remove_name(share, open.file, deletion_.name, &open)) return;
        if ((!same_share || deletion_.name != open.name) && remove_name(share, open.file, open.name, &open)) return;
        remove_name(share, open.file, name_in_kernel(open), &open);
    });
    modes.finish_deletion(id);
    node.deleted(id);
    if (!open.short_leaf.empty()) tunnel.add(share.path(), vfs::parent_of(open.name), vfs::leaf_of(open.name), open.short_leaf);
}

// The same where nobody has the file open. Where there is no share to delete in it stays.
void Core::delete_unopened(const FileId& id, const ShareAt& share_at) {
    if (!node.deletes(id, deletion_)) return;
    Share* const share = share_at ? share_at(deletion_.share_path) : nullptr;
    if (share != nullptr) delete_unopened_in(static_cast<ShareRoot&>(*share), id);
    if (share == nullptr) log_notice("{} stays in {}, which is not there any more", deletion_.name, deletion_.share_path);
    modes.finish_deletion(id);
    node.deleted(id);
}

// What has that name must be that file.
void Core::delete_unopened_in(ShareRoot& share, const FileId& id) {
    as_deleter([&] {
        auto& vfs = share.vfs();
        auto file = vfs.open(deletion_.name.c_str(), {});
        auto stat = file ? vfs.stat(*file) : Result<vfs::Stat, int>(file.error());
        if (!stat) return;
        if (id_of(vfs.file_id(*file, *stat), *stat) != id.of_file()) return;
        if (id.stream == 0) {
            remove_name(share, *file, deletion_.name, nullptr);
        } else if (auto r = vfs.remove_stream(*file, deletion_.stream); !r) {
            log_info("fsa: cannot delete stream {} of {}: errno {}", deletion_.stream, deletion_.name, r.error());
        }
    });
}

void Core::end_holders(const Holders& holders, const ShareAt& share_at) {
    if (holders.empty()) return;
    locks.end_holders(holders);
    constexpr uint64_t no_open = 0;
    for (const FileId& id : modes.held_by(holders)) {
        if (modes.drop_ended(id, no_open, deletion_) && deletion_.now) delete_unopened(id, share_at);
    }
    oplocks.drop_orphans();
}

// Of this node, as of all others, nobody has it open; or somebody has by now, who then is the last.
void Core::may_delete(Bytes file) {
    if (file.size() != RecordKey().size()) return;
    const FileId id = id_of(file);
    ShareModes::Deletion in_hand;
    std::swap(in_hand, deletion_);
    if (node.find_orders(id, deletion_)) {
        const auto alone = modes.enter_deletion(id, deletion_);
        if (!alone) log_error("fsa: {} is not deleted: {}", deletion_.name, to_string(alone.error()));
        if (alone && *alone) delete_unopened(id, params_.share_at);
    }
    std::swap(in_hand, deletion_);
}

void Core::split(std::string_view path) {
    parent_path_.assign(vfs::parent_of(path));
    leaf_.assign(vfs::leaf_of(path));
}

void Core::renamed(OpenFile& open, const std::string& new_name) {
    const FileId id = open.id.of_file();
    ShareRoot& share = open.root();
    const std::string old_name = open.name;
    for (OpenFile& other : all_) {
        if (other.id.of_file() == id && !other.closed && other.file.valid() && &other.root() == &share && other.name == old_name)
            other.name = new_name;
    }
    open.name = new_name;
    modes.rename(id, old_name, {share.path(), new_name, {}});
}

void OpenFile::reset() {
    file = vfs::File();
    share_ = nullptr;
    stat = {};
    attributes = {};
    id = {};
    name.clear();
    stream.clear();
    short_leaf.clear();
    open_id = position = 0;
    granted = sharing = create_options = mode = 0;
    token = nullptr;
    set_aside = 0;
    pending_changes = 0;
    directory = closed = user_set_write = user_set_change = wrote = marked_deleted = told_written = false;
    oplock = OplockLevel::none;
    lease.reset();
    parent_lease.reset();
    locks = 0;
    durable = false;
    unlocked_at.reset();
    query.reader.reset();
    query.begun = query.found_any = query.put_back = false;
    query.next = DirectoryQuery::Next::dot;
    context = nullptr;
}

NtStatus OpenFile::wait_for_changes(NotifyWait& wait, NotifyEvents& events) {
    const NtStatus status = core_.notify_watches.wait(*this, wait, events);
    if (status != NtStatus::PENDING || !core_.is_going(id)) return status;
    // Whoever marked it deleted before it was watched has told nobody.
    core_.notify_watches.forget(*this, wait);
    return NtStatus::DELETE_PENDING;
}

bool OpenFile::sees_local_changes() const { return core_.notify_watches.sees_local_changes(*this); }

void OpenFile::forget_changes(NotifyWait& wait) { core_.notify_watches.forget(*this, wait); }

void OpenFile::report(NotifyAction action, uint32_t filter) {
    constexpr uint32_t listed = notify_filter::attributes | notify_filter::size | notify_filter::last_write | notify_filter::last_access |
                                notify_filter::creation | notify_filter::ea;
    if (stream.empty() && (filter & listed) != 0) core_.directory_leases.child_changed(*share_, name, this);
    tell_watchers(*this, core_.notifier, action, filter);
}

void OpenFile::report_stream(NotifyAction action) {
    const bool modified = action == NotifyAction::modified_stream;
    const uint32_t filter = modified ? notify_filter::stream_size | notify_filter::stream_write : notify_filter::stream_name;
    if (core_.notifier.index.anyone()) core_.notifier.changed(*share_, name + ':' + stream, action, filter);
}

void OpenFile::report_written() {
    constexpr uint32_t written = notify_filter::last_write | notify_filter::size;
    if (std::exchange(told_written, true)) {
        pending_changes |= written;
    } else {
        tell_watchers(*this, core_.notifier, NotifyAction::modified, written);
    }
}

void OpenFile::end_job() {
    ATOLL_ASSERT(jobs > 0);
    if (--jobs == 0 && closed) core_.give_back(*this);
}

}  // namespace Atoll::fsa

// Named data streams: MS-FSA 2.1.5.1.2 (opening and making), 2.1.5.12.29 (listing), 2.1.5.15.12.1 (renaming).
//
// An open of a stream has two entries in locking.tdb: one in the stream's record, for sharing and deletion of the stream, and one in the
// file's, which is why the file stays as long as a stream of it is open, and why its deletion must be shared.
#include "smbd/fsa/streams.h"

#include "base/utf.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/create.h"
#include "smbd/fsa/record_key.h"

namespace Atoll::fsa {

namespace {

Disposition disposition_of(const CreateParams& params) { return static_cast<Disposition>(params.disposition); }

// The name of ":name" or ":name:$DATA".
Result<std::string_view, NtStatus> split_new_name(std::string_view wire) {
    wire.remove_prefix(1);
    const size_t colon = wire.find(':');
    const std::string_view name = wire.substr(0, colon);
    const std::string_view type = colon == std::string_view::npos ? std::string_view("$DATA") : wire.substr(colon + 1);
    if (wire.empty() || type.empty() || type.find(':') != std::string_view::npos || !is_stream_name(name))
        return NtStatus::INVALID_PARAMETER;
    if (!equal_ignoring_case(type, "$DATA")) return NtStatus::OBJECT_TYPE_MISMATCH;
    return name;
}

}  // namespace

uint64_t stream_hash(std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : to_upper_utf8(name)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash == 0 ? 1 : hash;
}

// The file that the stream is to be made of. It goes again if the create fails, but not while it waits for a grant.
Result<CreateOperation::Step, NtStatus> CreateOperation::make_file_of_stream() {
    CreateParams file = params_;
    const std::string path = core_.parsed.path;
    std::string wire = path;
    for (char& c : wire) {
        if (c == '/') c = '\\';
    }
    file.path = wire;
    file.desired_access = access::read_attributes | access::write_attributes;
    file.share_access = sharing::all;
    file.disposition = static_cast<uint32_t>(Disposition::open_if);
    file.options = params_.options & ~(option::delete_on_close | option::open_requiring_oplock);
    file.allocation_size.reset();
    file.oplock = OplockLevel::none;
    file.lease = nullptr;
    file.open_id = ~params_.open_id;  // an entry of its own
    CreateOperation maker(core_, share_, file, nullptr);
    auto made = maker.run();
    if (!made) return made.failure();
    made_file_ = static_cast<OpenFile*>(made->open);
    made_file_is_new_ = made->action == CreateAction::created;
    if (auto r = parse_name(params_.path, core_.parsed); !r) return r.failure();
    return Step::again;
}

void CreateOperation::leave_made_file(std::optional<NtStatus> failure) {
    if (made_file_ == nullptr) return;
    const bool of_new = failure && failure != NtStatus::PENDING && made_file_is_new_;
    (void)core_.leave(*made_file_, of_new ? ShareModes::Removal::of_failed_new : ShareModes::Removal::of_close).ok();
    share_.open_count--;
    core_.give_back(*made_file_);
    made_file_ = nullptr;
}

// The file is open by its path. MS-FSA 2.1.5.1.2, "StreamTypeToOpen is DataStream".
Result<CreateOperation::Step, NtStatus> CreateOperation::take_stream() {
    open_->directory = false;
    open_->stream = core_.parsed.stream;
    auto there = vfs_.open_stream(open_->file, open_->stream, {});
    if (!there && there.error() != ENOENT)
        return there.error() == ENAMETOOLONG ? NtStatus::OBJECT_NAME_INVALID : nt_status_from_errno(there.error());
    const auto d = disposition_of(params_);
    makes_stream_ = !there;
    open_->id = id_of(vfs_.file_id(open_->file, open_->stat), open_->stat);
    open_->id.stream = stream_hash(open_->stream);
    if (there && d == Disposition::create)
        return core_.is_going(open_->id) ? NtStatus::DELETE_PENDING : NtStatus::OBJECT_NAME_COLLISION;
    if (!there && (d == Disposition::open || d == Disposition::overwrite)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    open_->attributes = share_.attributes(open_->file, open_->stat, {});
    if (auto r = stop_at_leaf(); !r) return r.failure();
    if (auto r = check_access(); !r) return r.failure();
    auto entered = enter_file_of_stream();
    if (!entered || *entered == Step::again) return entered;
    auto step = open_and_enter_stream();
    if (!step || *step == Step::again) {
        leave(makes_stream_ ? ShareModes::Removal::of_failed_new : ShareModes::Removal::of_failed_create);
        return step;
    }
    if (makes_stream_) action_ = CreateAction::created;
    if (overwrites() && !makes_stream_) {
        if (auto r = vfs_.truncate(open_->file, 0); !r) {
            leave();
            return nt_status_from_errno(r.error());
        }
        action_ = d == Disposition::supersede ? CreateAction::superseded : CreateAction::overwritten;
    }
    if (action_ == CreateAction::opened) return Step::done;
    if (auto r = open_->note_modification(); !r) {
        leave();
        return r.failure();
    }
    if (auto r = open_->refresh(); !r) {
        leave();
        return r.failure();
    }
    return Step::done;
}

// An overwritten file loses its named streams, as on NTFS; those that somebody has open stay.
void CreateOperation::remove_streams() {
    if (!vfs_.has_streams()) return;
    std::vector<vfs::StreamInfo> named;
    if (!vfs_.list_streams(open_->file, named)) return;
    for (const auto& stream : named) {
        FileId id = open_->id;
        id.stream = stream_hash(stream.name);
        const auto opens = core_.modes.others(id, open_->open_id);
        if (opens && *opens == 0) (void)vfs_.remove_stream(open_->file, stream.name).ok();
    }
}

// The entry in the file's own record: MS-FSA 2.1.5.1.2.1, on deleting the file.
Result<CreateOperation::Step, NtStatus> CreateOperation::enter_file_of_stream() {
    relax_exclusive();
    const FileId stream = open_->id;
    share_mode entry = share_entry();
    entry.flags = share_mode_flags::SHARE_MODE_OF_STREAM;
    const ShareModes::Name name{share_.path(), open_->name, {}};
    constexpr uint32_t no_data = 0;  // of the file's own stream, whose caching is not in the way
    auto added = core_.modes.add(stream.of_file(), {entry, name, open_->token, no_data, false, nullptr, nullptr, wait_});
    if (!added) return added.failure();
    if (*added != ShareModes::Added::orphaned) return Step::done;
    open_->id = stream.of_file();
    if (auto r = core_.delete_orphan(*open_); !r) return r.failure();
    return Step::again;
}

Result<CreateOperation::Step, NtStatus> CreateOperation::open_and_enter_stream() {
    if (makes_stream_) {
        if (auto r = need_grant(); !r) return r.failure();
    }
    vfs::OpenHow how;
    how.access = data_access(open_->granted);
    how.create = makes_stream_;
    auto file = vfs_.open_stream(open_->file, open_->stream, how);
    if (!file && (file.error() == EEXIST || file.error() == ENOENT)) {
        makes_stream_ = false;  // whoever was faster keeps it
        return Step::again;
    }
    if (!file) return nt_status_from_errno(file.error());
    open_->file = std::move(*file);
    open_->id.stream = stream_hash(open_->stream);
    auto step = enter_record();
    if (!step) makes_stream_ = false;
    if (!step || *step == Step::again) return step;
    auto now = vfs_.stat(open_->file);
    if (!now) return nt_status_from_errno(now.error());
    open_->stat = *now;
    return now->links > 0 ? Step::done : Step::again;
}

void Core::delete_stream(OpenFile& open) {
    as_deleter([&] {
        auto removed = open.vfs().remove_stream(open.file, deletion_.stream);
        if (!removed && (removed.error() == EACCES || removed.error() == EPERM)) {
            // Root: the right to delete was checked when the stream was opened; an attribute asks for the right to write the file.
            const loop::RootScope root;
            (void)open.vfs().remove_stream(open.file, deletion_.stream).ok();
        }
    });
    modes.finish_deletion(open.id);
    open.report_stream(NotifyAction::removed_stream);
}

// The other entry of an open of a stream; the file goes if it was only kept by it.
Result<void, NtStatus> Core::leave_file_of_stream(OpenFile& open) {
    const FileId id = open.id.of_file();
    auto removed = modes.remove(id, open.open_id, {open.root().path(), open.name, {}}, deletion_, ShareModes::Removal::of_failed_create);
    if (deletion_.now) delete_file(open, id);
    return removed;
}

// MS-FSA 2.1.5.12.29. The unnamed stream, which directories have not, comes first.
Result<void, NtStatus> OpenFile::list_streams(std::vector<StreamEntry>& out) {
    out.clear();
    vfs::File whole;
    if (!stream.empty()) {
        auto opened = vfs().reopen(file, vfs::Access::path);
        if (!opened) return nt_status_from_errno(opened.error());
        whole = std::move(*opened);
        whole.stream = false;
    }
    const auto its = vfs().stat(stream.empty() ? file : whole);
    if (!its) return nt_status_from_errno(its.error());
    if (!its->is_directory()) out.push_back({"::$DATA", its->size, allocation_size(*share_, *its)});
    std::vector<vfs::StreamInfo> named;
    if (auto r = vfs().list_streams(file, named); !r) return nt_status_from_errno(r.error());
    for (const auto& s : named) out.push_back({":" + s.name + ":$DATA", s.size, s.allocated});
    return {};
}

// "::$DATA": the stream becomes the file's data, of which there must be none. A directory has no unnamed stream.
Result<void, NtStatus> OpenFile::rename_to_unnamed(bool replace) {
    vfs::OpenHow how;
    how.access = vfs::Access::read_write;
    auto whole = vfs().open(name.c_str(), how);
    if (!whole) return whole.error() == EISDIR ? NtStatus::INVALID_PARAMETER : nt_status_from_errno(whole.error());
    auto there = vfs().stat(*whole);
    if (!there) return nt_status_from_errno(there.error());
    if (there->size > 0) return replace ? NtStatus::INVALID_PARAMETER : NtStatus::OBJECT_NAME_COLLISION;
    auto its = vfs().stat(file);
    if (!its) return nt_status_from_errno(its.error());
    Buffer data;
    data.resize(static_cast<size_t>(its->size));
    auto got = vfs().pread(file, data.mutable_bytes(), 0);
    if (!got) return nt_status_from_errno(got.error());
    auto put = vfs().pwrite(*whole, data.bytes().first(*got), 0);
    if (!put) return nt_status_from_errno(put.error());
    if (auto r = core_.modes.become_file(id, open_id); !r) {
        (void)vfs().truncate(*whole, 0).ok();
        return r;
    }
    if (auto r = vfs().remove_stream(file, stream); !r) return nt_status_from_errno(r.error());
    file = std::move(*whole);
    stream.clear();
    id = id.of_file();
    return note_modification();
}

// MS-FSA 2.1.5.15.12.1. Other opens of the stream would have to be told its new name, wherever they are: they are in the way, as on
// Debian's smbd.
Result<void, NtStatus> OpenFile::rename_stream(std::string_view new_name, bool replace) {
    auto split = split_new_name(new_name);
    if (!split) return split.failure();
    if (stream.empty()) return directory ? NtStatus::INVALID_PARAMETER : NtStatus::NOT_SUPPORTED;
    std::string target(*split);
    if (equal_ignoring_case(target, stream)) return {};
    if (target.empty()) return rename_to_unnamed(replace);
    auto others = core_.modes.others(id, open_id);
    if (!others) return others.failure();
    if (*others > 0) return NtStatus::SHARING_VIOLATION;
    FileId target_id = id;
    target_id.stream = stream_hash(target);
    std::string stored = target;
    if (auto there = vfs().open_stream(file, stored, {})) {
        if (!replace) return NtStatus::OBJECT_NAME_COLLISION;
        auto opens = core_.modes.others(target_id, open_id);
        if (!opens) return opens.failure();
        auto its = vfs().stat(*there);
        if (*opens > 0 || (its && its->size > 0)) return NtStatus::INVALID_PARAMETER;
    }
    if (auto r = core_.modes.move(id, target_id, open_id, {share_->path(), name, target}); !r) return r;
    auto renamed = vfs().rename_stream(file, stream, target);
    if (!renamed) {
        (void)core_.modes.move(target_id, id, open_id, {share_->path(), name, stream}).ok();
        return nt_status_from_errno(renamed.error());
    }
    vfs::OpenHow how;
    how.access = file.path_only ? vfs::Access::path : vfs::Access::read_write;
    report_stream(NotifyAction::removed_stream);
    stream = target;
    id = target_id;
    report_stream(NotifyAction::added_stream);
    auto reopened = vfs().open_stream(file, stream, how);
    if (!reopened) return nt_status_from_errno(reopened.error());
    file = std::move(*reopened);
    return note_modification();
}

}  // namespace Atoll::fsa

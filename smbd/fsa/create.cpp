// Opening what is there, and the order of a create's checks. Making what is not there: create_new.cpp.
#include "smbd/fsa/create.h"

#include "base/limits.h"
#include "base/loop/identity.h"
#include "base/utf.h"
#include "smbd/fsa/extended_attributes.h"
#include "smbd/fsa/record_key.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

// MS-FSA 2.1.5.1, phase 1
constexpr uint32_t valid_directory_options = option::directory_file | option::synchronous_io_alert | option::synchronous_io_nonalert |
                                             option::write_through | option::open_remote_instance | option::complete_if_oplocked |
                                             option::open_for_backup_intent | option::delete_on_close | option::open_for_free_space_query |
                                             option::open_by_file_id | option::no_compression | option::open_reparse_point |
                                             option::open_requiring_oplock;
constexpr uint32_t known_options = 0x00FFFFFF;
constexpr uint32_t known_attributes = 0x7FB7;  // MS-FSCC 2.6, less DEVICE and what came after ENCRYPTED
constexpr uint32_t invalid_access = 0x0CE0FE00;
// MS-SMB2 2.2.13: requests with these are refused. 0x80 was FILE_CREATE_TREE_CONNECTION.
constexpr uint32_t unsupported_options = option::open_by_file_id | option::reserve_opfilter | 0x80;
constexpr uint32_t reading = access::read_data | access::execute;
constexpr uint32_t writing = access::write_data | access::append_data;

Disposition disposition_of(const CreateParams& params) { return static_cast<Disposition>(params.disposition); }

bool is_missing(int error) { return error == ENOENT || error == ENOTDIR; }

// A symlink that leads nowhere, in circles or out of the share is not there for the client.
bool leads_nowhere(int error) { return error == EXDEV || error == ELOOP; }

}  // namespace

Result<void, NtStatus> check_parameters(const CreateParams& p) {
    // First, as Windows has it: MS-FSA names it among the others.
    if (p.desired_access == 0 || (p.desired_access & invalid_access) != 0) return NtStatus::ACCESS_DENIED;
    if ((p.share_access & ~sharing::all) != 0 || p.disposition > static_cast<uint32_t>(Disposition::overwrite_if))
        return NtStatus::INVALID_PARAMETER;
    if ((p.options & ~known_options) != 0 || (p.attributes & ~known_attributes) != 0) return NtStatus::INVALID_PARAMETER;
    if ((p.options & unsupported_options) != 0) return NtStatus::NOT_SUPPORTED;
    if ((p.options & option::delete_on_close) != 0 && (p.desired_access & (access::delete_ | access::maximum_allowed)) == 0)
        return NtStatus::INVALID_PARAMETER;
    const bool directory = (p.options & option::directory_file) != 0;
    if (directory && (p.options & option::non_directory_file) != 0) return NtStatus::INVALID_PARAMETER;
    if (directory) {
        const auto d = disposition_of(p);
        if ((p.options & ~valid_directory_options) != 0) return NtStatus::INVALID_PARAMETER;
        if (d != Disposition::create && d != Disposition::open && d != Disposition::open_if) return NtStatus::INVALID_PARAMETER;
    }
    // MS-SMB2 2.2.13: who does not know extended attributes has none to set.
    if (!p.extended_attributes.empty() && (p.options & option::no_ea_knowledge) != 0) return NtStatus::ACCESS_DENIED;
    return {};
}

Result<CreateResult, NtStatus> Core::create(Share& share, const CreateParams& params, Wait* wait) {
    auto& root = static_cast<ShareRoot&>(share);
    auto created = CreateOperation(*this, root, params, wait).run();
    const NtStatus status = created ? NtStatus::SUCCESS : created.error();
    if (status == NtStatus::PENDING) return created;
    const bool directory = created ? created->open->is_directory() : (params.options & option::directory_file) != 0;
    root.vfs().note_create(parsed.path, directory, params.desired_access, params.disposition, status);
    return created;
}

Result<CreateResult, NtStatus> CreateOperation::run() {
    // MS-SMB2 3.3.5.9, "Open Execution": what a client asks for by name, not what a generic right means.
    if ((params_.options & option::no_intermediate_buffering) != 0) params_.desired_access &= ~access::append_data;
    params_.desired_access = map_generic(params_.desired_access);
    if (auto r = check_parameters(params_); !r) return r.failure();
    if (!params_.extended_attributes.empty() && !share_.conf().ea_support) return NtStatus::EAS_NOT_SUPPORTED;
    if (auto r = parse_name(params_.path, core_.parsed); !r) return r.failure();
    const auto& parsed = core_.parsed;
    if (parsed.trailing_backslash && ((params_.options & option::non_directory_file) != 0 || parsed.data_stream))
        return NtStatus::OBJECT_NAME_INVALID;
    if (parsed.data_stream && !vfs_.has_streams()) return NtStatus::OBJECT_NAME_INVALID;
    if (wants_directory() && parsed.data_stream) return NtStatus::NOT_A_DIRECTORY;  // phase 7
    if (auto r = share_.check_veto(parsed.path); !r) return r.failure();
    if (auto r = enter_snapshot(); !r) return r.failure();

    open_ = core_.take();
    if (open_ == nullptr) return NtStatus::TOO_MANY_OPENED_FILES;
    open_->attach(share_);
    open_->open_id = params_.open_id;
    open_->sharing = params_.share_access;
    open_->create_options = params_.options;
    open_->mode = params_.options & option::of_mode;
    open_->token = params_.token;
    if (params_.lease != nullptr && params_.lease->parent) open_->parent_lease = lease_id{params_.lease->client, *params_.lease->parent};
    if (wait_ != nullptr) made_before_ = wait_->take_made();
    for (unsigned i = 0; i < limits::max_create_races; i++) {
        auto step = attempt();
        if (step && *step == Step::done) {
            share_.open_count++;
            leave_made_file(std::nullopt);
            report();
            return result();
        }
        if (!step) {
            leave_made_file(step.error());
            core_.give_back(*open_);
            return step.failure();
        }
        open_->file = vfs::File();
        verified_ = 0;
    }
    leave_made_file(NtStatus::SHARING_VIOLATION);
    core_.give_back(*open_);
    return NtStatus::SHARING_VIOLATION;
}

// MS-FSA 2.1.5.1.1, 2.1.5.1.2
void CreateOperation::report() {
    open_->marked_deleted = open_->directory && (params_.options & option::delete_on_close) != 0;
    if (action_ == CreateAction::opened) return;
    if (!open_->stream.empty())
        return open_->report_stream(action_ == CreateAction::created ? NotifyAction::added_stream : NotifyAction::modified_stream);
    if (action_ == CreateAction::created) {
        core_.directory_leases.children_changed(share_, core_.located.parent, core_.located.parent_stat, open_);
        return core_.notifier.added(share_, open_->name, open_->directory);
    }
    uint32_t filter = notify_filter::attributes | notify_filter::size | notify_filter::last_write;
    if (!params_.extended_attributes.empty()) filter |= notify_filter::ea;
    open_->report(NotifyAction::modified, filter);
}

bool CreateOperation::overwrites() const {
    const auto d = disposition_of(params_);
    return d == Disposition::supersede || d == Disposition::overwrite || d == Disposition::overwrite_if;
}

vfs::Access CreateOperation::data_access(uint32_t desired) const {
    const bool read = (desired & reading) != 0, write = (desired & writing) != 0 || overwrites();
    if (write) return read ? vfs::Access::read_write : vfs::Access::write;
    return read ? vfs::Access::read : vfs::Access::path;
}

// Phase 6: the search. One system call if the name is there as it is given.
Result<CreateOperation::Step, NtStatus> CreateOperation::attempt() {
    const auto d = disposition_of(params_);
    const std::string& path = core_.parsed.path;
    action_ = CreateAction::opened;
    if (made_before_) {
        auto found = open_made_before();
        if (!found) return found.failure();
        if (*found) return settle_new();
    }
    if (d != Disposition::create || of_stream()) {
        auto found = open_existing(path.c_str());
        if (!found) return found.failure();
        if (*found) {
            open_->name = path;
            return take_existing();
        }
    }
    auto& located = core_.located;
    auto searched = share_.lookup().locate(path, located);
    if (!searched) return leads_nowhere(searched.error()) ? NtStatus::OBJECT_PATH_NOT_FOUND : nt_status_from_errno(searched.error());
    if (located.missing == vfs::Missing::component) return missing_component().failure();
    open_->name = located.path;
    if (located.missing == vfs::Missing::nothing) {
        if (d == Disposition::create && !of_stream()) return check_collision().failure();
        if (!equal_ignoring_case(vfs::leaf_of(path), located.leaf())) open_->short_leaf = vfs::leaf_of(path);
        auto found = open_existing(located.path.c_str());
        if (!found) return found.failure();
        return *found ? take_existing() : Result<Step, NtStatus>(Step::again);
    }
    if (auto r = stop_at_parent(); !r) return r.failure();
    if (d == Disposition::open || d == Disposition::overwrite || located.dangling) return NtStatus::OBJECT_NAME_NOT_FOUND;
    take_tunnelled_name();
    return of_stream() ? make_file_of_stream() : make_new();
}

// MS-FSA 2.1.5.1.1: the long name of a file that was deleted by its short one.
void CreateOperation::take_tunnelled_name() {
    auto& located = core_.located;
    if (wants_directory() || of_stream()) return;
    const std::string name = core_.tunnel.take(share_.path(), vfs::parent_of(located.path), located.leaf());
    if (name.empty()) return;
    located.path.replace(located.leaf_offset, std::string::npos, name);
    open_->name = located.path;
}

// False: nothing of that very name.
Result<bool, NtStatus> CreateOperation::open_existing(const char* path) {
    const uint32_t desired = params_.desired_access;
    vfs::OpenHow how;
    how.access = data_access(desired);
    if (wants_directory()) how.access = (desired & access::list_directory) != 0 ? vfs::Access::read : vfs::Access::path;
    if (of_stream() || ((desired & access::maximum_allowed) != 0 && !overwrites()))
        how.access = vfs::Access::path;  // open_for_granted() opens it again
    auto file = vfs_.open(path, how);
    // A directory, which has no bytes to write; or a FIFO or socket, which nobody reads by way of a share.
    if (!file && (file.error() == EISDIR || file.error() == ENXIO)) {
        how.access = (desired & access::list_directory) != 0 && file.error() == EISDIR ? vfs::Access::read : vfs::Access::path;
        file = vfs_.open(path, how);
    }
    // FILE_TRAVERSE of a directory is no reason to list it.
    if (!file && file.error() == EACCES && (desired & reading) == access::execute && how.access == vfs::Access::read) {
        how.access = vfs::Access::path;
        file = vfs_.open(path, how);
        if (file && !is_directory(*file)) return NtStatus::ACCESS_DENIED;
    }
    if (!file) {
        if (is_missing(file.error()) || leads_nowhere(file.error())) return false;
        if (file.error() == EAGAIN) return wait_for_kernel(path).failure();
        return nt_status_from_errno(file.error());
    }
    open_->file = std::move(*file);
    if (how.access == vfs::Access::read || how.access == vfs::Access::read_write)
        verified_ |= access::read_data | access::read_ea | access::read_control;
    if (how.access == vfs::Access::write || how.access == vfs::Access::read_write)
        verified_ |= writing | access::write_ea | access::write_attributes | access::read_control;
    return true;
}

bool CreateOperation::is_directory(const vfs::File& file) const {
    auto stat = vfs_.stat(file);
    return stat && stat->is_directory();
}

// Phase 7
Result<void, NtStatus> CreateOperation::check_type(bool is_directory) const {
    if (wants_directory() && !is_directory)
        return disposition_of(params_) == Disposition::create ? NtStatus::OBJECT_NAME_COLLISION : NtStatus::NOT_A_DIRECTORY;
    const bool data = (params_.options & option::non_directory_file) != 0 || core_.parsed.data_stream;
    if (data && is_directory) return NtStatus::FILE_IS_A_DIRECTORY;
    if (core_.parsed.trailing_backslash && !is_directory) return NtStatus::OBJECT_NAME_INVALID;
    return {};
}

// FILE_CREATE of a name that is taken. Always fails.
Result<void, NtStatus> CreateOperation::check_collision() {
    auto file = vfs_.open(core_.located.path.c_str(), {});
    if (!file) return NtStatus::OBJECT_NAME_COLLISION;
    auto stat = vfs_.stat(*file);
    if (!stat) return NtStatus::OBJECT_NAME_COLLISION;
    if (auto r = check_type(stat->is_directory()); !r) return r;
    const bool goes = core_.is_going(id_of(vfs_.file_id(*file, *stat), *stat));
    return goes ? NtStatus::DELETE_PENDING : NtStatus::OBJECT_NAME_COLLISION;
}

// MS-FSA 2.1.5.1.2
Result<CreateOperation::Step, NtStatus> CreateOperation::take_existing() {
    auto stat = vfs_.stat(open_->file);
    if (!stat) return nt_status_from_errno(stat.error());
    open_->stat = *stat;
    open_->directory = stat->is_directory();
    if (of_stream()) return take_stream();
    if (auto r = check_type(open_->directory); !r) return r.failure();
    if (open_->directory && overwrites()) return open_->name.empty() ? NtStatus::ACCESS_DENIED : NtStatus::OBJECT_NAME_COLLISION;
    if (!open_->directory && stat->type() != vfs::FileType::regular && (params_.desired_access & (reading | writing)) != 0)
        return NtStatus::ACCESS_DENIED;
    open_->attributes = share_.attributes(open_->file, *stat, vfs::leaf_of(open_->name));
    if (auto r = stop_at_leaf(); !r) return r.failure();
    if (auto r = check_overwrite(); !r) return r.failure();
    if (auto r = check_access(); !r) return r.failure();
    if (auto r = open_for_granted(); !r) return r.failure();
    auto step = enter();
    if (!step || *step == Step::again) return step;
    if (!overwrites()) return Step::done;
    if (auto r = overwrite(); !r) {
        leave();
        return r.failure();
    }
    return Step::done;
}

Result<void, NtStatus> CreateOperation::check_overwrite() const {
    if (!overwrites()) return {};
    const uint32_t existing = open_->attributes.attributes;
    // What hides a file by its name (`hide dot files`, `hide files`) is no attribute of the file that the client could repeat.
    const std::string_view leaf = vfs::leaf_of(open_->name);
    const bool hidden_by_name = (share_.conf().hide_dot_files && leaf.starts_with('.')) || share_.hides(leaf);
    if ((existing & attribute::hidden) != 0 && (params_.attributes & attribute::hidden) == 0 && !hidden_by_name)
        return NtStatus::ACCESS_DENIED;
    if ((existing & attribute::system) != 0 && (params_.attributes & attribute::system) == 0) return NtStatus::ACCESS_DENIED;
    if ((existing & attribute::readonly) != 0) return NtStatus::ACCESS_DENIED;
    return check_extended_attributes(vfs_, params_.extended_attributes);
}

// What an overwrite needs beyond what was asked for. It is checked, and counts for sharing, but the Open does not get it.
uint32_t CreateOperation::added_access() const {
    if (makes_stream_) return access::write_data;
    if (!overwrites()) return 0;
    const uint32_t replace = disposition_of(params_) == Disposition::supersede ? access::delete_ : access::write_data;
    return of_stream() ? replace : replace | access::write_ea | access::write_attributes;
}

// MS-FSA 2.1.5.1.2.1
Result<void, NtStatus> CreateOperation::check_access() {
    const uint32_t desired = params_.desired_access;
    const bool readonly = (open_->attributes.attributes & attribute::readonly) != 0;
    if (!open_->directory && readonly && (desired & writing) != 0) return NtStatus::ACCESS_DENIED;
    if (readonly && (params_.options & option::delete_on_close) != 0) return NtStatus::CANNOT_DELETE;
    const bool changes = ((desired | added_access()) & changing_access) != 0;
    if (changes && open_->file.snapshot != 0) return NtStatus::MEDIA_WRITE_PROTECTED;
    if (changes && share_.read_only()) return NtStatus::ACCESS_DENIED;
    return grant(desired | added_access());
}

Result<void, NtStatus> CreateOperation::grant(uint32_t remaining) {
    const bool maximum = (remaining & access::maximum_allowed) != 0;
    remaining &= ~access::maximum_allowed;
    uint32_t granted = share_.decides_by_descriptor() ? 0 : free_access | verified_;
    if (maximum || (remaining & ~granted) != 0)
        granted |= rights_of(share_, open_->file, open_->stat, open_->name, maximum ? UINT32_MAX : remaining);
    if ((remaining & ~granted) == access::system_security) return NtStatus::PRIVILEGE_NOT_HELD;
    if ((remaining & ~granted) != 0) return NtStatus::ACCESS_DENIED;
    granted &= ~access::system_security;  // who wants it asks for it
    open_->granted = params_.desired_access & ~access::maximum_allowed;
    if (maximum) {
        if ((open_->attributes.attributes & attribute::readonly) != 0)
            granted &= ~(writing | access::add_subdirectory | access::delete_child);
        open_->granted |= granted;
    }
    if ((params_.options & option::delete_on_close) != 0 && (open_->granted & access::delete_) == 0) return NtStatus::ACCESS_DENIED;
    return {};
}

// After MAXIMUM_ALLOWED the file is open by its path only, or for less than was granted.
Result<void, NtStatus> CreateOperation::open_for_granted() {
    if ((params_.desired_access & access::maximum_allowed) == 0) return {};
    vfs::Access wanted = data_access(open_->granted);
    if (open_->stat.type() == vfs::FileType::other) return {};
    if (open_->directory) wanted = (open_->granted & access::list_directory) != 0 ? vfs::Access::read : vfs::Access::path;
    if (wanted == vfs::Access::path) return {};
    auto file = vfs_.reopen(open_->file, wanted);
    if (!file && file.error() == EAGAIN) return wait_for_kernel(open_->file, open_->stat);
    if (!file) return nt_status_from_errno(file.error());
    open_->file = std::move(*file);
    return {};
}

// MS-FSA 2.1.5.1.2.2, first step: who may not write here may not keep readers out.
void CreateOperation::relax_exclusive() {
    if ((open_->sharing & sharing::read) != 0 || (open_->granted & access::shared) == 0) return;
    if (loop::current_identity().uid == 0 || (open_->granted & writing) != 0) return;
    const std::string parent_path(vfs::parent_of(open_->name));
    auto parent = vfs_.open(parent_path.c_str(), {});
    if (parent && !vfs_.may(*parent, 2 /* W_OK */)) open_->sharing |= sharing::read;
}

// What may be granted at all (smb.conf(5): oplocks, level2 oplocks, veto oplock files).
CachingRequest CreateOperation::caching_request() const {
    CachingRequest out;
    const auto& conf = share_.conf();
    if (params_.oplock == OplockLevel::none || !core_.oplocks.possible() || !conf.oplocks) return out;
    if (conf.fake_oplocks) return out;                                            // see enter_record
    if (conf.kernel_oplocks && params_.oplock == OplockLevel::lease) return out;  // smb.conf(5), "smb2 leases"
    if (!open_->directory && open_->stat.type() != vfs::FileType::regular) return out;
    if (share_.vetoes_oplocks(vfs::leaf_of(open_->name))) return out;
    if (params_.oplock == OplockLevel::lease && params_.lease == nullptr) return out;
    if (open_->directory) {  // MS-FSA 2.1.5.18, MS-SMB2 3.3.5.9.11
        if (params_.oplock != OplockLevel::lease || !params_.lease->directories) return out;
        out.limit = caching::read | caching::handle;
    }
    out.level = params_.oplock;
    out.lease = params_.lease;
    out.level_ii = conf.level2_oplocks;
    out.shared = open_->directory || !core_.locks.any_below(open_->id, open_->stat.allocated);
    return out;
}

// The lease of the kernel that `kernel oplocks` wants, before the oplock is granted; it goes with the open's descriptor.
void CreateOperation::take_kernel_oplock(CachingRequest& caching) {
    const bool exclusive = caching.level != OplockLevel::ii;
    if (exclusive && core_.kernel_oplocks.take(*open_, caching.level)) return;
    caching.level = caching.level_ii && core_.kernel_oplocks.take(*open_, OplockLevel::ii) ? OplockLevel::ii : OplockLevel::none;
}

// `path` or `file` cannot be opened: a lease of the kernel breaks.
Result<void, NtStatus> CreateOperation::wait_for_kernel(const char* path) {
    auto file = vfs_.open(path, {});
    auto stat = file ? vfs_.stat(*file) : Result<vfs::Stat, int>(file.error());
    if (!stat) return nt_status_from_errno(stat.error());
    return wait_for_kernel(*file, *stat);
}

Result<void, NtStatus> CreateOperation::wait_for_kernel(const vfs::File& file, const vfs::Stat& stat) {
    if (wait_ == nullptr || !core_.oplocks.possible()) return NtStatus::SHARING_VIOLATION;
    const FileId id = id_of(vfs_.file_id(file, stat), stat);
    const auto operation = overwrites() ? CachingOperation::overwrite : CachingOperation::open;
    return core_.oplocks.wait_for_kernel(id, open_->actor(), operation, *wait_);
}

share_mode CreateOperation::share_entry() const {
    share_mode entry;
    entry.holder = server_id_of(core_.self());
    entry.open_id = open_->open_id;
    entry.access_mask = open_->granted | added_access();
    entry.share_access = open_->sharing;
    entry.create_options = open_->create_options;
    entry.opened = NtTime::now();
    if ((open_->create_options & option::delete_on_close) != 0) entry.flags = share_mode_flags::SHARE_MODE_DELETE_ON_CLOSE;
    return entry;
}

// What enter_record() will need of other nodes, before there is something to leave behind.
Result<void, NtStatus> CreateOperation::need_grant() {
    if (!core_.node.shared()) return {};
    CachingRequest caching = caching_request();
    return core_.node.need_open(open_->id, share_entry(), caching, wait_);
}

// Into locking.tdb: the sharing check. Whether the file still has a name is then for the caller to look.
Result<CreateOperation::Step, NtStatus> CreateOperation::enter_record() {
    if (open_->stream.empty()) {
        relax_exclusive();
        open_->id = id_of(vfs_.file_id(open_->file, open_->stat), open_->stat);
    }
    share_mode entry = share_entry();
    if (params_.oplock == OplockLevel::lease && params_.lease != nullptr) {
        if (auto r = core_.oplocks.check_lease(*params_.lease, &open_->id); !r) return r.failure();
    }
    CachingRequest caching = caching_request();
    if (caching.level != OplockLevel::none && share_.conf().kernel_oplocks) {
        if (of_stream()) {
            caching.level_ii = false;
        } else {
            take_kernel_oplock(caching);
        }
        entry.flags = entry.flags | share_mode_flags::SHARE_MODE_ALL_OR_NOTHING;
    }
    if (auto r = core_.node.need_open(open_->id, entry, caching, wait_); !r) return r.failure();
    if (caching.level == OplockLevel::lease) entry.lease = id_of(*caching.lease);
    const bool wants_caching = caching.level != OplockLevel::none;
    granted_ = {};
    const ShareModes::Name name = open_->full_name();
    auto added = core_.modes.add(open_->id, {entry, name, open_->token, entry.access_mask, overwrites(), wants_caching ? &caching : nullptr,
                                             &granted_, core_.oplocks.possible() ? wait_ : nullptr});
    if (!added || granted_.level == OplockLevel::none) core_.kernel_oplocks.release(*open_);
    if (!added && added.error() == NtStatus::DELETE_PENDING && core_.node.forget_withdrawn(open_->id)) return Step::again;
    if (!added) return added.failure();
    open_->oplock = granted_.level;
    if (granted_.level == OplockLevel::lease) open_->lease = entry.lease;
    // smb.conf(5), "fake oplocks": whoever asks gets one, and nobody ever hears that it breaks.
    if (share_.conf().fake_oplocks && !open_->directory && params_.oplock != OplockLevel::lease) granted_.level = params_.oplock;
    if (*added == ShareModes::Added::orphaned) {
        if (auto r = core_.delete_orphan(*open_); !r) return r.failure();
        return Step::again;
    }
    if (core_.node.still_covers(open_->id, entry)) return Step::done;
    leave();
    return Step::again;
}

Result<CreateOperation::Step, NtStatus> CreateOperation::enter() {
    auto step = enter_record();
    if (!step || *step == Step::again) return step;
    // Somebody may have deleted the file between our opening it and the record's lock: then it is not there.
    auto now = vfs_.stat(open_->file);
    if (now && now->links > 0) {
        open_->stat = *now;
        return Step::done;
    }
    leave();
    return Step::again;
}

void CreateOperation::leave(ShareModes::Removal removal) {
    (void)core_.leave(*open_, removal).ok();  // the failure to report is the create's
}

Result<void, NtStatus> CreateOperation::overwrite() {
    // First, since it is what can be refused: attributes that are too many leave the file as it was.
    if (auto r = store_extended_attributes(vfs_, open_->file, params_.extended_attributes); !r) return r;
    if (auto r = vfs_.truncate(open_->file, 0); !r) return nt_status_from_errno(r.error());
    remove_streams();
    allocate();
    vfs::DosAttributes value = open_->attributes;
    value.change_time = {};
    // MS-FSA 2.1.5.1.2: ARCHIVE is added, NORMAL and NOT_CONTENT_INDEXED are taken away.
    value.attributes = (params_.attributes | attribute::archive) & ~(attribute::normal | attribute::not_content_indexed);
    value.attributes |= open_->attributes.attributes & attribute::reparse_point;  // what it is stays
    if (auto r = open_->store_attributes(value); !r) return r;
    action_ = disposition_of(params_) == Disposition::supersede ? CreateAction::superseded : CreateAction::overwritten;
    return open_->refresh();
}

// SMB2_CREATE_ALLOCATION_SIZE: a hint, but a full disk shows now rather than in the middle of a copy. File systems without it do without.
void CreateOperation::allocate() {
    if (!params_.allocation_size || *params_.allocation_size == 0 || open_->directory || open_->file.path_only) return;
    if (vfs_.allocate(open_->file, vfs::Allocate::keep_size, 0, *params_.allocation_size)) open_->set_aside = *params_.allocation_size;
}

CreateResult CreateOperation::result() {
    CreateResult out;
    out.open = open_;
    out.action = action_;
    out.oplock = granted_.level;
    out.lease = granted_.lease;
    out.info = open_->info_from(open_->stat, open_->attributes, false);
    if (params_.want_maximal_access) {
        const bool all = action_ == CreateAction::created && !share_.decides_by_descriptor();
        out.maximal_access = all ? access::all : rights_of(share_, open_->file, open_->stat, open_->name, UINT32_MAX);
        out.maximal_access &= ~access::system_security;
        if ((open_->attributes.attributes & attribute::readonly) != 0) out.maximal_access &= ~(writing | access::delete_child);
    }
    return out;
}

}  // namespace Atoll::fsa

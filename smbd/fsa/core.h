// What a process keeps of open files: the Opens, reused so that the steady state allocates nothing, and the way to locking.tdb.
#pragma once

#include <deque>
#include <vector>

#include "base/loop/identity.h"
#include "smbd/fsa/byte_range_locks.h"
#include "smbd/fsa/directory_leases.h"
#include "smbd/fsa/grants.h"
#include "smbd/fsa/kernel_oplocks.h"
#include "smbd/fsa/name.h"
#include "smbd/fsa/notifier.h"
#include "smbd/fsa/notify_watches.h"
#include "smbd/fsa/object_ids.h"
#include "smbd/fsa/open_file.h"
#include "smbd/fsa/tunnel_cache.h"
#include "smbd/fsa/oplocks.h"

namespace Atoll::fsa {

class Core final : public FileSystem, private grants::Recalls {
 public:
    explicit Core(FileSystemParams params)
        : params_(std::move(params)),
          notify_watches(params_.notify_index, params_.messaging, params_.loop),
          notifier(params_.notify_index, params_.messaging, params_.loop, &notify_watches),
          modes(params_),
          locks(params_),
          oplocks(*this, params_, modes),
          node(params_, modes, oplocks, locks, notifier),
          directory_leases(oplocks, node),
          kernel_oplocks(*this, params_.loop),
          object_ids(params_) {}
    ~Core() override;

    Result<std::unique_ptr<Share>> connect(ShareParams params) override;
    Result<CreateResult, NtStatus> create(Share& share, const CreateParams& params, Wait* wait) override;
    Result<void, NtStatus> close(Open& open, FileInfo* info) override;
    [[nodiscard]] size_t opens() const override { return in_use_; }
    void end_holders(const Holders& holders, const ShareAt& share_at) override;
    Result<OplockLevel, NtStatus> acknowledge_oplock(Open& open, OplockLevel level) override;
    Result<void, NtStatus> acknowledge_lease(const Guid& client, const Guid& key, uint32_t state) override;

    grants::Recalls& recalls() override { return *this; }
    Result<bool, NtStatus> make_lasting(Open& open, Lasting lasting) override;
    bool disconnect(Open& open, RemainingOpen& remains) override;
    void describe(Open& open, CreateResult& out) override;
    void describe_remains(Open& open, RemainingOpen& remains) override;
    bool describe_persistent(Open& open, bool but_this, FileState& state) override;
    Result<void, NtStatus> restore(const RemainingOpen& remains, NtTime opened, const FileState& state) override;
    bool find_disconnected(RemainingOpen& remains) override;
    Result<CreateResult, NtStatus> reconnect(Share& share, const RemainingOpen& remains, std::optional<std::string_view> expected_path,
                                             Wait* wait) override;
    void end_disconnected(const FileId& file, uint64_t open_id) override;
    Result<bool, NtStatus> wait_for_end(const FileId& file, uint64_t open_id, Monotonic deadline, Wait& wait) override;

    size_t locks_of(const FileId& file, std::string_view stream, uint64_t open_id) override;

    // nullptr at limits::max_opens.
    OpenFile* take();
    // Null: no open of this process has that id, or is under that lease.
    OpenFile* find_open(uint64_t open_id);
    OpenFile* find_open(const lease_id& lease);
    // The Open must not be used any more.
    void give_back(OpenFile& open);
    // Takes the Open's entry out of the file's record, and deletes the file if that is to be then.
    Result<void, NtStatus> leave(OpenFile& open, ShareModes::Removal removal);
    // Deletes the Open's file if it is to be deleted and those who had it open have died. The Open is not entered.
    Result<void, NtStatus> delete_orphan(OpenFile& open);
    // Looks whether the Open's name still is the file's, and takes the record's if another process has renamed it.
    void find_name(OpenFile& open);
    // Adds to `found` what this process has open below the directory.
    void files_below(const OpenFile& directory, std::vector<FileId>& found) const;
    // Tells every Open of the file in this process, and the record, where the file is now.
    void renamed(OpenFile& open, const std::string& new_name);
    // Whether it is to be deleted, as far as this node knows: another one may have withdrawn that just now.
    bool is_going(const FileId& id) { return modes.is_delete_pending(id) && !node.forget_withdrawn(id); }
    [[nodiscard]] const Holder& self() const { return params_.self; }

 private:
    // Calls `remove` under the rights of whoever asked for the deletion.
    template <class F>
    void as_deleter(F remove) {
        if (!deletion_.token) return remove();
        become_deleter();
        remove();
        ATOLL_ASSERT(loop::take_identity(former_));
    }
    void recall(Bytes file, const grants::rights& lost) override { node.recall(file, lost); }
    void may_delete(Bytes file) override;
    void become_deleter();
    bool is_named(OpenFile& open, std::string_view name);
    static std::string name_in_kernel(const OpenFile& open);
    void delete_file(OpenFile& open, const FileId& id);
    void delete_stream(OpenFile& open);
    Result<void, NtStatus> leave_file_of_stream(OpenFile& open);
    void delete_unopened(const FileId& id, const ShareAt& share_at);
    void delete_unopened_in(ShareRoot& share, const FileId& id);
    // `through`: the open that is closed; null: it has been before.
    bool remove_name(ShareRoot& share, const vfs::File& file, std::string_view name, const OpenFile* through);
    Result<void, NtStatus> reopen(OpenFile& open, const RemainingOpen& remains);
    Result<void, NtStatus> need_grants(const OpenFile& open, const RemainingOpen& remains, Wait* wait);
    Result<void, NtStatus> take_back(OpenFile& open, const RemainingOpen& remains);
    static void describe_open(const OpenFile& open, RemainingOpen& remains);
    void settle_changes(OpenFile& open);
    void end_use(OpenFile& open);
    void split(std::string_view path);  // into parent_path_ and leaf_

    FileSystemParams params_;
    std::deque<OpenFile> all_;
    std::vector<OpenFile*> free_;
    size_t in_use_ = 0;
    // Scratch of deletions, kept for capacity.
    ShareModes::Deletion deletion_;
    loop::Identity deleter_, former_;
    std::string parent_path_, leaf_;

 public:
    NotifyWatches notify_watches;
    Notifier notifier;
    ShareModes modes;
    ByteRangeLocks locks;
    std::vector<PosixPiece> posix_pieces;  // scratch
    OplockTable oplocks;
    Grants node;
    DirectoryLeases directory_leases;
    KernelOplocks kernel_oplocks;
    ObjectIds object_ids;
    // Scratch of creates, kept for capacity.
    ParsedName parsed;
    vfs::Located located;
    TunnelCache tunnel;
};

}  // namespace Atoll::fsa

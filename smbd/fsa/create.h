// One create (MS-FSA 2.1.5.1).
#pragma once

#include "smbd/fsa/core.h"
#include "smbd/fsa/rights.h"

namespace Atoll::fsa {

// Phase 1: what is wrong with a request whatever it opens. `params` has its access mapped already.
Result<void, NtStatus> check_parameters(const CreateParams& params);

class CreateOperation {
 public:
    CreateOperation(Core& core, ShareRoot& share, const CreateParams& params, Wait* wait)
        : core_(core), share_(share), vfs_(share.vfs()), params_(params), wait_(wait) {}
    Result<CreateResult, NtStatus> run();

 private:
    enum class Step { done, again };  // again: somebody else made or removed the file meanwhile

    Result<Step, NtStatus> attempt();
    Result<bool, NtStatus> open_existing(const char* path);
    void take_tunnelled_name();
    // reparse.cpp
    Result<void, NtStatus> stop_at(const vfs::File& file, size_t rest);
    Result<void, NtStatus> stop_at_leaf();
    Result<void, NtStatus> stop_at_parent();
    Result<void, NtStatus> missing_component();
    [[nodiscard]] bool is_directory(const vfs::File& file) const;
    Result<Step, NtStatus> take_existing();
    Result<Step, NtStatus> make_new();
    [[nodiscard]] vfs::OpenHow how_to_open_new() const;
    Result<void, NtStatus> make_node(const vfs::Stat& parent);
    Result<bool, NtStatus> open_made_before();
    Step give_up_made();
    Result<void, NtStatus> need_grant();
    Result<void, NtStatus> need_grant_of_new();
    Result<Step, NtStatus> settle_new();
    Result<Step, NtStatus> make_file_of_stream();
    void leave_made_file(std::optional<NtStatus> failure);
    Result<Step, NtStatus> take_stream();
    Result<Step, NtStatus> enter_file_of_stream();
    Result<Step, NtStatus> open_and_enter_stream();
    Result<void, NtStatus> furnish();

    [[nodiscard]] bool wants_directory() const { return (params_.options & option::directory_file) != 0 || core_.parsed.index_allocation; }
    Result<void, NtStatus> enter_snapshot();
    [[nodiscard]] NtStatus why_not_found(const std::string& path) const;
    [[nodiscard]] bool of_stream() const { return !core_.parsed.stream.empty(); }
    [[nodiscard]] share_mode share_entry() const;
    [[nodiscard]] bool overwrites() const;
    [[nodiscard]] vfs::Access data_access(uint32_t desired) const;
    [[nodiscard]] uint32_t added_access() const;
    Result<void, NtStatus> check_type(bool is_directory) const;
    Result<void, NtStatus> check_collision();
    Result<void, NtStatus> check_overwrite() const;
    Result<void, NtStatus> check_access();
    Result<void, NtStatus> grant(uint32_t remaining);
    Result<void, NtStatus> open_for_granted();
    Result<Step, NtStatus> enter();
    Result<Step, NtStatus> enter_record();
    [[nodiscard]] CachingRequest caching_request() const;
    void take_kernel_oplock(CachingRequest& caching);
    Result<void, NtStatus> wait_for_kernel(const char* path);
    Result<void, NtStatus> wait_for_kernel(const vfs::File& file, const vfs::Stat& stat);
    void relax_exclusive();
    Result<void, NtStatus> overwrite();
    void remove_streams();
    void allocate();
    void leave(ShareModes::Removal removal = ShareModes::Removal::of_failed_create);
    void report();
    CreateResult result();

    Core& core_;
    ShareRoot& share_;
    vfs::Vfs& vfs_;
    CreateParams params_;
    Wait* wait_;
    OpenFile* open_ = nullptr;
    uint32_t verified_ = 0;  // access that the kernel has granted by opening the file so
    CreateAction action_ = CreateAction::opened;
    bool makes_stream_ = false;
    OpenFile* made_file_ = nullptr;  // of the stream that is to be made; open until that is done
    bool made_file_is_new_ = false;
    std::optional<FileId> made_before_;  // by this create, which then had to wait for a grant
    CachingGrant granted_;
};

}  // namespace Atoll::fsa

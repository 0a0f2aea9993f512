// The node part of grants (tdb/grants, docs/design.md): what opens need of it, and what is ended here when another node recalls it. Without
// a cluster part there are no grants, and nothing here costs anything.
#pragma once

#include <list>

#include "smbd/fsa/byte_range_locks.h"
#include "smbd/fsa/caching.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/share_modes.h"
#include "tdb/grants/grants.h"

namespace Atoll::fsa {

class Grants final : public grants::Recalls {
 public:
    Grants(const FileSystemParams& params, ShareModes& modes, OplockTable& oplocks, ByteRangeLocks& locks)
        : params_(params), modes_(modes), oplocks_(oplocks), locks_(locks) {}

    // Whether there are other nodes.
    [[nodiscard]] bool shared() const { return params_.node_grants != nullptr; }
    // Whether its opens are this node's affair.
    [[nodiscard]] bool covers(const FileId& id) const { return shared() && (params_.directories == nullptr || id.is_directory()); }

    // Before an open is entered in the file's record, also that of a stream that is about to be made, of a file that has just been made,
    // and of one that a client takes back. PENDING: the cluster part has been asked; SHARING_VIOLATION: another node has it open in a way
    // that excludes this. What it may cache is lowered to what may be handed out here. Asks for `unlocked` by the way.
    Result<void, NtStatus> need_open(const FileId& id, const share_mode& entry, CachingRequest& caching, Wait* wait);
    // After it has been entered: false, if the grant has been recalled in between. Then the entry goes, and it is asked again.
    bool still_covers(const FileId& id, const share_mode& entry);

    // Before byte-range locks are taken. PENDING; LOCK_NOT_GRANTED: not without a `wait`, or another node counts on there being none.
    Result<void, NtStatus> need_lock(const FileId& id, Wait* wait);
    // After they have been entered: false, as above.
    bool still_locks(const FileId& id);

    // Before a file is marked for deletion, or goes because another gets its name. PENDING; SHARING_VIOLATION: another node has it open.
    Result<void, NtStatus> need_deletion(const FileId& id, Wait* wait);
    // After it has been marked: false, as above.
    bool still_deletes(const FileId& id);

    // After names in a directory have changed, or what a listing tells of them. Nobody waits: if other nodes may have leases on it they are
    // asked to break them, as processes of this node are.
    void children_changed(const FileId& directory);

    // What rests on it is broken; the home hears of it when that is acknowledged, and what opens still use is kept.
    void recall(Bytes file, const grants::rights& lost) override;

 private:
    // A recall that waits: until what was granted just now has been used, then for acknowledgments.
    class Recall final : public Wait {
     public:
        explicit Recall(Grants& grants) : grants_(grants) {}
        void resume() override { grants_.go_on(*this); }

        FileId id;
        grants::rights lost;
        bool busy = false;
        bool taken_back = false;

     private:
        Grants& grants_;
    };

    void want(const FileId& id, const grants::rights& wanted);
    grants::rights used(const FileId& id);
    Result<grants::Answer, NtStatus> ask(const FileId& id, const grants::rights& wanted, Wait* wait);
    Result<grants::Answer> take_back(Recall& recall);
    Result<void, NtStatus> end_caching(Recall& recall);
    void go_on(Recall& recall);

    const FileSystemParams& params_;
    ShareModes& modes_;
    OplockTable& oplocks_;
    ByteRangeLocks& locks_;
    std::list<Recall> recalls_;  // reused
};

}  // namespace Atoll::fsa

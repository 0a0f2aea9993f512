// The node part of grants (tdb/grants, docs/design.md): what opens need of it, and what is ended here when another node recalls it. Without
// a cluster part there are no grants, and nothing here costs anything.
#pragma once

#include <list>

#include "smbd/fsa/byte_range_locks.h"
#include "smbd/fsa/caching.h"
#include "smbd/fsa/notifier.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/share_modes.h"
#include "tdb/grants/grants.h"

namespace Atoll::fsa {

class Grants final {
 public:
    Grants(const FileSystemParams& params, ShareModes& modes, OplockTable& oplocks, ByteRangeLocks& locks, Notifier& notifier)
        : params_(params), modes_(modes), oplocks_(oplocks), locks_(locks), notifier_(notifier) {}

    // Whether there are other nodes.
    [[nodiscard]] bool shared() const { return params_.node_grants != nullptr; }
    // Whether its opens are this node's affair.
    [[nodiscard]] bool covers(const FileId& id) const { return shared() && (params_.directories == nullptr || id.is_directory()); }

    // Before an open is entered in the file's record, also that of a stream that is about to be made, of a file that has just been made,
    // and of one that a client takes back. PENDING: the cluster part has been asked; SHARING_VIOLATION: another node has it open in a way
    // that excludes this. What it may cache is lowered to what may be handed out here. Asks for `unlocked` by the way.
    Result<void, NtStatus> need_open(const FileId& id, const share_mode& entry, CachingRequest& caching, Wait* wait);
    // The same of an open that is not entered, as that of the directory in which a name is made (MS-FSA 2.1.5.15.12).
    Result<void, NtStatus> may_open(const FileId& id, uint32_t access, uint32_t share, Wait* wait);
    // After it has been entered: false, if the grant has been recalled in between. Then the entry goes, and it is asked again.
    bool still_covers(const FileId& id, const share_mode& entry);

    // Before byte-range locks are taken. PENDING; LOCK_NOT_GRANTED: not without a `wait`, or another node counts on there being none.
    Result<void, NtStatus> need_lock(const FileId& id, Wait* wait);
    // After they have been entered: false, as above.
    bool still_locks(const FileId& id);

    // Before a file goes because another gets its name. PENDING; SHARING_VIOLATION: another node has it open.
    Result<void, NtStatus> need_deletion(const FileId& id, Wait* wait);

    // --- Deletion while several nodes have it open (docs/grants.md). `orders`: name, share and token count.
    // Before it is marked for deletion. PENDING; after SUCCESS whatever another node has open of it is marked too. SHARING_VIOLATION: of a
    // stream, or without a `wait`, another node has it open.
    Result<void, NtStatus> need_mark(const FileId& id, const ShareModes::Deletion& orders, Wait* wait);
    // After it has been marked: false, as above.
    bool still_marked(const FileId& id);
    // It has been marked by a close, and others of this node have it open: other nodes are told, and nobody waits.
    void spread_mark(const FileId& id, const ShareModes::Deletion& orders);
    // It is not to be deleted after all.
    void withdraw_mark(const FileId& id);
    // Whether another node has withdrawn what this one's record says; then that does not say so any more.
    bool forget_withdrawn(const FileId& id);
    // At the last close on this node of what is to be deleted: whether the caller deletes it. False: it is done with; whoever is the last
    // on all nodes deletes it, or this node's agent when that turns out to have been this one.
    bool deletes(const FileId& id, const ShareModes::Deletion& orders);
    // For the agent: what a mark in force orders; false: there is none.
    bool find_orders(const FileId& id, ShareModes::Deletion& orders);
    void deleted(const FileId& id);

    // After names in a directory have changed, or what a listing tells of them. Nobody waits: if other nodes may have leases on it they are
    // asked to break them, as processes of this node are.
    void children_changed(const FileId& directory);

    // What rests on it is broken; the home hears of it when that is acknowledged, and what opens still use is kept.
    void recall(Bytes file, const grants::rights& lost);

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

    grants::Answer want(const FileId& id, const grants::rights& wanted);
    [[nodiscard]] bool shares_deletion(const FileId& id) const { return covers(id) && id.stream == 0; }
    std::optional<grants::deletion_mark> mark_of(const FileId& id);
    Result<void> set_mark(const FileId& id, const ShareModes::Deletion& orders);
    void adopt_mark(const FileId& id);
    NtStatus why_refused(const FileId& id);
    grants::rights used(const FileId& id);
    Result<grants::Answer, NtStatus> ask(const FileId& id, const grants::rights& wanted, Wait* wait);
    Result<grants::Answer> take_back(Recall& recall);
    Result<void, NtStatus> end_caching(Recall& recall);
    void go_on(Recall& recall);

    const FileSystemParams& params_;
    ShareModes& modes_;
    OplockTable& oplocks_;
    ByteRangeLocks& locks_;
    Notifier& notifier_;
    std::list<Recall> recalls_;    // reused
    ShareModes::Deletion orders_;  // scratch
};

}  // namespace Atoll::fsa

// The records of locking.tdb: who has a file open, with which access and sharing, and whether it is to be deleted. Every function is one
// locked step on one record, without file I/O inside.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "smbd/fsa/fsa.h"
#include "smbd/fsa/locking.idl.h"

namespace Atoll::fsa {

class OplockTable;
struct CachingRequest;
struct CachingGrant;

// Whether an open may stand beside an existing one (MS-FSA 2.1.5.1.2.1 and 2.1.5.1.2.2). Access masks are those granted.
bool sharing_conflicts(uint32_t access_a, uint32_t share_a, uint32_t access_b, uint32_t share_b);
// The same of two opens of one file, by its own record: between an open of a stream and one of the whole file only deleting matters
// (MS-FSA 2.1.5.1.2.1).
bool sharing_conflicts(const share_mode& a, const share_mode& b);

// Whether the entry stays when its process ends or its client goes away.
bool outlives_process(const share_mode& entry);

inline Holder holder_of(const tdb::server_id& id) { return {id.vnn, id.pid, id.unique_id}; }
inline tdb::server_id server_id_of(const Holder& holder) { return {holder.node, holder.pid, holder.unique_id}; }

class ShareModes {
 public:
    explicit ShareModes(const FileSystemParams& params) : params_(params) {}

    struct Name {
        std::string_view share_path;
        std::string_view name;
        std::string_view stream;  // stored name; "" the unnamed one
    };
    enum class Added {
        yes,
        orphaned,  // nobody who still lives has it open, but it is to be deleted: drop_ended, delete it and try again
    };
    struct Opening {
        const share_mode& entry;
        const Name& name;
        const security::Token* token = nullptr;
        uint32_t desired = 0;  // access, as others' caching sees it
        bool overwrites = false;
        const CachingRequest* caching = nullptr;  // null: none is wanted
        CachingGrant* granted = nullptr;          // with `caching`
        Wait* wait = nullptr;
    };
    // Enters an open (MS-FSA 2.1.5.1.2). SHARING_VIOLATION, DELETE_PENDING; PENDING: `wait` waits for somebody to give up an oplock or
    // lease; INSUFFICIENT_RESOURCES if the database fails.
    Result<Added, NtStatus> add(const FileId& id, const Opening& opening);

    // What is to be done when an open has been removed.
    struct Deletion {
        bool now = false;       // it was the last and the file is to be deleted; the entry stays until finish_deletion
        bool by_close = false;  // because of the FILE_DELETE_ON_CLOSE of the one that has been removed
        std::string share_path, name, stream;
        std::optional<security::Token> token;  // whose rights it takes; nullopt: the caller's
    };
    enum class Removal {
        of_close,
        of_failed_create,  // its own FILE_DELETE_ON_CLOSE does not count
        of_failed_new,     // as before; and the file, which it made, goes with it unless somebody else has it open
    };
    // `name` is that of the open: the link that its FILE_DELETE_ON_CLOSE deletes.
    Result<void, NtStatus> remove(const FileId& id, uint64_t open_id, const Name& name, Deletion& deletion,
                                  Removal removal = Removal::of_close);
    // The entries of holders that have ended go. If nobody is left and the file is to be deleted, the caller becomes the only entry.
    Result<void, NtStatus> drop_ended(const FileId& id, uint64_t open_id, Deletion& deletion);
    // Files that one of the holders has entries of, each once. Looks at every record.
    std::vector<FileId> held_by(const Holders& holders);
    void finish_deletion(const FileId& id);
    // Nobody of this node has it open, nor any other node: the caller becomes the only entry. False: somebody has, and it is marked.
    Result<bool, NtStatus> enter_deletion(const FileId& id, const Deletion& deletion);
    // What the record says of the deletion; false: it is not to be deleted.
    bool describe_deletion(const FileId& id, Deletion& deletion);

    // --- Opens that outlive their process: durable_entries.cpp.
    // False: the entry does not cache what a durable one has to.
    Result<bool, NtStatus> make_durable(const FileId& id, uint64_t open_id, Lasting lasting);
    // The entry is nobody's from now on. False: it does not outlive its client.
    Result<bool, NtStatus> disconnect(const FileId& id, uint64_t open_id);
    // It is this process's again; `entry` is it. OBJECT_NAME_NOT_FOUND: it is not there any more, or has lost what it lived by.
    Result<void, NtStatus> reconnect(const FileId& id, uint64_t open_id, share_mode& entry);
    // As remove(), of an entry that is nobody's.
    enum class Ended : uint8_t { yes, taken /* it is somebody's again */, gone };
    Result<Ended, NtStatus> remove_disconnected(const FileId& id, uint64_t open_id, Deletion& deletion);
    // Enters one that is nobody's, as it was; without effect if it is there.
    Result<void, NtStatus> restore(const FileId& id, const share_mode& entry, const LeaseGrant& lease, const FileState& state);
    // False: nobody has it open persistently, but for `but` if that is not 0.
    bool describe_persistent(const FileId& id, uint64_t but, FileState& state);
    // The entry as it is now; nullopt: there is none that is nobody's.
    std::optional<share_mode> find_disconnected(const FileId& id, uint64_t open_id);

    // `name`: the link that is to be deleted.
    Result<void, NtStatus> set_delete_pending(const FileId& id, bool pending, const Name& name, const security::Token* token);
    bool is_delete_pending(const FileId& id);
    // Where the file that was opened first as something else is now, if that was by way of the same share; else `name` stays.
    void current_name(const FileId& id, std::string_view share_path, std::string& name);
    // The record of a stream becomes that of its new name. The open must be the only one of both; SHARING_VIOLATION if it is not.
    Result<void, NtStatus> move(const FileId& from, const FileId& to, uint64_t open_id, const Name& name);
    void rename(const FileId& id, std::string_view old_name, const Name& name);
    // Whether an open with that access and sharing could not stand beside those that are there. It is not entered.
    Result<bool, NtStatus> would_conflict(const FileId& id, uint32_t access, uint32_t share);
    // An open of a stream becomes one of the whole file, which nobody else has open: SHARING_VIOLATION if somebody has.
    Result<void, NtStatus> become_file(const FileId& stream, uint64_t open_id);
    // Opens of the file other than `open_id` whose holders live.
    Result<size_t, NtStatus> others(const FileId& id, uint64_t open_id);
    // Adds to `found` what is open below the directory. Looks at every record: for directory renames only.
    Result<void, NtStatus> files_below(const Name& directory, std::vector<FileId>& found);
    // Whether somebody has it open, and his holder lives.
    Result<bool, NtStatus> is_open(const FileId& id);

    // --- For OplockTable: a step on a record of its own.
    void attach(OplockTable& oplocks) { oplocks_ = &oplocks; }
    Result<tdb::LockedRecord, NtStatus> lock(const FileId& id);
    Result<void, NtStatus> write(tdb::LockedRecord& record);
    locking_record& record() { return record_; }  // of the record that was locked last
    // The record as it is now, without holding it; null: there is none. Valid until the next call.
    const locking_record* look_at(const FileId& id);
    // False: certainly nobody caches anything of the file.
    bool may_be_cached(const FileId& id);
    // Whether anybody has the file open under that lease.
    bool has_lease(const FileId& id, const lease_id& lease);
    void drop_dead();

 private:
    [[nodiscard]] tdb::Database& database_of(const FileId& id) const {
        return id.is_directory() && params_.directories != nullptr ? *params_.directories : params_.locking;
    }
    Result<void> visit_all(tdb::Visitor visitor);
    [[nodiscard]] bool is_self(const share_mode& entry, uint64_t open_id) const {
        return entry.open_id == open_id && holder_of(entry.holder) == params_.self;
    }
    Result<void, NtStatus> copy_only_entry(const FileId& from, const FileId& to, uint64_t open_id, const Name& name);
    [[nodiscard]] NtStatus conflict_with(const share_mode& entry) const;
    [[nodiscard]] bool breaks_something(const Opening& opening) const;
    [[nodiscard]] bool joins_lease_of_another_process(const share_mode& entry) const;
    struct Look;
    NtStatus look(const FileId& id, const Opening& opening, Look& found);
    NtStatus look_at_sharing(const FileId& id, const Opening& opening, Look& found);
    Result<Added, NtStatus> wait_for_others(tdb::LockedRecord& record, const Opening& opening, const Look& found);
    void remove_entry(uint64_t open_id);
    std::vector<share_mode>::iterator find_disconnected(uint64_t open_id);
    void describe(Deletion& deletion) const;
    void set_name(const Name& name);
    void set_deleter(const security::Token* token);
    void clear_deleter();

    const FileSystemParams& params_;
    OplockTable* oplocks_ = nullptr;
    locking_record record_;        // scratch, kept for its capacity
    security::Token spare_token_;  // the capacity of one that record_ does not have now
    Buffer encoded_;
};

}  // namespace Atoll::fsa

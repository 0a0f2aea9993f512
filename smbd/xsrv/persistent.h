// Persistent opens (MS-SMB2 3.3.1.10, Open.IsPersistent) where they survive the server and the machine: databases of the durable state
// (docs/durable.md). They are written by batches through the committer, in which changes of several of them stand together, and a client is
// answered when its batch is on the disk (docs/design.md, "Continuous availability"). READ and WRITE write nothing here.
//
// Main thread; not across a fork.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "smbd/fsa/types.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/committer/batch.h"
#include "tdb/committer/durable_store.h"

namespace Atoll::xsrv {

constexpr const char* persistent_open_database = "smbXsrv_open_persistent";
constexpr const char* persistent_lock_database = "smbXsrv_lock_persistent";
constexpr const char* persistent_file_database = "smbXsrv_file_persistent";
constexpr const char* create_intent_database = "smbXsrv_create_intent";

inline bool is_persistent(const open_global& record) { return record.durable && record.durable->kind == handle_kind::HANDLE_PERSISTENT; }
inline fsa::FileId file_of(const open_global& record) { return {record.id.volume, record.id.inode, record.id.generation, 0}; }

// Buckets of an open's locks: bit i is bucket i.
using LockBuckets = uint64_t;
LockBuckets bucket_of(const open_lock& lock);
LockBuckets buckets_of(const open_global& record);

// --- What goes into a batch.
// Without its locks.
void put_open(committer::Batch& batch, const open_global& record);
// Those of its locks that lie in these buckets, in place of what the disk has there. A batch takes all that one open may have.
void put_locks(committer::Batch& batch, const open_global& record, LockBuckets buckets);
// With its locks in these buckets.
void remove_open(committer::Batch& batch, uint64_t persistent_id, LockBuckets buckets);
void remove_locks(committer::Batch& batch, uint64_t persistent_id, LockBuckets buckets);
void put_file(committer::Batch& batch, const fsa::FileId& file, const fsa::FileState& state);
void remove_file(committer::Batch& batch, const fsa::FileId& file);
void put_intent(committer::Batch& batch, const create_intent& intent);
void remove_intent(committer::Batch& batch, const Guid& client_guid, const Guid& create_guid);

// --- What there is. Reading waits for nobody. A record that does not decode is left out, with a line in the log.
class PersistentState {
 public:
    explicit PersistentState(committer::DurableStore& store) : store_(store) {}

    Result<void> for_each_open(const std::function<void(const open_global&)>& visit);
    Result<void> for_each_file(const std::function<void(const fsa::FileId&)>& visit);
    Result<void> for_each_intent(const std::function<void(const create_intent&)>& visit);
    std::optional<open_global> find_open(uint64_t persistent_id);
    Result<bool> has_open(uint64_t persistent_id);
    // Adds its removal, with its locks, and that it has not changed: what somebody writes of it meanwhile, the client that takes it back
    // first of all, fails the batch. False: it is not there, and nothing is added.
    Result<bool> remove_unchanged_open(committer::Batch& batch, uint64_t persistent_id);
    // The same of a file's.
    Result<bool> remove_unchanged_file(committer::Batch& batch, const fsa::FileId& file);
    // The buckets in which the disk has other locks than the record.
    LockBuckets differing(const open_global& record);
    // `visit` gets whose locks they are.
    Result<void> for_each_lock_bucket(const std::function<void(uint64_t persistent_id, LockBuckets bucket)>& visit);
    std::optional<fsa::FileState> find_file(const fsa::FileId& file);
    std::optional<create_intent> find_intent(const Guid& client_guid, const Guid& create_guid);

    committer::CommitClient& commits() { return store_.commits(); }

 private:
    committer::DurableStore& store_;
};

// What was cached for reading alone is not given back when the tables were lost: others' writes take it (MS-FSA 2.1.5.4) without an
// acknowledgment and without a commit, so the disk does not know whether it is still there. The client hears of it when it comes back.
void give_up_read_caching(open_global& record);

// What fsa needs to know of a recorded open to put it back or to give it back; the token is left out.
fsa::RemainingOpen remaining_open(const open_global& record);

}  // namespace Atoll::xsrv

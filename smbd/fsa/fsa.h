// Open files as MS-FSA describes them: what a share's files are to SMB. One FileSystem a process; Shares (connected trees) and Opens.
//
// Errors are the NTSTATUS that MS-FSA names. Everything belongs to the process's main thread, but run_read, run_write and run_flush, which
// pool threads call. Calls act under the identity that the calling thread has taken (base/loop/identity.h): the user of the session, or
// what `force user` makes of him. An Open is only ever used under the identity it was made with, on the pool too.
//
// Share modes, delete-on-close and names live in locking.tdb (locking.idl), one record a file: create and close are one locked step on it.
// This room neither knows SMB2's structures nor sends anything.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "conf/configuration.h"
#include "smbd/fsa/notify.h"
#include "smbd/fsa/types.h"
#include "tdb/database.h"

namespace Atoll::grants {
class NodeGrants;
class Recalls;
}  // namespace Atoll::grants

namespace Atoll::fsa {

// The process that an entry in locking.tdb belongs to.
struct Holder {
    uint32_t node = 0xFFFFFFFF;  // this node, where there is no cluster
    uint64_t pid = 0;
    uint64_t unique_id = 0;  // tells a pid's later life from its former
    auto operator<=>(const Holder&) const = default;
};
using Holders = std::set<Holder>;

class Share;

struct FileSystemParams {
    tdb::Database& locking;  // locking.tdb, rank locking; must outlive the FileSystem
    tdb::Database& brlock;   // brlock.tdb, rank brlock; the same. Its sequence number must count
    Holder self;
    std::function<bool(const Holder&)>
        holder_exists;  // false only if it is certain that the process has ended; its entries are then removed

    security::IdMap* ids = nullptr;  // who uids and gids are; must outlive the FileSystem. Null: S-1-22-1-uid and S-1-22-2-gid

    // For oplocks and leases; what is given must outlive the FileSystem. Without `leases` no lease is granted; without messages, watches,
    // loop and sink nothing is, and nobody waits: what would have to is refused.
    tdb::Database* leases = nullptr;  // leases.tdb, rank leases
    messaging::Messaging* messaging = nullptr;
    watch::Watches* watches = nullptr;  // observes locking
    loop::Loop* loop = nullptr;
    BreakSink* breaks = nullptr;

    // What this node may do without asking others; must outlive the FileSystem, its database be observed by `watches`, and recalls be
    // passed to FileSystem::recalls(). Null: there is no other node.
    grants::NodeGrants* node_grants = nullptr;
    // With node_grants: what locking.tdb has of files is all nodes', under no grants; what it would have of directories is here, this node's
    // own, of the same rank, observed too. Null: all of it is this node's.
    tdb::Database* directories = nullptr;

    // For opens that outlive their process. Without both an open whose client is away is in the way of others until its time is up.
    std::function<Share*(const std::string& path)> share_at = {};  // whose root is there; null: none. In it is deleted
    std::function<void(uint64_t open_id)> open_ended = {};  // one whose client was away: it is in none of this room's tables any more

    // object_ids.tdb, which outlives the server and has transactions: opened when it is wanted for the first time, as root. Null: it cannot
    // be; ids are then not compared.
    std::function<tdb::Database*()> object_ids = {};

    // For change notification, with messages and loop. Without all three nothing is notified of.
    tdb::Database* notify_index = nullptr;  // notify_index.tdb; counts its changes
};

struct ShareParams {
    std::shared_ptr<const conf::ShareConf> conf;
    std::string path;                                       // of the root, macros expanded
    bool read_only = false;                                 // for this user: `read only`, `read list`, `write list`
    std::string veto_files, hide_files, veto_oplock_files;  // expanded
    const security::Token* token = nullptr;  // of the user, for what descriptors grant; must outlive the Share. Null: the kernel decides
    std::function<std::string(std::string_view text)> expand;  // %-macros in the options of vfs modules; may be empty
    std::string get_quota_command, set_quota_command;          // empty: the file system's own quotas
};

// A snapshot's time (Open::list_snapshots) as an @GMT token (MS-SMB2 glossary).
std::string snapshot_token(int64_t time);

class Share {
 public:
    virtual ~Share() = default;
    [[nodiscard]] virtual const std::string& name() const = 0;
    [[nodiscard]] virtual bool read_only() const = 0;
    // The share root's rights for the caller: MaximalAccess of a TREE_CONNECT response.
    virtual uint32_t maximal_access() = 0;
    virtual Result<VolumeInfo, NtStatus> volume() = 0;
    virtual Result<VolumeSize, NtStatus> size() = 0;
    virtual QuotaIndex& quotas() = 0;
    // Opens that are not closed yet.
    [[nodiscard]] virtual size_t opens() const = 0;
};

class Open {
 public:
    [[nodiscard]] virtual Share& share() = 0;
    [[nodiscard]] virtual bool is_directory() const = 0;
    [[nodiscard]] virtual uint32_t granted_access() const = 0;
    [[nodiscard]] virtual uint32_t share_access() const = 0;
    [[nodiscard]] virtual uint32_t options() const = 0;
    [[nodiscard]] virtual const FileId& file_id() const = 0;
    // The 8.3 name (FileAlternateNameInformation); "" if there is none: `mangled names = no`, or the share's root. Valid until the next
    // call.
    virtual std::string_view short_name() = 0;
    [[nodiscard]] virtual const std::string& path() const = 0;  // stored names, '/' between components; "" the root

    // --- Information. Which access a class needs is the caller's to check (granted_access); these do not.
    virtual Result<FileInfo, NtStatus> info() = 0;  // fresh
    virtual FileInfo known_info() = 0;              // as of the last look at the file: for a query that comes together with the create
    virtual Result<void, NtStatus> set_basic(const SetBasic& value) = 0;      // MS-FSA 2.1.5.15.2
    virtual Result<void, NtStatus> set_end_of_file(uint64_t size) = 0;        // 2.1.5.15.5
    virtual Result<void, NtStatus> set_allocation_size(uint64_t size) = 0;    // 2.1.5.15.1
    virtual Result<void, NtStatus> set_valid_data_length(uint64_t size) = 0;  // 2.1.5.15.15
    virtual Result<void, NtStatus> set_position(uint64_t position) = 0;       // 2.1.5.15.10
    virtual Result<void, NtStatus> set_mode(uint32_t mode) = 0;               // 2.1.5.15.8
    // Those with a `wait` may return PENDING, as FileSystem::create; without one nobody is waited for.
    virtual Result<void, NtStatus> set_disposition(bool delete_pending, Wait* wait = nullptr) = 0;  // 2.1.5.15.3
    // `new_path` as CreateParams::path, from the share's root.
    virtual Result<void, NtStatus> rename(std::string_view new_path, bool replace, Wait* wait = nullptr) = 0;  // 2.1.5.15.12
    virtual Result<void, NtStatus> link(std::string_view new_path, bool replace, Wait* wait = nullptr) = 0;    // 2.1.5.15.7

    // The streams of the file (2.1.5.12.29), with those that others make and delete at the time.
    virtual Result<void, NtStatus> list_streams(std::vector<StreamEntry>& out) = 0;
    // When snapshots were taken that may have the file: seconds since 1970, in the order in which they are to be told. None where no
    // module keeps any.
    virtual Result<void, NtStatus> list_snapshots(std::vector<int64_t>& out) = 0;

    // --- Extended attributes, in the order in which the file system keeps them.
    // The length of all as a FILE_FULL_EA_INFORMATION list, each entry aligned to 4 bytes; 0 without any, and with `ea support = no`.
    virtual uint32_t ea_length() = 0;
    virtual Result<void, NtStatus> get_extended_attributes(ExtendedAttributes& out) = 0;  // 2.1.5.12.12; none if not supported
    // Sets and deletes one after the other. INVALID_EA_NAME, EA_TOO_LARGE and ACCESS_DENIED (FILE_WRITE_EA is missing, or a name is one
    // under which the server keeps its own) before anything is changed; EAS_NOT_SUPPORTED with `ea support = no`.
    virtual Result<void, NtStatus> set_extended_attributes(std::span<const ExtendedAttribute> list) = 0;  // 2.1.5.15.6

    // --- Security. `parts`: bits of security::part, of which only those that there are count. ACCESS_DENIED if the Open was not granted
    // what they need; of a set, INVALID_OWNER for an owner that the user may not name.
    virtual Result<void, NtStatus> query_security(uint32_t parts, security::SecurityDescriptor& out) = 0;        // 2.1.5.14
    virtual Result<void, NtStatus> set_security(uint32_t parts, const security::SecurityDescriptor& value) = 0;  // 2.1.5.17

    // --- Data. read_now answers what can be answered at once; what it cannot goes to the pool:
    //     begin_job(); pool: run_read(); main: end_job(), finish_read().
    virtual Result<ReadNow, NtStatus> read_now(MutableBytes out, uint64_t offset) = 0;  // 2.1.5.3; END_OF_FILE at or past it
    virtual Result<size_t, NtStatus> run_read(MutableBytes out, uint64_t offset) = 0;   // any thread; blocks
    virtual Result<size_t, NtStatus> finish_read(Result<size_t, NtStatus> result, uint64_t offset) = 0;
    // write_now is check_write, run_write and finish_write in one, on the main thread: for small writes.
    virtual Result<size_t, NtStatus> write_now(Bytes data, uint64_t offset, bool write_through) = 0;
    virtual Result<void, NtStatus> check_write(uint64_t offset, size_t length) = 0;                   // 2.1.5.4; before a job
    virtual Result<size_t, NtStatus> run_write(Bytes data, uint64_t offset, bool write_through) = 0;  // any thread; blocks
    virtual Result<size_t, NtStatus> finish_write(Result<size_t, NtStatus> result, uint64_t offset) = 0;
    virtual Result<void, NtStatus> check_flush() = 0;  // 2.1.5.7
    virtual Result<void, NtStatus> run_flush() = 0;    // any thread; blocks
    // While a job runs the descriptor stays open, even if close() is called meanwhile; the Open may be gone after the last end_job.
    virtual void begin_job() = 0;
    virtual void end_job() = 0;

    // --- Byte-range locks. Reading and writing fail with FILE_LOCK_CONFLICT where another open's lock forbids it (2.1.4.10), unless
    // `strict locking = no`. INVALID_PARAMETER for a directory, INVALID_LOCK_RANGE where a byte lies beyond 64 bits, ACCESS_DENIED for an
    // open that may neither read nor write data. With `locking = no` both succeed and do nothing.
    // Before locks are taken: PENDING, with `wait`, if another node has to be asked; LOCK_NOT_GRANTED: it counts on there being none.
    virtual Result<void, NtStatus> may_lock(Wait* wait) = 0;
    // All of the ranges or none (2.1.5.8). LOCK_NOT_GRANTED: another lock is in the way; with `wait`, PENDING.
    virtual Result<void, NtStatus> lock(std::span<const LockRange> ranges, Wait* wait = nullptr) = 0;
    // One after the other (2.1.5.9); those before a failure stay unlocked. RANGE_NOT_LOCKED.
    virtual Result<void, NtStatus> unlock(std::span<const LockRange> ranges) = 0;
    [[nodiscard]] virtual size_t lock_count() const = 0;  // that it holds

    // --- Holes, compression, and copies within the server: what FSCTLs ask for (MS-FSA 2.1.5.10). These check granted_access themselves.
    virtual Result<void, NtStatus> set_sparse(bool sparse) = 0;  // 2.1.5.10.38
    // Appends what of the range has blocks; all of it for a file that is not sparse. At most `limit`; true: there are more. 2.1.5.10.22
    virtual Result<bool, NtStatus> allocated_ranges(const FileRange& range, size_t limit, std::vector<FileRange>& out) = 0;
    virtual Result<void, NtStatus> set_zero_data(uint64_t offset, uint64_t beyond) = 0;  // 2.1.5.10.39
    // The bytes are not needed any more, and what is read there from now on is zeros or what was there (2.1.5.10.6).
    virtual Result<void, NtStatus> trim(std::span<const FileRange> ranges) = 0;
    virtual Result<bool, NtStatus> is_compressed() = 0;                  // 2.1.5.10.9
    virtual Result<void, NtStatus> set_compressed(bool compressed) = 0;  // 2.1.5.10.30; NOT_SUPPORTED: the file system has none
    // Into this file from `source`, which may be the same. Main thread: check, begin_job() of both; pool: run; main: end_job(),
    // finish_write. MS-SMB2 3.3.5.15.6. `run_copy` gives INVALID_VIEW_SIZE if the source ends before; fewer bytes: the disk is full. `to`
    // ~0: at the end.
    virtual Result<void, NtStatus> check_copy(Open& source, uint64_t from, uint64_t to, size_t length) = 0;
    virtual Result<size_t, NtStatus> run_copy(Open& source, uint64_t from, uint64_t to, size_t length) = 0;
    virtual Result<void, NtStatus> check_duplicate(Open& source, uint64_t from, uint64_t to, uint64_t length) = 0;  // 2.1.5.10.4
    virtual Result<void, NtStatus> run_duplicate(Open& source, uint64_t from, uint64_t to, uint64_t length) = 0;

    // --- Reparse points and object ids (MS-FSCC 2.1.2, 2.1.3), of the file whatever stream is open. VOLUME_NOT_UPGRADED where the share
    // keeps none. A buffer is a REPARSE_DATA_BUFFER or REPARSE_GUID_DATA_BUFFER; its data is not looked into.
    virtual Result<void, NtStatus> get_reparse_point(Buffer& out) = 0;          // 2.1.5.10.14: all of it
    virtual Result<void, NtStatus> set_reparse_point(Bytes buffer) = 0;         // 2.1.5.10.37
    virtual Result<void, NtStatus> delete_reparse_point(Bytes buffer) = 0;      // 2.1.5.10.3
    virtual Result<ObjectId, NtStatus> object_id() = 0;                         // 2.1.5.10.13; OBJECTID_NOT_FOUND
    virtual Result<ObjectId, NtStatus> create_or_get_object_id() = 0;           // 2.1.5.10.1
    virtual Result<void, NtStatus> set_object_id(const ObjectId& value) = 0;    // 2.1.5.10.35; DUPLICATE_NAME
    virtual Result<void, NtStatus> set_object_id_extended(Bytes extended) = 0;  // 2.1.5.10.36; of ObjectId::extended_size bytes
    virtual Result<void, NtStatus> delete_object_id() = 0;                      // 2.1.5.10.2

    // --- Directories (2.1.5.6.3). begin_query, then next_entry until it gives null or the answer is full; what did not fit is put back.
    virtual Result<void, NtStatus> begin_query(const QueryDirectory& query) = 0;
    // Null at the end. What is beyond `detail` is left unset.
    virtual Result<const DirectoryItem*, NtStatus> next_entry(EntryDetail detail) = 0;
    // The 8.3 name of that entry: "" if its name is one, or there are none (`mangled names = no`). Valid until the next call.
    virtual std::string_view entry_short_name() = 0;
    virtual void put_back_entry() = 0;
    // The status of a query that found nothing: NO_SUCH_FILE for the first one with its pattern, else NO_MORE_FILES.
    [[nodiscard]] virtual NtStatus nothing_found() const = 0;

    // --- Changes below a directory (2.1.5.11). SUCCESS and NOTIFY_ENUM_DIR: there were some already; `events` are they. PENDING:
    // wait.changed() is called later, unless it is given up before. NOT_SUPPORTED, INSUFFICIENT_RESOURCES, DELETE_PENDING.
    virtual NtStatus wait_for_changes(NotifyWait& wait, NotifyEvents& events) = 0;
    // Whether what programs on this machine change is seen by now, as far as it ever will be; if not, wait.watching() is called later.
    [[nodiscard]] virtual bool sees_local_changes() const = 0;
    // Gives up a request that waits; changed() is not called.
    virtual void forget_changes(NotifyWait& wait) = 0;

    // For whoever stands above, to find its own object again. Not used here.
    void* context = nullptr;

 protected:
    ~Open() = default;
};

class FileSystem {
 public:
    static std::unique_ptr<FileSystem> create(FileSystemParams params);
    virtual ~FileSystem() = default;

    // The error's text is a line for the log: a path that is not there, an unknown module. The share is then unavailable.
    virtual Result<std::unique_ptr<Share>> connect(ShareParams params) = 0;

    // MS-FSA 2.1.5.1. On failure nothing is left behind. With `wait`, PENDING: somebody has to give up an oplock or lease first; called
    // again after wait->resume(), it begins anew. Without, it fails then with SHARING_VIOLATION.
    virtual Result<CreateResult, NtStatus> create(Share& share, const CreateParams& params, Wait* wait = nullptr) = 0;
    // MS-FSA 2.1.5.5; the Open is gone afterwards. Runs delete-on-close if it is the last one. With `info`, fills it
    // (SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB) as of just before the close; its name is not set.
    virtual Result<void, NtStatus> close(Open& open, FileInfo* info = nullptr) = 0;
    [[nodiscard]] virtual size_t opens() const = 0;

    // --- Opens that outlive their client (MS-SMB2 3.3.7.1). A file's, not a directory's or a named stream's. Whoever keeps the records of
    // opens writes one before make_lasting and removes it after the open has ended: an entry that outlives its process always has a record.
    // False: with Lasting::while_cached, it has neither a batch oplock nor a lease with H.
    virtual Result<bool, NtStatus> make_lasting(Open& open, Lasting lasting) = 0;
    // The client is away: the descriptor is closed and the Open gone; its share mode, caching and locks stay, under nobody's name
    // (disconnected.h), until reconnect, end_disconnected, or until they are in the way of somebody's open or change (MS-SMB2 3.3.4.6,
    // 3.3.4.7). False: it does not outlive that, and nothing has been done; it is to be closed.
    virtual bool disconnect(Open& open, RemainingOpen& remains) = 0;
    // Fills in what is cached and locked by an open that is nobody's. False: there is none.
    virtual bool find_disconnected(RemainingOpen& remains) = 0;
    // The Open again, by the name the file has now. OBJECT_NAME_NOT_FOUND: the file is not there, not that file any more, or the entries,
    // all of remains.locks and the lease, cannot be had back. INVALID_PARAMETER: `expected_path` (as CreateParams::path) is given and is
    // not its name. PENDING, with `wait`, as create: another node has to be asked.
    virtual Result<CreateResult, NtStatus> reconnect(Share& share, const RemainingOpen& remains,
                                                     std::optional<std::string_view> expected_path, Wait* wait = nullptr) = 0;
    // Closes one that is nobody's, with delete-on-close; then calls params.open_ended. Without effect on one that is somebody's.
    virtual void end_disconnected(const FileId& file, uint64_t open_id) = 0;

    // Until that open, of another process, has ended: `wait` is resumed when somebody's open of the file has changed, or at the deadline,
    // and the call is then made again. False: it has ended.
    virtual Result<bool, NtStatus> wait_for_end(const FileId& file, uint64_t open_id, Monotonic deadline, Wait& wait) = 0;

    // --- Of persistent ones, for those who keep them where they survive the tables (restore.cpp).
    // What would remain of the Open if its client went away now.
    virtual void describe_remains(Open& open, RemainingOpen& remains) = 0;
    // What the tables say of the Open's file. False: no persistent open of anybody's is on it, or only this one with `but_this`.
    virtual bool describe_persistent(Open& open, bool but_this, FileState& state) = 0;
    // Enters an open whose client is away, as its record tells. One that is there already stays as it is. RemainingOpen::token is not used.
    virtual Result<void, NtStatus> restore(const RemainingOpen& remains, NtTime opened, const FileState& state) = 0;

    // What a create that gave this Open would be answered now, but for the action and the maximal access.
    virtual void describe(Open& open, CreateResult& out) = 0;

    // What a client answers to a break (BreakSink). Gives the level that it keeps. INVALID_DEVICE_STATE: nothing breaks; INVALID_PARAMETER,
    // INVALID_OPLOCK_PROTOCOL: the level makes no sense, and it keeps none (MS-SMB2 3.3.5.22.1).
    virtual Result<OplockLevel, NtStatus> acknowledge_oplock(Open& open, OplockLevel level) = 0;
    // OBJECT_NAME_NOT_FOUND: there is no such lease; UNSUCCESSFUL: it does not break; REQUEST_NOT_ACCEPTED: the client wants to keep more
    // than it may (MS-SMB2 3.3.5.22.2).
    virtual Result<void, NtStatus> acknowledge_lease(const Guid& client, const Guid& key, uint32_t state) = 0;

    // Who ends what rests on a grant that another node wants (FileSystemParams::node_grants).
    virtual grants::Recalls& recalls() = 0;

    // How many byte-range locks an open of any process holds on the stream of that name ("": the unnamed one) of a file; to be told
    // to people.
    virtual size_t locks_of(const FileId& file, std::string_view stream, uint64_t open_id) = 0;

    // Gives the share whose root is at `path`; null: there is none any more.
    using ShareAt = std::function<Share*(const std::string& path)>;
    // Takes the entries of processes that have ended (params.holder_exists says so) out of locking.tdb and brlock.tdb, and deletes what they
    // were the last to keep from being deleted, under the stored token. Idempotent; others who meet these entries meanwhile may do it too.
    // Reads all of both once, however many they are. Where there is no share to delete in, only the entries go.
    virtual void end_holders(const Holders& holders, const ShareAt& share_at) = 0;
};

}  // namespace Atoll::fsa

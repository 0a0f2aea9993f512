// Persistent handles (MS-SMB2 3.3.1.10, Open.IsPersistent): what has to be on the disk before a client is answered, so that it finds what
// it was told whatever ends (docs/design.md, "Continuous availability"). READ and WRITE have nothing to do with it; what is written on a
// share that is continuously available is written through.
#pragma once

#include <functional>
#include <map>

#include "libcli/smb/create.h"
#include "libcli/smb/create_contexts.h"
#include "smbd/smb2/request.h"
#include "smbd/xsrv/persistent.h"

namespace Atoll::smb2 {

class Client;

// One of a Client. Main thread.
class Persistence {
 public:
    // `durable` null: no handle is persistent.
    Persistence(Client& client, committer::DurableStore* durable) : client_(client), durable_(durable) {}

    [[nodiscard]] bool is_there() const { return durable_ != nullptr; }
    xsrv::PersistentState state() { return xsrv::PersistentState(*durable_); }

    // An open of this process that is persistent from now on, with its lease if it has one; forgotten when it is closed or its client away.
    void note(xsrv::Open& open);
    void forget(xsrv::Open& open);
    // It is closed without anybody who waits for that.
    void closed(xsrv::Open& open);
    // The same for who waits: what has to be committed. It counts as closed from then on.
    committer::Batch take_removal(xsrv::Open& open);
    // Adds the opens of a lease of which the disk does not know how it is now, but for `but`.
    void put_changed(committer::Batch& batch, const Guid& lease_key, const xsrv::Open* but);
    // As it is now.
    xsrv::open_global record_of(xsrv::Open& open);
    // Its client has not acknowledged a break, so what it caches by it, or by all opens of its lease, is to end: `then` is called, now or
    // later, when the disk knows or cannot be told.
    void caching_ends(xsrv::Open& open, std::function<void()> then);
    // Commits when it can; nobody waits.
    void submit(const committer::Batch& batch);
    committer::CommitClient& commits() { return durable_->commits(); }

 private:
    Client& client_;
    committer::DurableStore* durable_;
    std::multimap<Guid, xsrv::Open*> by_lease_;
};

// Of a request: an open of its own, or one that it asks for.
[[nodiscard]] bool is_persistent(const Request& request);
// MS-SMB2 3.3.5.9.10: the flag, the share, and the connection.
[[nodiscard]] bool asks_for_persistent(const Request& request, const smb::CreateContexts& contexts);
[[nodiscard]] bool may_be_persistent(const Request& request);

// What the request is answered with once its commit has ended in `status`, for an open that still is open; after a failure it takes back,
// as the user, what could not be committed. Gives `status` or another, or PENDING if it completes the request later.
using Settle = NtStatus (*)(Request& request, NtStatus status);
// The answer is written; it is sent when `batch` is on the disk. PENDING. An empty batch: SUCCESS.
NtStatus answer_when_committed(Request& request, const committer::Batch& batch, Settle settle = nullptr);

// Of a CREATE that asks for a persistent open, before the file system is touched. SUCCESS: it may be. PENDING: handle_create is called
// again.
NtStatus commit_intent(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts, std::string_view path);
// It has failed, or was done before: the intent goes.
void drop_intent(Request& request, const smb::CreateContexts& contexts);
// Whether a CREATE that comes again was begun before, by whom it comes from: what it made since (request.begun) is its own. Its intent
// stands.
void find_begun(Request& request, const smb::CreateContexts& contexts, std::string_view path);
// Its answer is written: what it has opened, and what that changes of other opens' leases.
NtStatus commit_create(Request& request, const smb::CreateContexts& contexts, const fsa::CreateResult& result);
// An open that was given back to its client.
NtStatus commit_reconnect(Request& request);
// Locks have been taken or given up.
NtStatus commit_locks(Request& request);
// By a request that has come before, whose commit may be under way.
NtStatus commit_locks_again(Request& request);
// A rename, or a deletion that is to come or not, through whatever open.
NtStatus commit_file(Request& request);
// The client has given up what it cached.
NtStatus commit_oplock(Request& request);
NtStatus commit_lease(Request& request, const Guid& lease_key);

}  // namespace Atoll::smb2

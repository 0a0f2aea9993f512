// Everything that one smbd child holds: the channels, sessions, tcons and opens of one client (or of one connection, where the client
// has no GUID). Main thread only; runs on the process's Loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/loop/loop.h"
#include "base/loop/worker_pool.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "conf/configuration.h"
#include "libcli/auth/logon.h"
#include "libcli/security/security.idl.h"
#include "smbd/accounts/id_cache.h"
#include "smbd/smb2/channel.h"
#include "smbd/xsrv/tables.h"
#include "tdb/committer/durable_store.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::smb2 {

// What authd says of a successful log-on, to the process that serves it and to nobody else.
struct LogonGrant {
    uint64_t session_id = 0;           // issued by preauth in the first SESSION_SETUP response, or by this process
    std::vector<uint8_t> session_key;  // as the log-on gave it: Session.FullSessionKey
    security::Token token;
    std::string account_name;
    std::string domain_name;
    bool is_guest = false;
    bool is_anonymous = false;  // SMB2_SESSION_FLAG_IS_NULL
    NtTime expires;             // when the proof does, a ticket's end; zero: never
    Buffer spnego_token;        // the final token of the SESSION_SETUP response
};

// A grant, or what the client has to be told before authd decides.
using LogonAnswer = std::variant<LogonGrant, auth::LogonContinuation>;

// The way to authd, which the server room implements: a log-on proof goes out, `done` is called on the loop with an answer or a status.
// Dropping the returned handle abandons the request; `done` is then not called.
class LogonVerifier {
 public:
    virtual ~LogonVerifier() = default;
    using Done = std::function<void(Result<LogonAnswer, NtStatus>)>;
    class Pending {
     public:
        virtual ~Pending() = default;
    };
    virtual std::unique_ptr<Pending> verify(const auth::LogonProof& proof, const ChannelState& channel, Done done) = 0;
};

struct ProcessContext {
    loop::Loop& loop;
    loop::WorkerPool& pool;
    messaging::Messaging& messaging;
    xsrv::Tables& tables;
    LogonVerifier& verifier;
    std::shared_ptr<const conf::Configuration> configuration;
    std::function<void()> on_idle;               // the last channel is gone and nothing is pending: the process may end
    accounts::IdCache::Ask ask_ids = {};         // who other users are
    committer::DurableStore* durable = nullptr;  // null: no handle is persistent
    // In a cluster: before a request is taken up, and before its answer leaves. Does not return if this node serves no longer.
    std::function<void()> need_service = {};
    // In a cluster, what of open state is this node's (fsa::FileSystemParams).
    grants::NodeGrants* node_grants = nullptr;
    tdb::Database* directories = nullptr;
};

class ClientProcess {
 public:
    static std::unique_ptr<ClientProcess> create(ProcessContext context);
    virtual ~ClientProcess() = default;

    // Takes a channel over from preauth: `frame` is the SESSION_SETUP request in hand, a whole message without transport header, whose
    // log-on `grant` answers; `session_preauth_hash` is Session.PreauthIntegrityHashValue up to and including that request (3.1.1).
    // `unread` is what preauth had received behind it. Sends the last SESSION_SETUP response, signed, and goes on from there.
    virtual Result<void, NtStatus> take_channel(UniqueFd socket, ChannelState channel, const PreauthHash& session_preauth_hash,
                                                LogonGrant grant, Bytes frame, Bytes unread) = 0;

    // Takes a channel that is to bind to one of this process's sessions: `frame` is a raw SESSION_SETUP request with the binding flag. What
    // its header says and its signature are checked before anything else of it is read; if they are not right the status is for whoever
    // wanted to hand it over to answer with, and `socket` stays his. Else the log-on goes on from there.
    virtual Result<void, NtStatus> bind_channel(UniqueFd& socket, ChannelState channel, Bytes frame, Bytes unread) = 0;

    // A new configuration: tree connects of shares that are gone end, others go on with the new values. Nobody is disconnected.
    virtual void reload(std::shared_ptr<const conf::Configuration> configuration) = 0;

    // For smbcontrol(1). Ends the tree connects of a share, with all that is open on them; "*": of all shares.
    virtual void close_share(std::string_view name) = 0;
    // Of these tree connects those whose users smb.conf lets in no longer.
    virtual void close_denied_share(std::string_view name) = 0;
    // Ends every channel that comes from this address ("192.0.2.1", "2001:db8::1").
    virtual void close_channels_from(std::string_view address) = 0;

    // Ends every channel, session, tcon and open, running delete-on-close, as at the client's own disconnect.
    virtual void shutdown() = 0;
};

}  // namespace Atoll::smb2

// A request, and the chain of requests that one frame holds.
//
// A handler is a plain function. It decodes request.message, does its work and either returns a status other than PENDING, having
// written the response body to request.out() if that status has one, or arranges for request.complete(status) to be called later and
// returns PENDING. While it waits, request.abandon says how to give up: for CANCEL, disconnect and time-out alike.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/loop/loop.h"
#include "base/loop/worker_pool.h"
#include "libcli/smb/header.h"
#include "smbd/smb2/change_notify.h"
#include "smbd/smb2/lock.h"
#include "smbd/smb2/pipe.h"
#include "smbd/smb2/reply.h"
#include "smbd/transport/transport.h"
#include "smbd/xsrv/open.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tcon.h"

namespace Atoll::smb2 {

class Chain;
class Connection;
struct Request;

// A request that waits for somebody else's oplock or lease: what its handler did is done again when that has come down.
class CachingWait final : public fsa::Wait {
 public:
    explicit CachingWait(Request& request) : request_(request) {}
    // `handler` is called again, as for a request that has just come. Gives PENDING.
    NtStatus start(NtStatus (*handler)(Request&));
    void resume() override;

 private:
    Request& request_;
    NtStatus (*handler_)(Request&) = nullptr;
};

// Work that a request hands to the pool. `work` runs on a pool thread under the session's identity and may use only what it is given;
// `finish` then runs on the loop and calls complete().
struct PoolWork final : loop::Job {
    Request* request = nullptr;
    void (*work)(PoolWork&) = nullptr;
    void (*finish)(Request&, PoolWork&) = nullptr;

    // What the work is about; which of these count is between work and finish.
    fsa::Open* file = nullptr;    // between begin_job and end_job: a CLOSE meanwhile leaves it standing
    fsa::Open* source = nullptr;  // of a copy, with a job of its own
    MutableBytes buffer;
    Bytes data;
    uint64_t offset = 0;
    uint32_t minimum = 0;
    bool flag = false;
    size_t bytes = 0;  // the outcome
    NtStatus status = NtStatus::SUCCESS;

    // Not null: the request's signature is verified first, on the pool thread. A forged request's work is not done.
    const smb::Signer* verifier = nullptr;
    bool forged = false;

    void run() override;
    void done() override;
};

struct Request {
    Chain* chain = nullptr;
    smb::Header header;
    Bytes message;  // from its header on, in the frame's memory
    xsrv::Ref<xsrv::Session> session;
    xsrv::Ref<xsrv::SigningKey> key;  // of the session on this channel: verifies the request and signs the response
    xsrv::Ref<xsrv::Tcon> tcon;
    xsrv::Ref<xsrv::Open> open;        // set by look_up_open(), or by CREATE
    xsrv::Ref<xsrv::Open> counted_in;  // the open among whose outstanding requests it is: see check_channel_sequence()
    uint64_t counted_at = 0;           // what count_request() said
    NtStatus status = NtStatus::SUCCESS;
    uint64_t async_id = 0;           // not zero: an interim response has been sent
    bool keep_body = false;          // an error response whose body the handler wrote
    bool names_file = false;         // it holds a FileId
    bool answer_unbegun = false;     // pending, and nothing of its answer is written: those before it in its chain need not wait for it
    bool interim_at_once = false;    // pending, and for long: its interim response does not wait
    bool interim_held = false;       // pending, and what its interim response would say is not so yet
    bool end_session_after = false;  // LOGOFF: the session ends once the response is signed
    std::optional<NtTime> begun;     // of a CREATE that comes again: see find_begun()
    bool intent_committed = false;   // of a CREATE: see commit_intent()
    bool owes_signature = false;     // not verified yet: see settle_signature()
    void (*abandon)(Request&) = nullptr;
    void* context = nullptr;        // of whoever keeps a pending request
    Monotonic instance_deadline{};  // of a CREATE that waits for another client's open to be closed: see app_instance.h
    PoolWork work;
    PipeRead pipe_read{*this};
    LockWait lock_wait{*this};
    CachingWait caching_wait{*this};
    ChangeNotify change_notify{*this};

    [[nodiscard]] Connection& connection() const;
    // Where the body goes. Position 0 is the response's SMB2 header, for which 64 bytes are already there.
    ByteWriter& out();
    Reply& reply();
    // The open that a request names: by its FileId, or in a related compound the one of the request before. FILE_CLOSED if there is none,
    // or if it is of another session or tree connect (MS-SMB2 3.3.5.10 and its siblings).
    // INVALID_DEVICE_REQUEST: a pipe or a quota index, where a file is meant; a quota index, where any other is. FILE_NOT_AVAILABLE: see
    // check_channel_sequence().
    enum class OpenKind : uint8_t { file, file_or_pipe, any };
    NtStatus look_up_open(smb::FileId id, OpenKind kind = OpenKind::file);
    // Submits work on the open's file under the tree connect's identity; returns PENDING. `finish` ends the job (fsa::Open::end_job). The
    // work's status is ACCESS_DENIED if `run` was not called: the pool may not act as the user, or the signature is wrong.
    NtStatus run_on_pool(void (*run)(PoolWork&), void (*finish)(Request&, PoolWork&));
    // A pending request is done.
    void complete(NtStatus with);
};

// The requests of one frame, processed in order. Lives from the frame's arrival until its last response is handed to the transport.
class Chain {
 public:
    explicit Chain(Connection& connection) : connection_(connection) { request_.chain = this; }

    // Takes a frame: splits it, takes its message ids. False: the connection is to end.
    bool accept(MutableBytes frame, const transport::ChunkRef& memory, bool sealed, uint64_t sealing_session);
    // The one request of a frame whose message id has been taken already.
    bool accept_handed_over(MutableBytes frame);
    // Runs requests until one is pending or all are done.
    void run();

    [[nodiscard]] Connection& connection() const { return connection_; }
    Request& request() { return request_; }
    Reply& reply() { return *reply_; }
    ByteWriter& out() { return *out_; }
    [[nodiscard]] bool sealed() const { return sealed_; }
    [[nodiscard]] uint64_t sealing_session() const { return sealing_session_; }
    [[nodiscard]] bool is_related() const { return parts_[index_].related; }
    [[nodiscard]] bool follows_create(const xsrv::Open& open) const {
        return is_related() && related.created && related.open.get() == &open;
    }
    // A request that says it is related can only be so to one before it.
    [[nodiscard]] bool related_possible() const { return index_ > 0; }
    [[nodiscard]] bool is_last() const { return index_ + 1 == parts_.size(); }
    [[nodiscard]] bool pending() const { return pending_; }
    // CANCEL, or the end of the connection: gives up the pending request, if it can be given up.
    void abandon();
    // Sends an interim response for the pending request (MS-SMB2 3.3.4.2), once, if it is the last of its chain.
    void send_interim();
    // Called now and then while requests are pending: one that was so at the last tick already gets its interim response.
    void tick();
    void completed(NtStatus status);
    // The pool has sealed or signed the reply.
    void protected_on_pool();

    // What related requests take over from the one before (MS-SMB2 3.3.5.2.7.2).
    struct Related {
        uint64_t session_id = 0;
        uint32_t tree_id = 0;
        bool has_session = false;
        bool has_tcon = false;
        bool created = false;                        // the request before was a CREATE, and gave the file
        bool has_file = false;                       // the request before named a file or was to create one
        xsrv::Ref<xsrv::Open> open;                  // that file
        NtStatus create_status = NtStatus::SUCCESS;  // why a CREATE gave none
    } related;

 private:
    friend class Connection;
    struct Part {
        size_t offset = 0;
        size_t length = 0;
        bool related = false;
    };
    struct Response {
        size_t start = 0;                 // in the reply
        xsrv::Ref<xsrv::SigningKey> key;  // null: not signed
    };
    class ProtectJob final : public loop::Job {
     public:
        explicit ProtectJob(Chain& chain) : chain_(chain) {}
        void run() override { chain_.protect(); }
        void done() override { chain_.protected_on_pool(); }

     private:
        Chain& chain_;
    };

    void begin(MutableBytes frame, const transport::ChunkRef& memory);
    void start_request();
    void begin_response();
    void finish_request(NtStatus status);
    void leave_to_related(NtStatus status);
    [[nodiscard]] smb::Header response_header(NtStatus status, uint16_t credits) const;
    void write_response_header(NtStatus status, uint16_t credits);
    void send_earlier_with_interim();
    void finish_chain();
    void seal(Reply& reply) const;
    void protect();
    void sign(const Response& response, size_t end);
    void queue_reply();
    [[nodiscard]] const xsrv::Ref<xsrv::SigningKey>& key_for(NtStatus status) const;
    [[nodiscard]] bool must_sign(NtStatus status) const;

    Connection& connection_;
    MutableBytes frame_;
    transport::ChunkRef memory_;
    bool sealed_ = false;
    uint64_t sealing_session_ = 0;
    xsrv::Ref<xsrv::Session> sealer_;
    std::vector<Part> parts_;
    std::vector<Response> responses_;
    size_t index_ = 0;
    bool pending_ = false;
    bool seen_pending_ = false;  // at the last tick
    bool in_handler_ = false;
    Request request_;
    Reply* reply_ = nullptr;
    std::optional<ByteWriter> out_;
    ProtectJob protect_job_{*this};
    Chain* next_free_ = nullptr;
};

}  // namespace Atoll::smb2

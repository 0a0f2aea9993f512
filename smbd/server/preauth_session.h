// One connection before log-on, as a function of what it receives: NEGOTIATE and the SESSION_SETUP exchanges that lead to a LogonProof.
// Parses what strangers send; holds no secrets and does no I/O, so the fuzzer drives it as preauth does.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/buffer.h"
#include "conf/configuration.h"
#include "libcli/auth/acceptor.h"
#include "libcli/smb/header.h"
#include "smbd/smb2/channel.h"
#include "smbd/smb2/negotiate.h"

namespace Atoll::server {

// What all connections of a preauth process have in common.
struct PreauthPolicy {
    std::shared_ptr<const conf::Configuration> configuration;
    smb2::NegotiatePolicy negotiate;
    std::vector<uint8_t> negotiate_token;  // SPNEGO's hint
};

class PreauthSession {
 public:
    enum class Action : uint8_t {
        respond,  // `response` holds one message to be sent; it may be empty
        verify,   // a client has said all; ask authd with proof()
        bind,     // the connection is to be a channel of bound_session_id(): it goes, as it is, to the process that holds that
        end,      // the connection ends
    };

    // The addresses and `netbios` of `channel` are set.
    PreauthSession(const PreauthPolicy& policy, smb2::ChannelState channel) : policy_(policy), channel_(std::move(channel)) {}

    // Takes one whole message without its transport header. `response` is appended to. After `verify` and `bind` nothing more is to be
    // given before it is refused or goes on; `frame` must be kept for the hand-over.
    Action take(Bytes frame, Buffer& response);

    // authd says no: appends the SESSION_SETUP response with the status; the client may try again.
    void refuse(NtStatus status, Buffer& response);

    // authd wants more before it decides: appends the SESSION_SETUP response with MORE_PROCESSING_REQUIRED; the client goes on.
    void go_on(const auth::LogonContinuation& continuation, Buffer& response);

    // The holder says no, or there is none: appends the response with the status; the client may go on.
    void refuse_binding(NtStatus status, Buffer& response);
    // After `bind`: the session that the request names.
    [[nodiscard]] uint64_t bound_session_id() const { return proving_header_.session_id; }

    // After `verify`:
    [[nodiscard]] const auth::LogonProof& proof() const { return proof_; }
    [[nodiscard]] uint64_t session_id() const { return proving_->id; }
    [[nodiscard]] const smb2::PreauthHash& session_preauth_hash() const { return proving_->preauth_hash; }

    [[nodiscard]] const smb2::ChannelState& channel() const { return channel_; }

 private:
    struct Exchange {
        Exchange(uint64_t session_id, auth::Acceptor its_acceptor, const smb2::PreauthHash& hash)
            : id(session_id), acceptor(std::move(its_acceptor)), preauth_hash(hash) {}
        uint64_t id;
        auth::Acceptor acceptor;
        smb2::PreauthHash preauth_hash;  // Session.PreauthIntegrityHashValue (MS-SMB2 3.3.5.5)
    };

    bool spend_message_id(const smb::Header& header);
    Action session_setup(const smb::Header& header, Bytes frame, Buffer& response);
    Action step(const smb::Header& header, Bytes frame, Bytes token, Exchange& exchange, Buffer& response);
    Result<Exchange*, NtStatus> find_exchange(uint64_t session_id);
    void ask_client(const smb::Header& header, Exchange& exchange, Bytes token, Buffer& response);
    void end_exchange(const Exchange& exchange);
    void write_error(const smb::Header& request, uint64_t session_id, NtStatus status, Buffer& response);
    smb::Header response_header(const smb::Header& request, NtStatus status);

    const PreauthPolicy& policy_;
    smb2::ChannelState channel_;
    std::vector<std::unique_ptr<Exchange>> exchanges_;
    Exchange* proving_ = nullptr;
    smb::Header proving_header_;
    auth::LogonProof proof_;
};

}  // namespace Atoll::server

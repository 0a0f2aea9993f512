// An SMB2 connection of a client: transport, NEGOTIATE, credits, message ids, signing, sealing (MS-SMB2 3.2).
//
// Everything happens on the loop's thread. The asynchronous form is Compound::send and Exchange::on_done; the blocking form is wait(),
// which runs the loop until an exchange is done and may not be called from a handler.
//
// Raw access, for tests of servers: send_bytes and send_frame send anything; before_sign and before_send may change every frame;
// on_frame sees every frame as it came.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/guid.h"
#include "base/loop/loop.h"
#include "base/unique_fd.h"
#include "libcli/client/exchange.h"
#include "libcli/smb/algorithms.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/negotiate.h"

namespace Atoll::client {

class Session;
class Connection;

struct NegotiateOptions {
    smb::Dialect min_dialect = smb::Dialect::smb2_02;
    smb::Dialect max_dialect = smb::Dialect::smb3_11;
    bool signing_required = false;
    uint32_t capabilities = 0x7F;  // told to the server if the dialects include 3.x
    std::vector<smb::Cipher> ciphers = {smb::Cipher::aes128_gcm, smb::Cipher::aes128_ccm, smb::Cipher::aes256_gcm, smb::Cipher::aes256_ccm};
    std::vector<smb::SigningAlgorithm> signing = {smb::SigningAlgorithm::aes_gmac, smb::SigningAlgorithm::aes_cmac,
                                                  smb::SigningAlgorithm::hmac_sha256};  // empty: no context
    Guid client_guid = Guid::random();                                                  // zero for 2.0.2 alone (MS-SMB2 3.2.4.2.2.2)
};

// What was agreed on.
struct Negotiated {
    smb::Dialect dialect = smb::Dialect::none;
    uint16_t security_mode = 0;
    uint32_t capabilities = 0;
    Guid server_guid;
    uint32_t max_transact_size = 65536;
    uint32_t max_read_size = 65536;
    uint32_t max_write_size = 65536;
    smb::Cipher cipher = smb::Cipher::none;
    smb::SigningAlgorithm signing = smb::SigningAlgorithm::hmac_sha256;
    std::vector<uint8_t> security_blob;

    [[nodiscard]] bool multi_credit() const { return (capabilities & smb::global_cap::large_mtu) != 0; }
};

struct RequestOptions {
    bool related = false;  // SMB2_FLAGS_RELATED_OPERATIONS
    uint32_t payload = 0;  // the larger of what the request sends and what it may bring back: for CreditCharge
    uint32_t flags = 0;    // further header flags
    uint16_t credits = 0;  // asked for; 0: the connection's custom
    uint16_t channel_sequence = 0;
    // Instead of what the connection would fill in:
    std::optional<uint64_t> message_id;  // takes no id from the sequence
    std::optional<uint16_t> credit_charge;
    std::optional<uint64_t> session_id;
    std::optional<uint32_t> tree_id;
    std::optional<bool> sign;
    std::optional<bool> seal;
};

// One frame of one or more requests. Not reusable after send().
class Compound {
 public:
    explicit Compound(Connection& connection) : connection_(connection) {}

    // `body` has encode(ByteWriter&). `session` may be null (NEGOTIATE, tests).
    template <class Body>
    ExchangePtr add(Session* session, uint32_t tree_id, smb::Command command, const Body& body, const RequestOptions& options = {}) {
        return add_encoded(
            session, tree_id, command, [&](ByteWriter& out) { body.encode(out); }, options);
    }
    ExchangePtr add_encoded(Session* session, uint32_t tree_id, smb::Command command, const std::function<void(ByteWriter&)>& body,
                            const RequestOptions& options = {});
    // Sends the frame now, or when there are credits for it. Frames are sent in the order of their send().
    void send();
    std::function<void(Bytes frame)> on_sent;  // the frame as it goes out

 private:
    friend class Connection;
    struct Part {
        size_t offset = 0;
        size_t size = 0;
        ExchangePtr exchange;
        uint16_t charge = 0;  // ids that it takes; 0 if its message id is given
        bool sign = false;
        Session* session = nullptr;
    };
    [[nodiscard]] size_t ids() const;

    Connection& connection_;
    Buffer frame_;
    std::vector<Part> parts_;
    Session* seal_with_ = nullptr;
};

class Connection {
 public:
    // Connects (blocking, up to `timeout`) and watches the socket on `loop`.
    static Result<std::unique_ptr<Connection>> open(loop::Loop& loop, const std::string& host, uint16_t port,
                                                    std::chrono::milliseconds timeout = std::chrono::seconds(10));
    Connection(loop::Loop& loop, UniqueFd socket);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Asynchronous: `done` gets SUCCESS or the reason. A server that chooses what was not offered gives INVALID_NETWORK_RESPONSE.
    void start_negotiate(const NegotiateOptions& options, std::function<void(NtStatus)> done);
    NtStatus negotiate(const NegotiateOptions& options = {});

    [[nodiscard]] const Negotiated& negotiated() const { return negotiated_; }
    [[nodiscard]] const NegotiateOptions& options() const { return options_; }
    [[nodiscard]] bool alive() const { return socket_.valid(); }
    [[nodiscard]] uint16_t local_port() const;  // 0 without a TCP connection
    [[nodiscard]] size_t credits() const { return credits_; }  // ids that may be used now
    [[nodiscard]] uint64_t next_message_id() const { return next_message_id_; }
    [[nodiscard]] size_t in_flight() const { return exchanges_.size(); }
    loop::Loop& loop() { return loop_; }

    // CreditCharge for that many bytes (MS-SMB2 3.2.4.1.5); 0 if the connection has no multi-credit.
    [[nodiscard]] uint16_t charge_for(uint32_t payload) const;
    // Credits that each request asks for: default 64, as long as fewer than 512 are held.
    void set_credit_request(uint16_t credits) { credit_request_ = credits; }
    // For tests that use ids of their own: the next id to be taken.
    void set_next_message_id(uint64_t id) { next_message_id_ = id; }

    // Runs the loop until the exchange is done or the time is over; then (IO_TIMEOUT) the exchange goes on without its owner.
    NtStatus wait(const ExchangePtr& exchange);
    NtStatus wait(const ExchangePtr& exchange, std::chrono::milliseconds timeout);
    // Runs the loop until `condition`; false when the time is over.
    bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds timeout);
    void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

    // CANCEL of a request that is still open (MS-SMB2 3.2.4.24): it has no answer of its own.
    void cancel(Session* session, const ExchangePtr& exchange);

    // Closes the socket; open exchanges end with CONNECTION_DISCONNECTED.
    void close();

    void send_bytes(Bytes bytes);                    // as they are
    void send_frame(Bytes frame);                    // behind the four bytes of the transport (MS-SMB2 2.1)
    std::function<void(Buffer& frame)> before_sign;  // the messages of a frame, complete but for signatures
    std::function<void(Buffer& frame)> before_send;  // the frame as it will go out, signed and sealed
    std::function<void(Bytes frame)> on_frame;       // each frame as it came
    std::function<void(Bytes message)> on_break;     // OPLOCK_BREAK notifications and other unsolicited messages

    // The value after NEGOTIATE (3.1.1), for sessions.
    [[nodiscard]] const smb::PreauthHash& preauth_hash() const { return preauth_hash_; }

 private:
    friend class Compound;
    friend class Session;

    void register_session(uint64_t id, Session* session) { sessions_[id] = session; }
    void forget_session(uint64_t id) { sessions_.erase(id); }
    Session* find_session(uint64_t id) const;

    void queue(std::unique_ptr<Compound> compound);
    void send_queued();
    void send_compound(Compound& compound);
    void assign_ids(Compound& compound);
    void flush();

    void readable();
    void take_frames();
    void take_frame(MutableBytes frame);
    void take_messages(MutableBytes frame, bool sealed);
    void take_message(const smb::Header& header, Bytes message, bool sealed);
    [[nodiscard]] NtStatus verify(const smb::Header& header, Bytes message, bool sealed) const;
    void negotiated(Exchange& exchange, const smb::PreauthHash& request_hash, const std::function<void(NtStatus)>& done);
    [[nodiscard]] NtStatus accept_response(const smb::NegotiateResponse& response);

    loop::Loop& loop_;
    UniqueFd socket_;
    std::unique_ptr<loop::FdWatch> watch_;
    NegotiateOptions options_;
    Negotiated negotiated_;
    smb::PreauthHash preauth_hash_{};
    size_t credits_ = 1;
    uint16_t credit_request_ = 64;
    uint64_t next_message_id_ = 0;
    std::chrono::milliseconds timeout_ = std::chrono::seconds(30);
    std::unordered_map<uint64_t, ExchangePtr> exchanges_;
    std::unordered_map<uint64_t, Session*> sessions_;
    std::deque<std::unique_ptr<Compound>> waiting_;  // for credits
    Buffer received_;
    Buffer outgoing_;
    size_t sent_ = 0;  // bytes of outgoing_ that are gone
};

}  // namespace Atoll::client

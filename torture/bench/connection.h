// One connection of the load generator: log-on, tree connect, and frames out and in with as little work of its own as possible. It neither
// retries nor caches, and one thread does everything. Any failure is an Error: a measurement that met one is worth nothing.
#pragma once

#include <sys/uio.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "libcli/smb/header.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"

namespace Atoll::bench {

enum class Mode { plain, signed_, sealed };

struct Target {
    std::string host = "127.0.0.1";
    uint16_t port = 445;
    std::string share;
    std::string user;
    std::string password;
    Mode mode = Mode::plain;
    std::optional<Guid> client_guid;   // nullopt: each connection is a client of its own
    uint64_t previous_session_id = 0;  // that the log-on ends (MS-SMB2 3.3.5.5.3)
};

// Counts by command, of requests sent and of messages received: what two runs of the same work must have in common.
struct Counters {
    std::array<uint64_t, smb::command_count> requests{};
    uint64_t responses = 0;
    uint64_t interim = 0;  // STATUS_PENDING

    void add(const Counters& other) {
        for (size_t command = 0; command < requests.size(); command++) requests[command] += other.requests[command];
        responses += other.responses;
    }
};

class Connection {
 public:
    // TCP, NEGOTIATE (3.1.1 only), SESSION_SETUP, TREE_CONNECT.
    static Result<std::unique_ptr<Connection>> open(const Target& target);
    // TREE_DISCONNECT, LOGOFF, and the end of the TCP connection.
    Result<void> leave();

    // --- Requests. begin_frame, then for each message of it begin_message, the body on the writer, end_message; end_frame queues it and
    // flush sends all that is queued in one go.
    void begin_frame();
    // `charge` credits; `related` to the message before it. The writer stands after the header and is good until end_message.
    ByteWriter& begin_message(smb::Command command, uint16_t charge = 1, bool related = false);
    // `payload` follows what was written, without being copied (unless the session is sealed); it must live until the flush.
    void end_message(Bytes payload = {});
    void end_frame();
    Result<void> flush();
    // The message id of the last begun message, and how many credits are there to be used.
    [[nodiscard]] uint64_t message_id() const { return message_id_; }
    [[nodiscard]] uint64_t next_message_id() const { return next_message_id_; }
    [[nodiscard]] size_t credits() const { return credits_; }

    // --- Responses. receive() waits until there is a frame; take() gives one after the other of those that were received, verified and
    // decrypted, empty when there is none. A frame is good until the next take().
    Result<void> receive();
    Result<Bytes> take();
    // Counts a response's credits. Every header of a frame must be given to it.
    void account(const smb::Header& header);

    // Waits for the answer to the one request that is out. The message is good until the next take().
    Result<Bytes> call(smb::Header& header);

    // For large reads: how much is received at once where only headers are expected. Larger frames go to a buffer of their own.
    void set_receive_chunk(size_t bytes) { chunk_ = bytes; }
    // Asks for credits until there are as many.
    Result<void> gather_credits(size_t wanted);

    [[nodiscard]] const Counters& counters() const { return counters_; }
    [[nodiscard]] uint64_t session_id() const { return session_id_; }
    // The share's handles may be persistent.
    [[nodiscard]] bool continuously_available() const { return continuously_available_; }
    [[nodiscard]] uint32_t max_read() const { return max_read_; }
    [[nodiscard]] uint32_t max_write() const { return max_write_; }
    [[nodiscard]] std::string describe() const;  // "3.1.1 AES-128-GCM", what was agreed on

 private:
    explicit Connection(const Target& target);
    Result<void> connect_socket();
    Result<void> negotiate();
    Result<void> log_on();
    Result<void> session_setup(Bytes token, smb::Header& header, Bytes& answer);
    Result<void> finish_log_on(Bytes session_key, Bytes final_message);
    Result<void> tree_connect();
    Result<void> empty_call(smb::Command command);
    Result<void> check(Bytes frame, bool large);
    Result<Bytes> take_large(size_t size);
    void sign();

    Target target_;
    UniqueFd socket_;
    smb::Cipher cipher_ = smb::Cipher::none;
    smb::SigningAlgorithm signing_ = smb::SigningAlgorithm::aes_cmac;
    smb::PreauthHash preauth_{};
    std::optional<smb::Signer> signer_;
    std::optional<smb::Sealer> sealer_;
    std::optional<smb::Opener> opener_;
    bool sign_all_ = false;
    bool sign_next_ = false;
    bool logged_on_ = false;
    uint64_t session_id_ = 0;
    uint32_t tree_id_ = 0;
    bool continuously_available_ = false;
    uint32_t max_read_ = 0, max_write_ = 0;
    uint64_t next_message_id_ = 0;
    uint64_t message_id_ = 0;
    size_t credits_ = 1;
    size_t wanted_credits_ = 1;
    Counters counters_;

    // What is to be sent: frames one after the other in out_, but payloads, which stand between two offsets of it.
    struct Payload {
        size_t at = 0;
        Bytes bytes;
    };
    Buffer out_;
    std::vector<Payload> payloads_;
    std::vector<iovec> pieces_;
    size_t frame_at_ = 0;
    size_t message_at_ = 0;
    Bytes frame_payload_;
    std::optional<ByteWriter> writer_;

    Buffer in_;
    size_t in_at_ = 0;
    Buffer large_;
    size_t chunk_ = 256 * 1024;
    uint64_t large_frames_ = 0;
};

}  // namespace Atoll::bench

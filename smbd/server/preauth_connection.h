// One client's connection in a preauth process: moves its bytes, asks authd, and hands the whole channel over. Main thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/buffer.h"
#include "base/loop/loop.h"
#include "base/unique_fd.h"
#include "smbd/server/packet_socket.h"
#include "smbd/server/preauth_session.h"
#include "smbd/server/session_service.h"
#include "smbd/server/server.idl.h"

namespace Atoll::server {

class PreauthConnection;

// What a connection needs of its process.
class PreauthHost {
 public:
    virtual ~PreauthHost() = default;
    virtual loop::Loop& loop() = 0;
    virtual const PreauthPolicy& policy() = 0;
    // Asks authd on behalf of the connection; PreauthConnection::verified() is called with the answer. False: authd cannot be asked now.
    // The id is of no use once `end` was called for the connection.
    virtual bool ask(PreauthConnection& connection, verify_request request) = 0;
    // Likewise, which process holds a session.
    virtual bool ask_for_holder(PreauthConnection& connection, uint64_t session_id) = 0;
    // The connection is to be destroyed, soon.
    virtual void end(PreauthConnection& connection, const char* reason) = 0;
};

class PreauthConnection {
 public:
    PreauthConnection(PreauthHost& host, UniqueFd socket, smb2::ChannelState channel);
    void start();

    // authd's answer; `taker` is the hand-over socket if the status is success, `continuation` not null if the client has to say more.
    void verified(NtStatus status, UniqueFd taker, const auth::LogonContinuation* continuation);
    // Whoever was asked, authd or a taker, will not answer.
    void ask_again();
    [[nodiscard]] const std::string& peer() const { return session_.channel().peer_address; }

 private:
    enum class State : uint8_t { reading, verifying, handing_over, ended };

    void readable();
    void take_frames();
    bool take(const FramePeek& found);
    bool take_session_request(Bytes names);
    bool take_message(Bytes frame);
    bool send(Bytes message, bool with_header);
    void ask();
    bool send_question();
    void refused(NtStatus status);
    void respond();
    void binding_refused(const Packet& packet);
    void hand_over();
    void taker_spoke();
    void end(const char* reason);
    void consume(size_t n);

    PreauthHost& host_;
    UniqueFd socket_;
    PreauthSession session_;
    State state_ = State::reading;
    Buffer received_;
    Buffer response_;
    Buffer frame_;           // the SESSION_SETUP in hand while authd and the taker are asked
    size_t frame_size_ = 0;  // of it in received_, transport header included
    bool binds_ = false;     // that SESSION_SETUP
    unsigned attempts_ = 0;
    PacketSocket taker_;
    std::optional<loop::FdWatch> taker_watch_;
    loop::FdWatch watch_;
    loop::Timer deadline_;  // of the whole log-on
    loop::Timer answer_;    // of authd or the taker
};

}  // namespace Atoll::server

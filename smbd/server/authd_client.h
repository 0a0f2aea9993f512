// A client process's way to authd: for every SESSION_SETUP after the one that preauth handed over. Outlives authd's restarts.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/loop/loop.h"
#include "smbd/server/packet_socket.h"
#include "smbd/smb2/client_process.h"

namespace Atoll::server {

class AuthdClient final : public smb2::LogonVerifier {
 public:
    // `path` is authd's socket. Connects when first used.
    AuthdClient(loop::Loop& loop, std::string path);
    ~AuthdClient() override;

    std::unique_ptr<Pending> verify(const auth::LogonProof& proof, const smb2::ChannelState& channel, Done done) override;

 private:
    class Asked;

    bool connected();
    void send(const Asked& asked);
    void spoke();
    void lost();
    void answer(const Packet& packet);
    void retry();

    loop::Loop& loop_;
    std::string path_;
    PacketSocket socket_;
    std::optional<loop::FdWatch> watch_;
    loop::Timer retry_;
    std::map<uint64_t, Asked*> asked_;
    uint64_t last_request_ = 0;
};

}  // namespace Atoll::server

// A connection (MS-SMB2 3.3.1.7): one channel of the client, its window, its sessions, and the chains of requests in progress.
// Main thread only.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/loop/loop.h"
#include "base/loop/worker_pool.h"
#include "smbd/smb2/channel.h"
#include "smbd/smb2/logon.h"
#include "smbd/smb2/message_window.h"
#include "smbd/smb2/previous_session.h"
#include "smbd/smb2/request.h"
#include "smbd/transport/tcp.h"

namespace Atoll::smb2 {

class Client;

// A session on a channel (MS-SMB2 3.3.1.14).
struct BoundSession {
    xsrv::Ref<xsrv::Session> session;
    xsrv::Ref<xsrv::SigningKey> key;  // Channel.SigningKey; null for guests and anonymous
};

class Connection final : public transport::Transport::Handler, private loop::Deferred {
 public:
    Connection(Client& client, ChannelState channel, UniqueFd socket);
    ~Connection() override;

    void start(Bytes unread) { transport_.start(*this, unread); }
    void close(const char* reason) { transport_.close(reason); }

    // --- What it is
    [[nodiscard]] Client& client() const { return client_; }
    const ChannelState& channel() const { return channel_; }
    [[nodiscard]] uint64_t id() const { return id_; }  // of the process's counting
    [[nodiscard]] bool is_smb3() const { return channel_.dialect >= 0x0300; }
    [[nodiscard]] bool multi_credit() const { return channel_.dialect != 0x0202 && !channel_.netbios; }
    MessageWindow& window() { return window_; }
    transport::ChunkPool& chunks() { return *chunks_; }
    [[nodiscard]] bool ended() const { return ended_; }
    // Bytes sent or queued that the peer has not acknowledged.
    [[nodiscard]] size_t unacknowledged() const { return transport_.unacknowledged(); }
    [[nodiscard]] std::chrono::milliseconds silence() const { return transport_.silence(); }
    // Ended, and nothing of the pool or of a pending request refers to it.
    [[nodiscard]] bool is_gone() const { return ended_ && jobs_ == 0 && active_.empty(); }

    // --- Sessions of this connection
    std::map<uint64_t, BoundSession> sessions;
    std::map<uint64_t, std::unique_ptr<Logon>> logons;                // in progress, by session id
    std::vector<std::unique_ptr<PreviousSession>> previous_sessions;  // that requests wait for
    [[nodiscard]] xsrv::Ref<xsrv::Session> find_session(uint64_t id) const;
    [[nodiscard]] const BoundSession* find_bound(uint64_t id) const;  // null: none
    // The session is none of this channel's any more. Its key is kept for a while: the client is to believe that it is gone.
    void forget_session(uint64_t id);
    [[nodiscard]] xsrv::Ref<xsrv::SigningKey> former_key(uint64_t id) const;
    // The session is gone: a log-on that was about it is answered with USER_SESSION_DELETED.
    void end_logon(uint64_t session_id);
    // The first SESSION_SETUP of a channel that binds to a session. False: the frame cannot be answered.
    bool begin_binding(Bytes frame);
    // Answers the SESSION_SETUP that preauth had in hand, whose message id it has taken. False: the frame cannot be answered.
    bool finish_handed_over(Bytes frame, HandedOverLogon logon);
    std::optional<HandedOverLogon> take_handed_over_logon() { return std::exchange(handed_over_, std::nullopt); }

    // --- Chains and replies
    Chain* get_chain();
    void put_chain(Chain* chain);  // after its last request
    Reply* get_reply();
    void put_reply(Reply* reply);
    // Sends an unsolicited message, which begins at Reply::front and is not signed (MS-SMB2 3.3.4.6, 3.3.4.7); sealed for `sealer`, unless
    // null.
    void notify(Reply& message, const xsrv::Session* sealer);
    void send(Reply& reply);  // queued, flushed before the loop waits
    // A request waits from now on: see Chain::tick.
    void watch_pending() {
        if (!pending_timer_.is_set()) pending_timer_.set_in(pending_interval);
    }
    uint64_t next_async_id() { return ++last_async_id_; }
    // CANCEL names a request by its async id, or, where the client has not seen an interim response yet, by its message id
    // (MS-SMB2 3.3.5.16).
    void cancel(const smb::Header& header);
    // As CANCEL would.
    void abandon_chains(const std::function<bool(const Request&)>& wanted);
    [[nodiscard]] size_t pending_requests() const { return active_.size(); }
    Buffer& scratch() { return scratch_; }

    // --- transport::Transport::Handler
    bool on_frame(MutableBytes frame, const transport::ChunkRef& memory) override;
    void on_drained() override;
    void on_end(const char* reason) override;

 private:
    class OpenJob;  // decrypts a large frame on the pool

    static constexpr std::chrono::milliseconds pending_interval{500};

    bool take_first_frame(Bytes frame);
    void open_on_pool(MutableBytes frame, const transport::ChunkRef& memory, xsrv::Ref<xsrv::Session> session);
    void tick_pending();
    void run_deferred() override { transport_.flush(); }
    bool on_sealed_frame(MutableBytes frame, const transport::ChunkRef& memory);
    bool on_plain_frame(MutableBytes frame, const transport::ChunkRef& memory, bool sealed, uint64_t session_id);

    Client& client_;
    uint64_t id_;
    ChannelState channel_;
    MessageWindow window_;
    transport::TcpTransport transport_;
    std::shared_ptr<transport::ChunkPool> chunks_ = std::make_shared<transport::ChunkPool>();
    std::vector<Chain*> active_;
    std::vector<std::unique_ptr<Chain>> chain_store_;
    std::vector<Chain*> free_chains_;
    std::vector<std::unique_ptr<Reply>> reply_store_;
    std::vector<Reply*> free_replies_;
    std::vector<std::unique_ptr<OpenJob>> open_job_store_;
    std::vector<OpenJob*> free_open_jobs_;
    struct FormerSession {
        uint64_t id = 0;
        xsrv::Ref<xsrv::SigningKey> key;
    };
    std::array<FormerSession, 4> former_sessions_;
    size_t next_former_ = 0;
    std::optional<HandedOverLogon> handed_over_;
    Buffer handed_over_frame_;
    loop::Timer pending_timer_;
    loop::Timer binding_timer_;  // until it has a session
    Buffer scratch_;
    uint64_t last_async_id_ = 0;
    unsigned jobs_ = 0;  // of the pool that refer to this connection
    bool ended_ = false;
};

}  // namespace Atoll::smb2

#include "smbd/smb2/connection.h"

#include <algorithm>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"

namespace Atoll::smb2 {
namespace {

constexpr size_t pool_threshold = 128 * 1024;    // bytes of a sealed frame from which on the pool decrypts it
constexpr size_t request_overhead = 128 * 1024;  // of a frame beside the largest payload: headers, compounds, transform
constexpr size_t max_queued = 64u << 20;         // bytes of answers that the client does not take; then nothing more of it is read

size_t max_frame(const ChannelState& channel) {
    const size_t largest = std::max({channel.max_transact, channel.max_read, channel.max_write});
    return std::min(largest + request_overhead, limits::max_frame);
}

}  // namespace

// A large sealed frame is opened on the pool; requests have no order among frames (MS-SMB2 3.2.4.1.7), so others may overtake it.
class Connection::OpenJob final : public loop::Job {
 public:
    explicit OpenJob(Connection& connection) : connection_(connection) {}

    void submit(MutableBytes frame, const transport::ChunkRef& memory, xsrv::Ref<xsrv::Session> session) {
        frame_ = frame;
        memory_ = memory;
        session_ = std::move(session);
        plain_ = {};
        connection_.jobs_++;
        connection_.client_.pool().submit(*this);
    }
    void run() override {
        const auto opened = session_->opener->open(frame_);
        if (opened.ok()) plain_ = *opened;
    }
    void done() override {
        const transport::ChunkRef memory = std::move(memory_);
        const xsrv::Ref<xsrv::Session> session = std::move(session_);
        Connection& connection = connection_;
        connection.jobs_--;
        connection.free_open_jobs_.push_back(this);
        if (!connection.ended_ && (plain_.empty() || !connection.on_plain_frame(plain_, memory, true, session->id)))
            connection.close("a sealed frame that is not authentic");
        if (connection.ended_) connection.client_.reap_later();
    }

 private:
    Connection& connection_;
    MutableBytes frame_;
    transport::ChunkRef memory_;
    xsrv::Ref<xsrv::Session> session_;
    MutableBytes plain_;
};

Connection::Connection(Client& client, ChannelState channel, UniqueFd socket)
    : client_(client),
      id_(client.next_channel_id()),
      channel_(std::move(channel)),
      window_(client.max_credits()),
      transport_(client.loop(), std::move(socket), max_frame(channel_), channel_.netbios),
      pending_timer_(client.loop(), [this] { tick_pending(); }),
      binding_timer_(client.loop(), [this] {
          if (sessions.empty() && !ended_) close("the log-on took too long");
      }) {
    window_.adopt(channel_.next_message_id, channel_.credits);
}

Connection::~Connection() = default;

xsrv::Ref<xsrv::Session> Connection::find_session(uint64_t id) const {
    const BoundSession* found = find_bound(id);
    return found ? found->session : nullptr;
}

const BoundSession* Connection::find_bound(uint64_t id) const {
    const auto found = sessions.find(id);
    return found == sessions.end() ? nullptr : &found->second;
}

void Connection::forget_session(uint64_t id) {
    const auto found = sessions.find(id);
    if (found == sessions.end()) return;
    former_sessions_[next_former_] = {id, std::move(found->second.key)};
    next_former_ = (next_former_ + 1) % former_sessions_.size();
    sessions.erase(found);
}

xsrv::Ref<xsrv::SigningKey> Connection::former_key(uint64_t id) const {
    for (const FormerSession& former : former_sessions_) {
        if (former.key && former.id == id) return former.key;
    }
    return nullptr;
}

void Connection::end_logon(uint64_t session_id) {
    const auto found = logons.find(session_id);
    if (found == logons.end()) return;
    const std::unique_ptr<Logon> logon = std::move(found->second);
    logons.erase(found);
    logon->pending.reset();
    if (Request* waiting = std::exchange(logon->waiting, nullptr)) {
        waiting->abandon = nullptr;
        waiting->complete(NtStatus::USER_SESSION_DELETED);
    }
}

bool Connection::on_frame(MutableBytes frame, const transport::ChunkRef& memory) {
    client_.need_service();
    switch (smb::frame_kind(frame)) {
        case smb::FrameKind::smb2: return on_plain_frame(frame, memory, false, 0);
        case smb::FrameKind::transform: return on_sealed_frame(frame, memory);
        default: return false;
    }
}

// MS-SMB2 3.3.5.2.1.1
bool Connection::on_sealed_frame(MutableBytes frame, const transport::ChunkRef& memory) {
    if (!is_smb3() || channel_.cipher == 0) return false;
    const auto header = smb::TransformHeader::decode(frame);
    if (!header.ok()) return false;
    const auto session = find_session(header->session_id);
    if (!session || !session->opener) return false;
    if (frame.size() >= pool_threshold) {
        open_on_pool(frame, memory, session);
        return true;
    }
    const auto plain = session->opener->open(frame);
    return plain.ok() && on_plain_frame(*plain, memory, true, session->id);
}

void Connection::open_on_pool(MutableBytes frame, const transport::ChunkRef& memory, xsrv::Ref<xsrv::Session> session) {
    if (free_open_jobs_.empty()) {
        open_job_store_.push_back(std::make_unique<OpenJob>(*this));
        free_open_jobs_.push_back(open_job_store_.back().get());
    }
    OpenJob* job = free_open_jobs_.back();
    free_open_jobs_.pop_back();
    job->submit(frame, memory, std::move(session));
}

bool Connection::on_plain_frame(MutableBytes frame, const transport::ChunkRef& memory, bool sealed, uint64_t session_id) {
    if (smb::frame_kind(frame) != smb::FrameKind::smb2) return false;
    if (active_.size() >= limits::max_async_requests && transport_.queued_bytes() > max_queued) return false;
    Chain* chain = get_chain();
    if (!chain->accept(frame, memory, sealed, session_id)) {
        put_chain(chain);
        return false;
    }
    chain->run();
    return true;
}

bool Connection::finish_handed_over(Bytes frame, HandedOverLogon logon) {
    handed_over_ = std::move(logon);
    return take_first_frame(frame);
}

bool Connection::begin_binding(Bytes frame) {
    binding_timer_.set_in(std::chrono::seconds(limits::preauth_timeout_seconds));
    return take_first_frame(frame);
}

bool Connection::take_first_frame(Bytes frame) {
    handed_over_frame_.assign(frame);
    Chain* chain = get_chain();
    if (!chain->accept_handed_over(handed_over_frame_.mutable_bytes())) {
        put_chain(chain);
        return false;
    }
    chain->run();
    return true;
}

void Connection::on_drained() {
    transport_.pause(transport_.queued_bytes() > max_queued);
    client_.loop().defer(*this);
}

Chain* Connection::get_chain() {
    if (free_chains_.empty()) {
        chain_store_.push_back(std::make_unique<Chain>(*this));
        free_chains_.push_back(chain_store_.back().get());
    }
    Chain* chain = free_chains_.back();
    free_chains_.pop_back();
    active_.push_back(chain);
    return chain;
}

void Connection::put_chain(Chain* chain) {
    const auto found = std::find(active_.begin(), active_.end(), chain);
    ATOLL_ASSERT(found != active_.end());
    *found = active_.back();
    active_.pop_back();
    free_chains_.push_back(chain);
    if (ended_) client_.reap_later();
}

Reply* Connection::get_reply() {
    if (free_replies_.empty()) {
        reply_store_.push_back(std::make_unique<Reply>(*this));
        free_replies_.push_back(reply_store_.back().get());
    }
    Reply* reply = free_replies_.back();
    free_replies_.pop_back();
    return reply;
}

void Connection::put_reply(Reply* reply) {
    reply->reset();
    free_replies_.push_back(reply);
}

void Connection::tick_pending() {
    bool any = false;
    for (Chain* chain : active_) {
        chain->tick();
        any = any || chain->pending();
    }
    if (any && !ended_) pending_timer_.set_in(pending_interval);
}

// An answer promises: that data is written, that a lock or a lease is held. A node that has lost its place in the cluster cannot.
void Connection::send(Reply& reply) {
    client_.need_service();
    transport_.send(reply);
    client_.loop().defer(*this);
}

void Connection::notify(Reply& message, const xsrv::Session* sealer) {
    if (sealer != nullptr && sealer->sealer) {
        message.sealed = true;
        const MutableBytes all = message.out().mutable_bytes();
        const MutableBytes parts[] = {all.subspan(Reply::front)};
        sealer->sealer->seal(all.subspan(transport::header_size).first<smb::TransformHeader::size>(), parts);
    }
    send(message);
}

void Connection::cancel(const smb::Header& header) {
    for (Chain* chain : active_) {
        if (!chain->pending()) continue;
        const Request& request = chain->request();
        const bool named = header.is_async() ? request.async_id != 0 && request.async_id == header.async_id
                                             : request.header.message_id == header.message_id;
        if (named) return chain->abandon();
    }
}

void Connection::abandon_chains(const std::function<bool(const Request&)>& wanted) {
    const std::vector<Chain*> active = active_;
    for (Chain* chain : active) {
        if (wanted(chain->request())) chain->abandon();
    }
}

void Connection::on_end(const char* reason) {
    log_info("{}:{}: connection ended: {}", channel_.peer_address, channel_.peer_port, reason);
    ended_ = true;
    pending_timer_.cancel();
    abandon_chains([this](const Request& request) { return !client_.may_be_replayed(request); });
    logons.clear();
    client_.connection_ended(*this);
    client_.reap_later();
}

}  // namespace Atoll::smb2

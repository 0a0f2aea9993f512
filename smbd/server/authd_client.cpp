#include "smbd/server/authd_client.h"

#include <chrono>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/handover.h"
#include "base/loop/socket_path.h"

namespace Atoll::server {

namespace {

constexpr auto retry_interval = std::chrono::milliseconds(100);

}  // namespace

class AuthdClient::Asked final : public Pending {
 public:
    Asked(AuthdClient& client, uint64_t request_id, Buffer request, Done callback)
        : id(request_id),
          encoded(std::move(request)),
          done(std::move(callback)),
          deadline(monotonic_now() + std::chrono::seconds(limits::handover_timeout_seconds)),
          client_(&client) {
        client.asked_[id] = this;
    }
    ~Asked() override {
        if (client_ != nullptr) client_->asked_.erase(id);
    }
    void detach() { client_ = nullptr; }
    // `done` may destroy this.
    void finish(Result<smb2::LogonAnswer, NtStatus> result) {
        client_->asked_.erase(id);
        client_ = nullptr;
        const Done callback = std::move(done);
        callback(std::move(result));
    }

    uint64_t id;
    Buffer encoded;
    Done done;
    Monotonic deadline;

 private:
    AuthdClient* client_;
};

AuthdClient::AuthdClient(loop::Loop& loop, std::string path) : loop_(loop), path_(std::move(path)), retry_(loop, [this] { retry(); }) {}

AuthdClient::~AuthdClient() {
    for (const auto& [id, asked] : asked_) asked->detach();
}

std::unique_ptr<smb2::LogonVerifier::Pending> AuthdClient::verify(const auth::LogonProof& proof, const smb2::ChannelState& channel,
                                                                  Done done) {
    verify_request request;
    request.request_id = ++last_request_;
    request.dialect = channel.dialect;
    request.client_guid = channel.client_guid;
    request.peer_address = channel.peer_address;
    request.proof = proof;
    auto asked = std::make_unique<Asked>(*this, request.request_id, encode_record(request), std::move(done));
    send(*asked);
    return asked;
}

bool AuthdClient::connected() {
    if (socket_.valid()) return true;
    auto socket = loop::connect_to_path(path_);
    if (!socket) return false;
    socket_ = PacketSocket::fresh(std::move(socket).value());
    watch_.emplace(loop_, socket_.fd(), [this] { spoke(); });
    watch_->watch_read(true);
    return true;
}

void AuthdClient::send(const Asked& asked) {
    if (connected() && socket_.send(PacketKind::verify, asked.encoded)) return;
    if (!retry_.is_set()) retry_.set_in(retry_interval);
}

void AuthdClient::lost() {
    watch_.reset();
    socket_.close();
    if (!asked_.empty() && !retry_.is_set()) retry_.set_in(retry_interval);
}

// Asking twice is harmless: the first answer counts.
void AuthdClient::retry() {
    const Monotonic now = monotonic_now();
    for (auto it = asked_.begin(); it != asked_.end(); it = asked_.begin()) {
        if (it->second->deadline > now) break;
        it->second->finish(NtStatus::INSUFFICIENT_RESOURCES);
    }
    for (const auto& [id, asked] : asked_) send(*asked);
}

void AuthdClient::spoke() {
    Packet packet;
    while (socket_.valid()) {
        const auto received = socket_.receive(packet);
        if (received == PacketSocket::Received::nothing) return;
        if (received == PacketSocket::Received::ended) return lost();
        if (packet.kind == PacketKind::verified) answer(packet);
    }
}

void AuthdClient::answer(const Packet& packet) {
    verify_answer record;
    if (!decode(packet.payload, record)) return log_error("authd's answer cannot be read");
    const auto found = asked_.find(record.request_id);
    if (found == asked_.end()) return;
    if (record.grant) return found->second->finish(smb2::LogonAnswer(from_record(*record.grant)));
    if (record.continuation) return found->second->finish(smb2::LogonAnswer(std::move(*record.continuation)));
    const NtStatus status = nt_status(record.status);
    found->second->finish(is_error(status) ? status : NtStatus::LOGON_FAILURE);
}

}  // namespace Atoll::server

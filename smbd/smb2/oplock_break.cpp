// OPLOCK_BREAK: what clients are told of oplocks and leases that break (MS-SMB2 3.3.4.6, 3.3.4.7), and what they answer (3.3.5.22).
#include "libcli/smb/file_io.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/persistence.h"

namespace Atoll::smb2 {
namespace {

smb::Header notification_header(uint64_t session_id) {
    smb::Header header;
    header.command = smb::Command::oplock_break;
    header.flags = smb::header_flags::server_to_redir;
    header.message_id = ~uint64_t{0};
    header.session_id = session_id;
    return header;
}

template <class Message>
BreakNotice make_notice(const Message& message, uint64_t session_id, const xsrv::Open& open) {
    BreakNotice notice;
    ByteWriter out(notice.message);
    notification_header(session_id).encode(out);
    message.encode(out);
    if (open.session->encrypt_data || open.tcon->encrypt_data) notice.sealer = open.session;
    return notice;
}

// MS-SMB2 3.3.5.22.1
NtStatus acknowledge_oplock(Request& request) {
    const auto answer = smb::OplockBreak::decode(request.message);
    if (!answer.ok()) return answer.error();
    if (const NtStatus status = request.look_up_open(answer->file_id); status != NtStatus::SUCCESS) return status;
    fsa::FileSystem& files = request.connection().client().file_system();
    const auto level = files.acknowledge_oplock(*request.open->file, static_cast<fsa::OplockLevel>(answer->oplock_level));
    if (!level.ok()) return level.error();
    smb::OplockBreak{static_cast<smb::OplockLevel>(*level), answer->file_id}.encode(request.out());
    return commit_oplock(request);
}

// MS-SMB2 3.3.5.22.2
NtStatus acknowledge_lease(Request& request) {
    const auto answer = smb::LeaseBreakAck::decode(request.message);
    if (!answer.ok()) return answer.error();
    const Guid& client_guid = request.connection().channel().client_guid;
    const auto done = request.connection().client().file_system().acknowledge_lease(client_guid, answer->key, answer->state);
    if (!done.ok()) return done.error();
    answer->encode(request.out());
    return commit_lease(request, answer->key);
}

}  // namespace

NtStatus still_there(const Request& request) {
    if (request.session->ended) return NtStatus::USER_SESSION_DELETED;
    if (!(request.session->find_tcon(request.tcon->id) == request.tcon)) return NtStatus::NETWORK_NAME_DELETED;
    return NtStatus::SUCCESS;
}

NtStatus handle_oplock_break(Request& request) {
    constexpr uint16_t lease_form = 36;
    const uint16_t form = smb::oplock_break_form(request.message);
    if (form == 0) return NtStatus::INVALID_PARAMETER;
    if (form == lease_form && request.connection().channel().dialect > 0x0202) return acknowledge_lease(request);
    return acknowledge_oplock(request);
}

bool Client::oplock_break(fsa::Open& file, fsa::OplockLevel to, bool /*acknowledge*/) {
    auto* open = static_cast<xsrv::Open*>(file.context);
    if (open == nullptr || !open->session) return false;
    const smb::OplockBreak message{static_cast<smb::OplockLevel>(to), {open->persistent_id, open->volatile_id}};
    BreakNotice notice = make_notice(message, open->session->id, *open);
    notice.session = open->session;
    return break_notices_.send(std::move(notice));
}

bool Client::lease_break(fsa::Open& file, const fsa::LeaseBreak& broken) {
    auto* open = static_cast<xsrv::Open*>(file.context);
    if (open == nullptr || !open->session) return false;
    smb::LeaseBreakNotification message;
    message.new_epoch = broken.epoch;
    message.flags = broken.acknowledge ? smb::lease_break_flags::ack_required : 0;
    message.key = broken.key;
    message.current_state = broken.from;
    message.new_state = broken.to;
    BreakNotice notice = make_notice(message, 0, *open);
    notice.client = broken.client;
    return break_notices_.send(std::move(notice));
}

void Client::unanswered(fsa::Open& file, std::function<void()> then) {
    auto* open = static_cast<xsrv::Open*>(file.context);
    if (open == nullptr) return then();
    persistence_.caching_ends(*open, [alive = alive_, then = std::move(then)] {
        if (*alive) then();
    });
}

NtStatus CachingWait::start(NtStatus (*handler)(Request&)) {
    handler_ = handler;
    request_.open = nullptr;
    request_.interim_at_once = true;
    request_.abandon = [](Request& request) {
        request.caching_wait.cancel();
        request.connection().client().create_replays().not_waiting(request);
        request.complete(NtStatus::CANCELLED);
    };
    return NtStatus::PENDING;
}

void CachingWait::resume() {
    request_.connection().client().create_replays().not_waiting(request_);
    NtStatus status = still_there(request_);
    if (status == NtStatus::SUCCESS) status = handler_(request_);
    if (status == NtStatus::PENDING) return;
    cancel();
    request_.complete(status);
}

}  // namespace Atoll::smb2

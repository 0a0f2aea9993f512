#include "smbd/server/preauth_session.h"

#include <algorithm>

#include "base/limits.h"
#include "base/random.h"
#include "libcli/smb/error.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/session_policy.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::server {

namespace {

constexpr uint16_t smb_311 = 0x0311;
constexpr uint16_t wildcard = 0x02FF;

}  // namespace

PreauthSession::Action PreauthSession::take(Bytes frame, Buffer& response) {
    const bool negotiated = channel_.dialect != 0 && channel_.dialect != wildcard;
    if (!negotiated || smb2::is_negotiate(frame)) {
        if (!smb2::is_negotiate(frame)) return Action::end;  // MS-SMB2 3.3.5.2.9: nothing before NEGOTIATE
        const auto result = smb2::negotiate(frame, policy_.negotiate, policy_.negotiate_token, NtTime::now(), channel_, response);
        return result == smb2::NegotiateResult::answered ? Action::respond : Action::end;
    }
    const auto header = smb::Header::decode(frame);
    if (!header.ok() || header->is_response() || header->next_command != 0) return Action::end;
    if (header->command == smb::Command::cancel) return Action::respond;  // nothing here can be cancelled, and CANCEL has no response
    if (!spend_message_id(*header)) return Action::end;
    if (header->command == smb::Command::session_setup) return session_setup(*header, frame, response);
    if (header->command == smb::Command::echo && !header->is_signed()) {
        const auto echo = smb::EmptyMessage::decode(frame);
        if (!echo.ok()) {
            write_error(*header, header->session_id, echo.error(), response);
            return Action::respond;
        }
        ByteWriter out(response);
        response_header(*header, NtStatus::SUCCESS).encode(out);
        smb::EmptyMessage{}.encode(out);
        return Action::respond;
    }
    // There is no session yet (MS-SMB2 3.3.5.2.9).
    write_error(*header, header->session_id, NtStatus::USER_SESSION_DELETED, response);
    return Action::respond;
}

// Ids are taken strictly in order, since one credit at a time is granted (MS-SMB2 3.3.5.2.3).
bool PreauthSession::spend_message_id(const smb::Header& header) {
    const uint32_t charge = channel_.dialect == 0x0202 ? 1 : std::max<uint32_t>(header.credit_charge, 1);
    if (header.message_id != channel_.next_message_id || charge > channel_.credits) return false;
    channel_.next_message_id += charge;
    channel_.credits -= charge;
    return true;
}

PreauthSession::Action PreauthSession::session_setup(const smb::Header& header, Bytes frame, Buffer& response) {
    const auto refuse_with = [&](NtStatus status) {
        write_error(header, header.session_id, status, response);
        return Action::respond;
    };
    const auto request = smb::SessionSetupRequest::decode(frame);
    if (!request.ok()) return refuse_with(request.error());
    if ((request->flags & smb::session_setup_flags::binding) != 0 && header.session_id != 0) {
        if (!policy_.configuration->global().server_multi_channel_support) return refuse_with(NtStatus::REQUEST_NOT_ACCEPTED);
        proving_header_ = header;
        return Action::bind;
    }
    if (smb2::sealing_is_impossible(*policy_.configuration, channel_)) return refuse_with(NtStatus::ACCESS_DENIED);
    const auto exchange = find_exchange(header.session_id);
    if (!exchange.ok()) return refuse_with(exchange.error());
    return step(header, frame, request->security_buffer, **exchange, response);
}

Result<PreauthSession::Exchange*, NtStatus> PreauthSession::find_exchange(uint64_t session_id) {
    for (const auto& exchange : exchanges_) {
        if (exchange->id == session_id) return exchange.get();
    }
    if (session_id != 0) return NtStatus::USER_SESSION_DELETED;
    if (exchanges_.size() >= limits::max_preauth_logons) return NtStatus::INSUFFICIENT_RESOURCES;
    exchanges_.push_back(
        std::make_unique<Exchange>(xsrv::new_session_id(random_u64()), smb2::acceptor_for(*policy_.configuration), channel_.preauth_hash));
    return exchanges_.back().get();
}

PreauthSession::Action PreauthSession::step(const smb::Header& header, Bytes frame, Bytes token, Exchange& exchange, Buffer& response) {
    if (channel_.dialect == smb_311) smb::extend_preauth_hash(exchange.preauth_hash, frame);
    auto step = exchange.acceptor.step(token);
    if (!step.ok()) {
        write_error(header, exchange.id, step.error(), response);
        end_exchange(exchange);
        return Action::respond;
    }
    if (step->proof) {
        proof_ = std::move(*step->proof);
        proving_ = &exchange;
        proving_header_ = header;
        return Action::verify;
    }
    ask_client(header, exchange, step->token, response);
    return Action::respond;
}

void PreauthSession::ask_client(const smb::Header& header, Exchange& exchange, Bytes token, Buffer& response) {
    const size_t start = response.size();
    ByteWriter out(response);
    smb::Header answer = response_header(header, NtStatus::MORE_PROCESSING_REQUIRED);
    answer.session_id = exchange.id;
    answer.encode(out);
    smb::SessionSetupResponse body;
    body.security_buffer = token;
    body.encode(out);
    if (channel_.dialect == smb_311) smb::extend_preauth_hash(exchange.preauth_hash, response.bytes().subspan(start));
}

void PreauthSession::go_on(const auth::LogonContinuation& continuation, Buffer& response) {
    ATOLL_ASSERT(proving_ != nullptr);
    proving_->acceptor.go_on(continuation.exchange);
    ask_client(proving_header_, *proving_, continuation.token, response);
    proving_ = nullptr;
    proof_ = {};
}

void PreauthSession::refuse(NtStatus status, Buffer& response) {
    ATOLL_ASSERT(proving_ != nullptr);
    write_error(proving_header_, proving_->id, status, response);
    end_exchange(*proving_);
    proving_ = nullptr;
    proof_ = {};
}

void PreauthSession::refuse_binding(NtStatus status, Buffer& response) {
    write_error(proving_header_, proving_header_.session_id, status, response);
}

void PreauthSession::end_exchange(const Exchange& exchange) {
    std::erase_if(exchanges_, [&](const auto& one) { return one.get() == &exchange; });
}

smb::Header PreauthSession::response_header(const smb::Header& request, NtStatus status) {
    channel_.credits += 1;  // always enough for the next request, never more
    smb::Header header;
    header.status = status;
    header.command = request.command;
    header.credit_charge = request.credit_charge;
    header.credits = 1;
    header.flags = smb::header_flags::server_to_redir | (request.flags & smb::header_flags::priority_mask);
    header.message_id = request.message_id;
    header.process_id = request.process_id;
    header.tree_id = request.tree_id;
    header.session_id = request.session_id;
    return header;
}

void PreauthSession::write_error(const smb::Header& request, uint64_t session_id, NtStatus status, Buffer& response) {
    ByteWriter out(response);
    smb::Header header = response_header(request, status);
    header.session_id = session_id;
    header.encode(out);
    smb::ErrorResponse{}.encode(out);
}

}  // namespace Atoll::server

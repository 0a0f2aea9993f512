#include "smbd/smb2/admission.h"

#include "base/log.h"
#include "libcli/smb/negotiate.h"
#include "smbd/smb2/channel_sequence.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/session_policy.h"

namespace Atoll::smb2 {
namespace {

bool needs_session(const Request& request) {
    switch (request.header.command) {
        case smb::Command::negotiate:
        case smb::Command::session_setup: return false;
        case smb::Command::echo:  // MS-SMB2 3.3.5.17
            return request.header.is_signed() || (!request.chain->sealed() && request.header.session_id != 0);
        default: return true;
    }
}

// MS-SMB2 3.3.5.2.7.2: a related request goes on with the session and the tree of the one before it.
NtStatus take_over_related(Request& request) {
    Chain& chain = *request.chain;
    if (!chain.is_related()) return NtStatus::SUCCESS;
    if (!chain.related_possible()) return NtStatus::INVALID_PARAMETER;
    if (needs_session(request) && !chain.related.has_session) return NtStatus::INVALID_PARAMETER;
    if (needs_tcon(request.header.command) && !chain.related.has_tcon) return NtStatus::INVALID_PARAMETER;
    request.header.session_id = chain.related.session_id;
    request.header.tree_id = chain.related.tree_id;
    return NtStatus::SUCCESS;
}

constexpr size_t pool_threshold = 128 * 1024;  // bytes of a WRITE's message from which on the pool verifies its signature

bool may_owe_signature(const Request& request) {
    return request.header.command == smb::Command::write && request.message.size() > pool_threshold;
}

// MS-SMB2 3.3.5.2.4
NtStatus verify_signature(Request& request) {
    if (request.chain->sealed()) return NtStatus::SUCCESS;
    const xsrv::Session* session = request.session.get();
    if (!request.header.is_signed()) {
        return session && session->signing_required ? NtStatus::ACCESS_DENIED : NtStatus::SUCCESS;
    }
    if (!session) return NtStatus::USER_SESSION_DELETED;
    if (!request.key) return NtStatus::SUCCESS;  // of guests and anonymous nothing is signed
    request.owes_signature = may_owe_signature(request);
    if (request.owes_signature) return NtStatus::SUCCESS;
    return request.key->signer.verify(request.message) ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
}

// MS-SMB2 3.3.5.2.9: what ends something goes on. ECHO does too, whose answers (3.3.5.17) know of no expiry.
bool may_be_expired(smb::Command command) {
    return command == smb::Command::logoff || command == smb::Command::close || command == smb::Command::lock ||
           command == smb::Command::echo;
}

NtStatus verify_session(Request& request) {
    const xsrv::Session& session = *request.session;
    if (!may_be_expired(request.header.command) && session_has_expired(session)) return NtStatus::NETWORK_SESSION_EXPIRED;
    if (session.encrypt_data && request.connection().is_smb3() && !request.chain->sealed()) return NtStatus::ACCESS_DENIED;
    return NtStatus::SUCCESS;
}

// MS-SMB2 3.3.5.2.11
NtStatus verify_tcon(Request& request) {
    request.tcon = request.session->find_tcon(request.header.tree_id);
    if (!request.tcon) return NtStatus::NETWORK_NAME_DELETED;
    if (request.tcon->encrypt_data && !request.chain->sealed()) return NtStatus::ACCESS_DENIED;
    return NtStatus::SUCCESS;
}

NtStatus refuse(Request& request, NtStatus status) {
    request.session = nullptr;  // what is refused here is not answered in the session's name
    request.key = nullptr;
    request.tcon = nullptr;
    return status;
}

// That the session is not one of this channel is told in its name to whoever knows its key (MS-SMB2 3.3.4.1.1).
void find_key(Request& request) {
    if (!request.header.is_signed() || request.chain->sealed()) return;
    const Connection& connection = request.connection();
    xsrv::Ref<xsrv::SigningKey> key = connection.former_key(request.header.session_id);
    if (!key) {
        const auto session = connection.client().find_session(request.header.session_id);
        if (session) key = session->signing_key;
    }
    if (key && key->signer.verify(request.message)) request.key = std::move(key);
}

bool modifies(smb::Command command) {
    return command == smb::Command::write || command == smb::Command::set_info || command == smb::Command::ioctl;
}

void find_session(Request& request) {
    const BoundSession* bound = request.connection().find_bound(request.header.session_id);
    if (bound == nullptr) return find_key(request);
    request.session = bound->session;
    request.key = bound->key;
}

// For smbstatus(1). Only what is seen for the first time is written down.
void note_protection(Request& request) {
    using Seen = xsrv::ProtectionSeen;
    if (request.owes_signature) return;
    const bool is_signed = request.header.is_signed() && request.key;
    const auto bits = request.chain->sealed() ? static_cast<uint8_t>(Seen::is_signed | Seen::is_sealed)
                                              : static_cast<uint8_t>((is_signed ? Seen::is_signed : Seen::is_unsigned) | Seen::is_unsealed);
    xsrv::Session& session = *request.session;
    constexpr uint8_t of_session = Seen::is_signed | Seen::is_sealed;  // it always begins with something that is neither
    xsrv::Tables& tables = request.connection().client().tables();
    if (uint8_t news = bits & of_session & static_cast<uint8_t>(~session.seen.bits); news != 0) {
        session.seen.bits |= news;
        if (const auto renewed = tables.renew_session(session); !renewed) log_error("{}", renewed.error().message());
    }
    if (!request.tcon || (bits & ~request.tcon->seen.bits) == 0) return;
    request.tcon->seen.bits |= bits;
    if (const auto renewed = tables.put_tcon(*request.tcon); !renewed) log_error("{}", renewed.error().message());
}

}  // namespace

NtStatus admit_request(Request& request) {
    if (!is_command(request.header.command)) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = take_over_related(request); status != NtStatus::SUCCESS) return status;
    find_session(request);
    if (!needs_session(request)) {
        if (request.header.command == smb::Command::session_setup && !request.session) return NtStatus::SUCCESS;
        if (!request.session) return NtStatus::SUCCESS;
        const NtStatus status = verify_signature(request);
        if (status == NtStatus::SUCCESS) return status;
        refuse(request, status);
        find_key(request);  // that of the session where this channel's own is meant
        return status;
    }
    if (!request.session) return NtStatus::USER_SESSION_DELETED;
    if (const NtStatus status = verify_signature(request); status != NtStatus::SUCCESS) return refuse(request, status);
    if (const NtStatus status = verify_session(request); status != NtStatus::SUCCESS) return status;
    if (needs_tcon(request.header.command)) {
        if (const NtStatus status = verify_tcon(request); status != NtStatus::SUCCESS) return status;
    }
    note_protection(request);
    return NtStatus::SUCCESS;
}

NtStatus settle_signature(Request& request) {
    if (!std::exchange(request.owes_signature, false)) return NtStatus::SUCCESS;
    if (request.key->signer.verify(request.message)) return NtStatus::SUCCESS;
    forget_forged(request);
    return NtStatus::ACCESS_DENIED;
}

void forget_forged(Request& request) {
    request.session = nullptr;
    request.key = nullptr;
    request.tcon = nullptr;
    request.open = nullptr;
    request.names_file = false;
}

bool may_cancel(Request& request) {
    find_session(request);
    const bool allowed = !request.header.is_signed() || verify_signature(request) == NtStatus::SUCCESS;
    request.session = nullptr;
    request.key = nullptr;
    return allowed;
}

bool sealed_part_allowed(const smb::Header& header, bool first, uint64_t sealing_session) {
    if (first && header.is_related()) return false;
    return (!first && header.is_related()) || header.session_id == sealing_session;
}

NtStatus check_credit_charge(const Request& request, uint64_t bytes) {
    constexpr uint64_t unit = 65536;  // MS-SMB2 3.1.5.2
    if (!request.connection().multi_credit()) return bytes <= unit ? NtStatus::SUCCESS : NtStatus::INVALID_PARAMETER;
    const uint64_t charge = request.header.credit_charge == 0 ? 1 : request.header.credit_charge;
    const uint64_t needed = bytes == 0 ? 1 : (bytes - 1) / unit + 1;
    return needed <= charge ? NtStatus::SUCCESS : NtStatus::INVALID_PARAMETER;
}

NtStatus check_channel_sequence(Request& request) {
    if (!request.connection().is_smb3() || request.counted_in) return NtStatus::SUCCESS;  // one that waited has been counted
    xsrv::Open& open = *request.open;
    const uint16_t sequence = request.header.channel_sequence();
    if (sequence != open.channel_sequence) {
        if (const NtStatus status = settle_signature(request); status != NtStatus::SUCCESS) return status;
    }
    if (const auto counted_at = count_request(open, sequence, request.header.is_replay())) {
        request.counted_in = request.open;
        request.counted_at = *counted_at;
        return NtStatus::SUCCESS;
    }
    return modifies(request.header.command) ? NtStatus::FILE_NOT_AVAILABLE : NtStatus::SUCCESS;
}

void write_error_body(ByteWriter& out) {
    constexpr uint16_t structure_size = 9;  // MS-SMB2 2.2.2: ErrorContextCount, Reserved, ByteCount, and one byte of ErrorData
    out.u16(structure_size);
    out.zeros(7);
}

}  // namespace Atoll::smb2

#include "smbd/smb2/negotiate.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "base/random.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/preauth_hash.h"

namespace Atoll::smb2 {
namespace {

using smb::Dialect;

constexpr uint16_t wildcard = 0x02FF;
constexpr uint16_t smb_311 = 0x0311;
constexpr uint16_t smb_300 = 0x0300;
constexpr size_t salt_size = 32;
constexpr uint16_t negotiate_credits = 1;       // what NEGOTIATE grants, besides the id that it took
constexpr uint32_t small_transfer = 64 * 1024;  // bytes: the most that one credit pays for (MS-SMB2 3.1.5.2)

constexpr uint16_t offered_dialects[] = {0x0311, 0x0302, 0x0300, 0x0210, 0x0202};

bool allowed(uint16_t dialect, const NegotiatePolicy& policy) { return dialect >= policy.min_dialect && dialect <= policy.max_dialect; }

// The greatest that both have; 0: none.
uint16_t choose_dialect(smb::U16List offered, const NegotiatePolicy& policy) {
    for (const uint16_t dialect : offered_dialects) {
        if (allowed(dialect, policy) && offered.contains(dialect)) return dialect;
    }
    return 0;
}

// The server's order of preference decides; 0: nothing in common.
std::optional<uint16_t> choose(const std::vector<uint16_t>& preferred, smb::U16List offered) {
    for (const uint16_t one : preferred) {
        if (offered.contains(one)) return one;
    }
    return std::nullopt;
}

void write_error(Buffer& response, NtStatus status, uint64_t message_id) {
    ByteWriter out(response);
    smb::Header header;
    header.status = status;
    header.command = smb::Command::negotiate;
    header.flags = smb::header_flags::server_to_redir;
    header.credits = negotiate_credits;
    header.message_id = message_id;
    header.encode(out);
    out.u16(9);  // MS-SMB2 2.2.2
    out.zeros(7);
}

// What every NEGOTIATE response says, whatever its dialect.
smb::NegotiateResponse common_response(uint16_t dialect, const NegotiatePolicy& policy, Bytes security_blob, NtTime now,
                                       ChannelState& channel) {
    const bool multi_credit = dialect != 0x0202 && !channel.netbios;
    channel.server_guid = policy.server_guid;
    channel.server_security_mode = smb::security_mode::signing_enabled;
    if (policy.signing_required) channel.server_security_mode |= smb::security_mode::signing_required;
    channel.max_transact = multi_credit ? policy.max_transact : std::min(policy.max_transact, small_transfer);
    channel.max_read = multi_credit ? policy.max_read : std::min(policy.max_read, small_transfer);
    channel.max_write = multi_credit ? policy.max_write : std::min(policy.max_write, small_transfer);
    channel.server_capabilities = multi_credit ? smb::global_cap::large_mtu : 0;
    // MS-SMB2 3.3.5.4; it holds for clients that ask for it.
    const bool asked = (channel.client_capabilities & smb::global_cap::multi_channel) != 0;
    if (policy.multi_channel && dialect >= smb_300 && dialect != wildcard && asked)
        channel.server_capabilities |= smb::global_cap::multi_channel;
    if (policy.leasing && dialect != 0x0202) channel.server_capabilities |= smb::global_cap::leasing;
    if (policy.leasing && dialect >= smb_300)
        channel.server_capabilities |= channel.client_capabilities & smb::global_cap::directory_leasing;
    if (policy.persistent_handles && dialect >= smb_300 && dialect != wildcard)
        channel.server_capabilities |= channel.client_capabilities & smb::global_cap::persistent_handles;

    smb::NegotiateResponse response;
    response.security_mode = channel.server_security_mode;
    response.dialect = static_cast<Dialect>(dialect);
    response.server_guid = policy.server_guid;
    response.max_transact_size = channel.max_transact;
    response.max_read_size = channel.max_read;
    response.max_write_size = channel.max_write;
    response.system_time = now;
    response.security_buffer = security_blob;
    return response;
}

void write_response(Buffer& out, const smb::NegotiateResponse& response, uint64_t message_id) {
    ByteWriter writer(out);
    smb::Header header;
    header.command = smb::Command::negotiate;
    header.flags = smb::header_flags::server_to_redir;
    header.credits = negotiate_credits;
    header.message_id = message_id;
    header.encode(writer);
    response.encode(writer);
}

// MS-SMB2 3.3.5.3
NegotiateResult negotiate_smb1(Bytes frame, const NegotiatePolicy& policy, Bytes security_blob, NtTime now, ChannelState& channel,
                               Buffer& response) {
    const auto request = smb::Smb1Negotiate::decode(frame);
    if (!request.ok() || channel.dialect != 0) return NegotiateResult::disconnect;
    uint16_t dialect = 0;
    if (request->smb2_xxx && policy.max_dialect > 0x0202) {
        dialect = wildcard;
    } else if (request->smb2_002 && allowed(0x0202, policy)) {
        dialect = 0x0202;
    } else {
        return NegotiateResult::disconnect;
    }
    write_response(response, common_response(dialect, policy, security_blob, now, channel), 0);
    channel.dialect = dialect;
    channel.next_message_id = 1;
    channel.credits = negotiate_credits;
    return NegotiateResult::answered;
}

// The 3.1.1 contexts (MS-SMB2 3.3.5.4): what was asked for is answered, what is not offered is ignored.
struct Contexts {
    uint16_t hash = static_cast<uint16_t>(smb::HashAlgorithm::sha512);
    std::array<uint8_t, salt_size> salt{};
    uint16_t cipher = 0;
    uint16_t signing = static_cast<uint16_t>(smb::SigningAlgorithm::aes_cmac);
};

NtStatus choose_contexts(const smb::NegotiateContexts& asked, const NegotiatePolicy& policy, Contexts& chosen,
                         smb::NegotiateContexts& answer) {
    if (!asked.preauth) return NtStatus::INVALID_PARAMETER;
    if (!asked.preauth->hash_algorithms.contains(chosen.hash)) return NtStatus::SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP;
    fill_random(chosen.salt);
    answer.preauth = smb::PreauthCapabilities{smb::U16List(std::span<const uint16_t>(&chosen.hash, 1)), chosen.salt};
    if (asked.ciphers && policy.encryption_offered) {
        chosen.cipher = choose(policy.ciphers, *asked.ciphers).value_or(0);
        answer.ciphers = smb::U16List(std::span<const uint16_t>(&chosen.cipher, 1));
    }
    if (asked.signing) {
        chosen.signing = choose(policy.signing_algorithms, *asked.signing).value_or(chosen.signing);
        answer.signing = smb::U16List(std::span<const uint16_t>(&chosen.signing, 1));
    }
    return NtStatus::SUCCESS;
}

// Sealing and signing of the dialects before 3.1.1, which have no contexts.
void choose_older(uint16_t dialect, const NegotiatePolicy& policy, ChannelState& channel) {
    const bool smb3 = dialect >= smb_300;
    channel.signing_algorithm = static_cast<uint16_t>(smb3 ? smb::SigningAlgorithm::aes_cmac : smb::SigningAlgorithm::hmac_sha256);
    const auto ccm = static_cast<uint16_t>(smb::Cipher::aes128_ccm);
    const bool has_ccm = std::find(policy.ciphers.begin(), policy.ciphers.end(), ccm) != policy.ciphers.end();
    if (smb3 && policy.encryption_offered && has_ccm && (channel.client_capabilities & smb::global_cap::encryption) != 0) {
        channel.cipher = ccm;
        channel.server_capabilities |= smb::global_cap::encryption;
    }
}

void remember_client(const smb::NegotiateRequest& request, ChannelState& channel) {
    channel.client_security_mode = request.security_mode;
    channel.client_capabilities = request.capabilities;
    channel.client_guid = request.client_guid;
    channel.client_dialects_count = static_cast<uint16_t>(request.dialects.size());
    for (size_t i = 0; i < request.dialects.size(); i++) channel.client_dialects[i] = request.dialects[i];
}

NegotiateResult refuse(Buffer& response, NtStatus status, uint64_t message_id, ChannelState& channel) {
    write_error(response, status, message_id);
    channel.dialect = 0;
    channel.next_message_id = message_id + 1;
    channel.credits = negotiate_credits;
    return NegotiateResult::answered;
}

// MS-SMB2 3.3.5.4
NegotiateResult negotiate_smb2(Bytes frame, const NegotiatePolicy& policy, Bytes security_blob, NtTime now, ChannelState& channel,
                               Buffer& response) {
    const auto header = smb::Header::decode(frame);
    if (!header.ok() || header->is_response() || header->next_command != 0) return NegotiateResult::disconnect;
    if (channel.dialect != 0 && channel.dialect != wildcard) return NegotiateResult::disconnect;
    if (header->message_id != channel.next_message_id) return NegotiateResult::disconnect;
    const uint64_t id = header->message_id;
    if (header->is_signed()) return refuse(response, NtStatus::INVALID_PARAMETER, id, channel);
    const auto request = smb::NegotiateRequest::decode(frame);
    if (!request.ok()) return refuse(response, request.error(), id, channel);
    remember_client(*request, channel);
    const uint16_t dialect = choose_dialect(request->dialects, policy);
    if (dialect == 0) return refuse(response, NtStatus::NOT_SUPPORTED, id, channel);

    smb::NegotiateResponse answer = common_response(dialect, policy, security_blob, now, channel);
    Contexts chosen;
    if (dialect == smb_311) {
        const NtStatus status = choose_contexts(request->contexts, policy, chosen, answer.contexts);
        if (status != NtStatus::SUCCESS) return refuse(response, status, id, channel);
        channel.cipher = chosen.cipher;
        channel.signing_algorithm = chosen.signing;
    } else {
        choose_older(dialect, policy, channel);
    }
    answer.capabilities = channel.server_capabilities;
    const size_t start = response.size();
    write_response(response, answer, id);
    if (dialect == smb_311) {
        channel.preauth_hash = {};
        smb::extend_preauth_hash(channel.preauth_hash, frame);
        smb::extend_preauth_hash(channel.preauth_hash, response.bytes().subspan(start));
        if (channel.cipher != 0) channel.server_capabilities |= smb::global_cap::encryption;
    }
    channel.dialect = dialect;
    channel.next_message_id = id + 1;
    channel.credits = negotiate_credits;
    return NegotiateResult::answered;
}

}  // namespace

NegotiatePolicy negotiate_policy(const conf::Configuration& configuration, const Guid& server_guid) {
    const conf::GlobalConf& global = configuration.global();
    NegotiatePolicy policy;
    policy.min_dialect = std::max<uint16_t>(static_cast<uint16_t>(global.server_min_protocol), 0x0202);
    policy.max_dialect = static_cast<uint16_t>(global.server_max_protocol);
    policy.signing_required = global.server_signing == conf::Demand::required;
    policy.encryption_offered = global.server_smb_encrypt != conf::Demand::off;
    policy.multi_channel = global.server_multi_channel_support;
    policy.leasing = global.smb2_leases;
    policy.persistent_handles = global.persistent_handles;
    for (const conf::Cipher cipher : global.server_smb3_encryption_algorithms) policy.ciphers.push_back(static_cast<uint16_t>(cipher));
    for (const conf::Signing signing : global.server_smb3_signing_algorithms)
        policy.signing_algorithms.push_back(static_cast<uint16_t>(signing));
    policy.max_transact = global.smb2_max_trans;
    policy.max_read = global.smb2_max_read;
    policy.max_write = global.smb2_max_write;
    policy.server_guid = server_guid;
    return policy;
}

bool is_negotiate(Bytes frame) {
    if (smb::frame_kind(frame) == smb::FrameKind::smb1) return true;
    const auto header = smb::Header::decode(frame);
    return header.ok() && header->command == smb::Command::negotiate;
}

NegotiateResult negotiate(Bytes frame, const NegotiatePolicy& policy, Bytes security_blob, NtTime now, ChannelState& channel,
                          Buffer& response) {
    if (smb::frame_kind(frame) == smb::FrameKind::smb1) return negotiate_smb1(frame, policy, security_blob, now, channel, response);
    return negotiate_smb2(frame, policy, security_blob, now, channel, response);
}

}  // namespace Atoll::smb2

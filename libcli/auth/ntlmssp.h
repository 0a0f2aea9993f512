// The three NTLM messages and their AV pairs (MS-NLMP 2.2.1, 2.2.2). Decoders check every offset and length and copy what they return,
// except where a Bytes says otherwise: that points into the message. Pure functions: thread-safe.
//
// Errors are INVALID_PARAMETER: what SESSION_SETUP answers to a token that is no token.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"
#include "libcli/auth/ntlm.h"

namespace Atoll::auth {

namespace ntlm_flags {  // MS-NLMP 2.2.2.5
constexpr uint32_t unicode = 0x00000001;
constexpr uint32_t oem = 0x00000002;
constexpr uint32_t request_target = 0x00000004;
constexpr uint32_t sign = 0x00000010;
constexpr uint32_t seal = 0x00000020;
constexpr uint32_t lm_key = 0x00000080;
constexpr uint32_t ntlm = 0x00000200;
constexpr uint32_t anonymous = 0x00000800;
constexpr uint32_t oem_domain_supplied = 0x00001000;
constexpr uint32_t oem_workstation_supplied = 0x00002000;
constexpr uint32_t always_sign = 0x00008000;
constexpr uint32_t target_type_domain = 0x00010000;
constexpr uint32_t target_type_server = 0x00020000;
constexpr uint32_t extended_session_security = 0x00080000;
constexpr uint32_t target_info = 0x00800000;
constexpr uint32_t version = 0x02000000;
constexpr uint32_t key_128 = 0x20000000;
constexpr uint32_t key_exchange = 0x40000000;
constexpr uint32_t key_56 = 0x80000000;
}  // namespace ntlm_flags

constexpr std::array<uint8_t, 8> ntlmssp_signature = {'N', 'T', 'L', 'M', 'S', 'S', 'P', 0};
bool is_ntlmssp(Bytes token);                // begins with the signature
uint32_t ntlmssp_message_type(Bytes token);  // 1, 2, 3; 0 if it is too short or no NTLMSSP message

enum class AvId : uint16_t {  // MS-NLMP 2.2.2.1
    eol = 0,
    nb_computer_name = 1,
    nb_domain_name = 2,
    dns_computer_name = 3,
    dns_domain_name = 4,
    dns_tree_name = 5,
    flags = 6,
    timestamp = 7,
    single_host = 8,
    target_name = 9,
    channel_bindings = 10,
};
constexpr uint32_t av_flag_mic = 0x00000002;  // of AvId::flags: the AUTHENTICATE_MESSAGE has a MIC

struct AvPair {
    AvId id = AvId::eol;
    Bytes value;  // points into what was decoded
};
// A list without its terminator. A missing terminator, a pair that reaches past the end, or more than limits::max_av_pairs is an error;
// bytes after the terminator are ignored (the NTLMv2 response has four).
Result<std::vector<AvPair>, NtStatus> decode_av_pairs(Bytes in);
// Writes the pairs and the terminator.
void encode_av_pairs(const std::vector<AvPair>& pairs, Buffer& out);

struct NtlmNegotiate {
    uint32_t flags = 0;

    static Result<NtlmNegotiate, NtStatus> decode(Bytes message);
    void encode(Buffer& out) const;
};

struct NtlmChallenge {
    uint32_t flags = 0;
    Challenge challenge{};
    std::string target_name;           // UTF-8
    std::vector<uint8_t> target_info;  // AV pairs as they stand on the wire, with the terminator; empty if there are none

    static Result<NtlmChallenge, NtStatus> decode(Bytes message);
    void encode(Buffer& out) const;
};

struct NtlmAuthenticate {
    static constexpr size_t mic_offset = 72;

    uint32_t flags = 0;
    std::string user, domain, workstation;  // UTF-8
    std::vector<uint8_t> lm_response, nt_response, encrypted_session_key;
    bool has_mic = false;  // by the AV pairs of an NTLMv2 response; the MIC is then at mic_offset of the message
    Digest mic{};

    static Result<NtlmAuthenticate, NtStatus> decode(Bytes message);
    void encode(Buffer& out) const;  // the MIC as it stands here if has_mic; compute it over the result and patch it in
};

// The client's part of an NTLMv2 response (MS-NLMP 2.2.2.7), which begins 16 bytes into it.
struct NtlmV2ClientChallenge {
    NtTime timestamp;
    Challenge challenge{};
    std::vector<AvPair> pairs;  // point into the response

    // Of a whole NtChallengeResponse; an error also if it is too short to be NTLMv2.
    static Result<NtlmV2ClientChallenge, NtStatus> decode(Bytes nt_response);
    // The `temp` of MS-NLMP 3.3.2.
    void encode(Buffer& out) const;
    [[nodiscard]] const AvPair* find(AvId id) const;
    [[nodiscard]] uint32_t flags() const;  // of AvId::flags; 0 if it is not there
};
constexpr size_t ntlm_v1_response_size = 24;  // a longer NtChallengeResponse is NTLMv2 (MS-NLMP 3.2.5.1.2)

}  // namespace Atoll::auth

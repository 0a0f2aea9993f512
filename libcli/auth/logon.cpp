#include "libcli/auth/logon.h"

#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::auth {
namespace {

constexpr uint8_t format = 1;  // first byte; both ends are of one build, this guards against a mix
enum : uint8_t { flag_spnego = 1, flag_mic_required = 2, flag_anonymous = 4, flag_all = 7 };

void put(ByteWriter& w, Bytes bytes) {
    w.u32(static_cast<uint32_t>(bytes.size()));
    w.bytes(bytes);
}

Bytes take(ByteReader& in, size_t limit) {
    const uint32_t size = in.u32();
    if (size > limit) in.fail();
    return in.bytes(size);
}

void take(ByteReader& in, std::string& out) { out.assign(as_text(take(in, limits::max_logon_name))); }
void take(ByteReader& in, std::vector<uint8_t>& out) {
    const Bytes bytes = take(in, limits::max_security_blob);
    out.assign(bytes.begin(), bytes.end());
}

}  // namespace

void encode(const LogonProof& value, Buffer& out) {
    ByteWriter w(out);
    w.u8(format);
    w.u8(static_cast<uint8_t>((value.uses_spnego ? flag_spnego : 0) | (value.mic_required ? flag_mic_required : 0) |
                              (value.is_anonymous ? flag_anonymous : 0)));
    w.bytes(value.server_challenge);
    w.u32(value.flags);
    for (const std::string* text : {&value.user, &value.domain, &value.workstation}) put(w, as_bytes(*text));
    for (const auto* bytes : {&value.nt_response, &value.lm_response, &value.encrypted_session_key, &value.negotiate_message,
                              &value.challenge_message, &value.authenticate_message, &value.mech_types, &value.client_mic}) {
        put(w, *bytes);
    }
}

Result<void> decode(Bytes bytes, LogonProof& out) {
    ByteReader in(bytes);
    if (in.u8() != format) in.fail();
    const uint8_t flags = in.u8();
    if (flags & ~flag_all) in.fail();
    out.uses_spnego = (flags & flag_spnego) != 0;
    out.mic_required = (flags & flag_mic_required) != 0;
    out.is_anonymous = (flags & flag_anonymous) != 0;
    in.copy(out.server_challenge);
    out.flags = in.u32();
    for (std::string* text : {&out.user, &out.domain, &out.workstation}) take(in, *text);
    for (auto* blob : {&out.nt_response, &out.lm_response, &out.encrypted_session_key, &out.negotiate_message, &out.challenge_message,
                       &out.authenticate_message, &out.mech_types, &out.client_mic}) {
        take(in, *blob);
    }
    if (!in.ok() || in.remaining() != 0) return fail(Code::invalid, "logon proof", "malformed");
    return {};
}

}  // namespace Atoll::auth

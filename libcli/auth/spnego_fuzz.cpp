// SPNEGO tokens and NTLM messages: whatever decodes is in bounds, and what we encode of it decodes again.
#include "base/assert.h"
#include "libcli/auth/ntlmssp.h"
#include "libcli/auth/spnego.h"

using namespace Atoll;
using namespace Atoll::auth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const Bytes in(data, size);
    Buffer out;
    (void)spnego_kind(in);
    if (const auto init = NegTokenInit::decode(in)) ATOLL_ASSERT(init->mech_types.data() >= data && init->mech_types.size() <= size);
    if (const auto response = NegTokenResp::decode(in); response && response->mechanism != Mechanism::other) {
        response->encode(out);
        const auto again = NegTokenResp::decode(out);
        ATOLL_ASSERT(again && again->state == response->state && again->mechanism == response->mechanism);
    }
    if (const auto challenge = NtlmChallenge::decode(in)) {
        out.clear();
        challenge->encode(out);
        const auto again = NtlmChallenge::decode(out);
        // What came as OEM names is written as UTF-16, which the flags then do not say.
        if (challenge->flags & ntlm_flags::unicode) ATOLL_ASSERT(again && again->target_name == challenge->target_name);
    }
    if (const auto message = NtlmAuthenticate::decode(in); message && (message->flags & ntlm_flags::unicode)) {
        out.clear();
        message->encode(out);
        const auto again = NtlmAuthenticate::decode(out);
        ATOLL_ASSERT(again && again->user == message->user && again->nt_response == message->nt_response &&
                     again->has_mic == message->has_mic);
    }
    return 0;
}

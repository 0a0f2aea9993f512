// The whole way of a hostile client's tokens: the input is split into up to three (two length bytes before each), goes through the
// acceptor, and what it makes of them through its codec and the verifier.
#include "base/assert.h"
#include "base/bytes.h"
#include "libcli/auth/acceptor.h"
#include "libcli/auth/verifier.h"

using namespace Atoll;
using namespace Atoll::auth;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Acceptor acceptor({"ATOLL", "", "", ""});
    ByteReader in(Bytes(data, size));
    for (int i = 0; i < 3; i++) {
        const Bytes token = in.bytes(in.u16());
        if (!in.ok()) return 0;
        const auto step = acceptor.step(token);
        if (!step) return 0;
        if (!step->proof) continue;
        Buffer wire;
        encode(*step->proof, wire);
        LogonProof there;
        ATOLL_ASSERT(decode(wire, there).ok() && there == *step->proof);
        if (there.is_anonymous) {
            (void)accept_anonymous(there);
        } else {
            const NtHash hash{};
            (void)accept_guest(there);
            (void)verify_logon(there, &hash, NtlmPolicy::ntlmv1_permitted);
        }
        return 0;
    }
    LogonProof proof;
    (void)decode(Bytes(data, size), proof).ok();
    return 0;
}

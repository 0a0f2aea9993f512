// The whole way of a hostile client's tokens: the input is split (two length bytes before each token), goes through the acceptor, with
// Kerberos and without, and what it makes of them through its codec and NTLM's verifier.
#include "base/assert.h"
#include "base/bytes.h"
#include "libcli/auth/acceptor.h"
#include "libcli/auth/verifier.h"

using namespace Atoll;
using namespace Atoll::auth;

namespace {

// True: an NTLM proof has been judged, and the exchange is over.
bool judge(Acceptor& acceptor, const LogonProof& proof) {
    Buffer wire;
    encode(proof, wire);
    LogonProof there;
    ATOLL_ASSERT(decode(wire, there).ok() && there == proof);
    if (there.mechanism == logon_mechanism::MECHANISM_KERBEROS) {
        acceptor.go_on(there.kerberos_tokens);  // MIT's library would read the token
        return false;
    }
    if (there.is_anonymous) {
        (void)accept_anonymous(there);
    } else {
        const NtHash hash{};
        (void)accept_guest(there);
        (void)verify_logon(there, &hash, NtlmPolicy::ntlmv1_permitted);
    }
    return true;
}

void run(Bytes tokens, bool kerberos) {
    Acceptor acceptor({"ATOLL", "", "", ""}, kerberos);
    ByteReader in(tokens);
    for (int i = 0; i < 6; i++) {
        const Bytes token = in.bytes(in.u16());
        if (!in.ok()) return;
        const auto step = acceptor.step(token);
        if (!step || (step->proof && judge(acceptor, *step->proof))) return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    run(Bytes(data, size), false);
    run(Bytes(data, size), true);
    LogonProof proof;
    (void)decode(Bytes(data, size), proof).ok();
    return 0;
}

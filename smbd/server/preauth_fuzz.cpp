// What a stranger can do to preauth: the input is a connection's bytes, transport headers included; its first byte says to which kind of
// port. Every proof is refused, so that the client goes on.
#include "conf/configuration.h"
#include "smbd/server/preauth_session.h"
#include "smbd/server/session_service.h"
#include "smbd/smb2/session_policy.h"

namespace {

using namespace Atoll;

const server::PreauthPolicy& policy() {
    static const server::PreauthPolicy made = [] {
        auto configuration = conf::load_text("[global]\nnetbios name = SERVER\nrealm = R\nkerberos method = system keytab\n");
        ATOLL_ASSERT(configuration.ok());
        server::PreauthPolicy value;
        value.configuration = std::move(configuration).value();
        value.negotiate = smb2::negotiate_policy(*value.configuration, Guid{});
        value.negotiate_token = smb2::negotiate_token(*value.configuration);
        return value;
    }();
    return made;
}

bool take(server::PreauthSession& session, Bytes frame, Buffer& response) {
    response.clear();
    switch (session.take(frame, response)) {
        case server::PreauthSession::Action::end: return false;
        case server::PreauthSession::Action::verify:
            // Of Kerberos tokens every other one is answered with a question.
            if (session.proof().kerberos_tokens == 1) {
                session.go_on({{0xA1, 0x00}, 1}, response);
            } else {
                session.refuse(NtStatus::LOGON_FAILURE, response);
            }
            return true;
        case server::PreauthSession::Action::bind: session.refuse_binding(NtStatus::USER_SESSION_DELETED, response); return true;
        case server::PreauthSession::Action::respond: return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    Bytes received(data + 1, size - 1);
    smb2::ChannelState channel;
    channel.netbios = (data[0] & 1) != 0;
    server::PreauthSession session(policy(), channel);
    Buffer response;
    for (;;) {
        const server::FramePeek found = server::peek_frame(received, channel.netbios);
        if (found.kind == server::FramePeek::Kind::bad || found.kind == server::FramePeek::Kind::incomplete) return 0;
        if (found.kind == server::FramePeek::Kind::message && !take(session, found.frame, response)) return 0;
        ATOLL_ASSERT(session.channel().credits <= 1);
        received = received.subspan(found.size);
    }
}

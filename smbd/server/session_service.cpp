#include "smbd/server/session_service.h"

#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::server {

namespace {

constexpr size_t header_size = 4;
constexpr uint8_t session_message = 0x00;  // RFC 1002 4.3.1
constexpr uint8_t session_request = 0x81;
constexpr uint8_t session_keep_alive = 0x85;

FramePeek::Kind kind_of(uint8_t type, bool netbios) {
    if (type == session_message) return FramePeek::Kind::message;
    if (netbios && type == session_request) return FramePeek::Kind::session_request;
    if (netbios && type == session_keep_alive) return FramePeek::Kind::keep_alive;
    return FramePeek::Kind::bad;
}

// RFC 1002 4.1: a label of 32 letters from A to P, then those of its scope, and the empty one. False: it is none.
bool skip_name(ByteReader& in) {
    constexpr uint8_t encoded_size = 32;
    constexpr uint8_t longest_label = 63;
    if (in.u8() != encoded_size) return false;
    for (const uint8_t letter : in.bytes(encoded_size)) {
        if (letter < 'A' || letter > 'P') return false;
    }
    for (;;) {
        const uint8_t length = in.u8();
        if (length > longest_label) return false;
        if (length == 0) return in.ok();
        in.skip(length);
    }
}

}  // namespace

FramePeek peek_frame(Bytes received, bool netbios) {
    if (received.empty()) return {};
    FramePeek found;
    found.kind = kind_of(received[0], netbios);
    if (found.kind == FramePeek::Kind::bad) return found;
    if (received.size() < header_size) return {};
    uint32_t length = load_be32(received.data()) & 0xFFFFFF;
    if (netbios) {
        if ((length & 0xFE0000) != 0) return {FramePeek::Kind::bad, {}, 0};  // RFC 1002 4.3.1: only the lowest flag, the length's 17th bit
        length &= 0x1FFFF;
    }
    if (length > limits::max_preauth_frame) return {FramePeek::Kind::bad, {}, 0};
    if (received.size() - header_size < length) return {};
    found.size = header_size + length;
    if (found.kind != FramePeek::Kind::keep_alive) found.frame = received.subspan(header_size, length);
    return found;
}

SessionAnswer answer_to(Bytes request) {
    static constexpr uint8_t positive[header_size] = {0x82, 0, 0, 0};
    static constexpr uint8_t negative[header_size + 1] = {0x83, 0, 0, 1, 0x8F};  // unspecified error
    ByteReader names(request);
    const bool good = skip_name(names) && skip_name(names) && names.remaining() == 0;
    return good ? SessionAnswer{positive, true} : SessionAnswer{negative, false};
}

}  // namespace Atoll::server

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
    if (found.kind == FramePeek::Kind::message) found.frame = received.subspan(header_size, length);
    return found;
}

Bytes session_response() {
    static constexpr uint8_t positive[header_size] = {0x82, 0, 0, 0};
    return positive;
}

}  // namespace Atoll::server

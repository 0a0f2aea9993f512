// The stream of a connection between nodes, in pieces, and each record in it.
#include <cstring>

#include "ctdb/protocol/cluster.idl.h"
#include "ctdb/protocol/node.idl.h"
#include "ctdb/protocol/packet.h"

namespace Atoll::ctdb {
namespace {

template <class Record>
void read(Bytes body) {
    Record record;
    if (!decode(body, record)) return;
    Buffer again;
    encode(record, again, Record::newest_version);
    ATOLL_ASSERT(idl::decode<Record>(again).ok());
}

void open_packet(const Packet& packet) {
    switch (packet.kind) {
        case PacketKind::hello: return read<protocol::hello>(packet.body);
        case PacketKind::message: return read<protocol::message>(packet.body);
        case PacketKind::catalogue: return read<protocol::catalogue>(packet.body);
        case PacketKind::ask: return read<protocol::ask>(packet.body);
        case PacketKind::answer: return read<protocol::answer>(packet.body);
        case PacketKind::ended: return read<protocol::ended>(packet.body);
        case PacketKind::connections: return read<protocol::connections>(packet.body);
    }
}

}  // namespace
}  // namespace Atoll::ctdb

// The first byte says how long the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    if (size == 0) return 0;
    const size_t piece = size_t{1} + data[0];
    ctdb::PacketReader reader(limits::max_urgent_packet);
    for (size_t at = 1; at < size; at += piece) {
        const size_t length = std::min(piece, size - at);
        std::memcpy(reader.space(length).data(), data + at, length);
        reader.filled(length);
        ctdb::Packet packet;
        for (;;) {
            const auto more = reader.next(packet);
            if (!more) return 0;
            if (!*more) break;
            ctdb::open_packet(packet);
        }
    }
    return 0;
}

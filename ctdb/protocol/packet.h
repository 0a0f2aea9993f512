// The packets of a connection between nodes: u32 size of the body, u8 kind, body (a record of node.idl or cluster.idl), little-endian.
#pragma once

#include "base/buffer.h"
#include "base/result.h"
#include "ctdb/protocol/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {

enum class PacketKind : uint8_t { hello = 1, message = 2, catalogue = 3, ask = 4, answer = 5, ended = 6, connections = 7 };

struct Packet {
    PacketKind kind = PacketKind::hello;
    Bytes body;
};

// Encodes `record` as a packet at the end of `out`. A hello is always of the first level.
template <class Record>
void append_packet(Buffer& out, PacketKind kind, const Record& record);

// Takes packets out of a stream that comes in pieces.
class PacketReader {
 public:
    explicit PacketReader(size_t limit) : limit_(limit) {}
    void set_limit(size_t limit) { limit_ = limit; }  // of a packet's body

    // Where the stream's next bytes go: room for at least `size`. Then tell how many came.
    MutableBytes space(size_t size);
    void filled(size_t size);
    // False: it is not there as a whole yet. Code::invalid: the stream is no good from here on. The packet is valid until the next call
    // of any function.
    Result<bool> next(Packet& packet);

 private:
    size_t limit_;
    Buffer bytes_;
    size_t end_ = 0;    // of what came, in bytes_
    size_t begin_ = 0;  // of what has not been taken
};

constexpr size_t packet_head = 5;
void finish_packet(Buffer& out, size_t start, PacketKind kind);

template <class Record>
void append_packet(Buffer& out, PacketKind kind, const Record& record) {
    const size_t start = out.size();
    out.append_zeros(packet_head);
    Buffer body;
    encode(record, body, kind == PacketKind::hello ? idl::first_level : idl::written_level());
    out.append(body);
    finish_packet(out, start, kind);
}

}  // namespace Atoll::ctdb

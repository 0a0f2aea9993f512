// How records travel over committer.sock: one a packet. What a packet does not take (limits::max_batch) is in a file in memory, and a
// packet of one byte carries its descriptor.
#pragma once

#include "base/buffer.h"

namespace Atoll::committer {

constexpr size_t max_batch_bytes = 8u << 20;  // a CommitClient hands in no more: Code::invalid

// full: nothing was sent, and can be when the socket is ready. ended: not on this connection.
enum class Sent : uint8_t { sent, full, ended };
// Never waits.
Sent send_packet(int socket, Bytes record);

// nothing: none has come. nonsense: what has come is no record, or larger than max_batch_bytes.
enum class Received : uint8_t { record, nothing, nonsense, ended };
// Never waits. `record` keeps its memory from one to the next.
Received receive_packet(int socket, Buffer& record);

}  // namespace Atoll::committer

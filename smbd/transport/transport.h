// One connection as a stream of frames. TCP is one implementation; nothing above may assume a descriptor (SMB Direct has none).
// Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/buffer.h"

namespace Atoll::transport {

// A piece of receive memory that frames are served from in place. Counted by hand: whoever keeps a frame past on_frame() keeps a
// ChunkRef; the last one gives the memory back to its transport's pool.
class Chunk;
class ChunkRef {
 public:
    ChunkRef() = default;
    explicit ChunkRef(Chunk* chunk);
    ChunkRef(const ChunkRef& other);
    ChunkRef(ChunkRef&& other) noexcept;
    ChunkRef& operator=(ChunkRef other) noexcept;
    ~ChunkRef();

 private:
    Chunk* chunk_ = nullptr;
};

// A frame to be sent. `head` begins with the four bytes of transport header, which send() fills in; `payload`, if any, follows it
// on the wire. The sender owns the memory and keeps it until sent() is called.
class OutgoingFrame {
 public:
    virtual ~OutgoingFrame() = default;
    virtual MutableBytes head() = 0;
    virtual Bytes payload() = 0;
    virtual void sent() = 0;  // written, or the connection has ended: the memory is the sender's again

    OutgoingFrame* next = nullptr;  // the transport's queue
};

constexpr size_t header_size = 4;  // of a frame's transport header (MS-SMB2 2.1)

class Transport {
 public:
    class Handler {
     public:
        virtual ~Handler() = default;
        // One whole frame without its transport header, writable so that it can be decrypted in place; it stays where it is while `memory`
        // or a copy of it lives. False ends the connection.
        virtual bool on_frame(MutableBytes frame, const ChunkRef& memory) = 0;
        // Every frame that had arrived has been given to on_frame: the time to flush what became ready.
        virtual void on_drained() = 0;
        // The connection has ended, by the peer, an error or close(). Called once, last, and never from within send() or flush().
        virtual void on_end(const char* reason) = 0;
    };

    virtual ~Transport() = default;
    // `unread` is what had been received before this transport took over.
    virtual void start(Handler& handler, Bytes unread) = 0;
    virtual void send(OutgoingFrame& frame) = 0;  // queues
    virtual void flush() = 0;                     // writes all that is queued, with one gathered write if the peer takes it
    virtual void close(const char* reason) = 0;   // what is queued is still written if the peer takes it at once
    // No more reading while true: back-pressure when a peer does not take its answers.
    virtual void pause(bool paused) = 0;
};

}  // namespace Atoll::transport

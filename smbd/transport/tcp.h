// SMB over TCP: direct (port 445) and NetBIOS session service (port 139) framing, MS-SMB2 2.1, RFC 1002 4.3.
#pragma once

#include <sys/uio.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "base/loop/loop.h"
#include "base/unique_fd.h"
#include "smbd/transport/chunk.h"
#include "smbd/transport/transport.h"

namespace Atoll::transport {

class TcpTransport final : public Transport {
 public:
    // `max_frame` bounds one received frame in bytes; a longer one ends the connection. The socket is made non-blocking.
    TcpTransport(loop::Loop& loop, UniqueFd socket, size_t max_frame, bool netbios);
    ~TcpTransport() override;

    void start(Handler& handler, Bytes unread) override;
    void send(OutgoingFrame& frame) override;
    void flush() override;
    void close(const char* reason) override;
    void pause(bool paused) override;

    // Bytes queued, or written and not acknowledged by the peer's system. A system call.
    [[nodiscard]] size_t unacknowledged() const;
    // For how long the peer's system has acknowledged nothing at all, not even that it lives. A system call.
    [[nodiscard]] std::chrono::milliseconds silence() const;
    // Bytes queued or partly written.
    [[nodiscard]] size_t queued_bytes() const { return queued_bytes_; }

 private:
    static constexpr size_t max_gather = 64;  // iovecs of one sendmsg

    void on_readable();
    bool take_frames();
    enum class Step { frame, more, ended };
    Step take_one_frame();
    bool room_for(size_t frame_size);
    void on_writable();
    size_t gather(std::array<iovec, max_gather>& parts);
    void written(size_t n);
    void end_later(const char* reason);
    void drop_queue();

    loop::Loop& loop_;
    UniqueFd socket_;
    std::optional<loop::FdWatch> watch_;
    std::shared_ptr<ChunkPool> pool_ = std::make_shared<ChunkPool>();
    Handler* handler_ = nullptr;
    size_t max_frame_;
    bool netbios_;
    bool paused_ = false;
    bool writing_ = false;
    const char* end_reason_ = nullptr;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

    ChunkRef chunk_ref_;
    Chunk* chunk_ = nullptr;
    size_t begin_ = 0;  // of the bytes in chunk_ that no frame has taken
    size_t end_ = 0;
    bool last_was_large_ = false;

    OutgoingFrame* first_ = nullptr;
    OutgoingFrame* last_ = nullptr;
    size_t first_written_ = 0;  // bytes of first_ that are out
    size_t queued_bytes_ = 0;
};

}  // namespace Atoll::transport

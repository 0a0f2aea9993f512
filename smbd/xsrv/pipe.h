// A named pipe between a client's open and the service behind it: a queue of messages each way (MS-FSA 2.1, MS-FSCC 2.4.37 to 2.4.39).
//
// What the client writes goes to the PipeService at once; what the service sends waits here to be read. Who finds nothing to read may
// leave a PipeReader behind, which is called on the loop, never from within send() or write(). Main thread only.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/loop/loop.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "smbd/xsrv/ref.h"

namespace Atoll::xsrv {

class Pipe;

// The server's end. Ends with the pipe's client end.
class PipeService {
 public:
    virtual ~PipeService() = default;
    // One WRITE's bytes. Answers by pipe.send(), then or later; pipe.end() when it wants no more.
    virtual void receive(Pipe& pipe, Bytes message) = 0;
};

// Waits for something to read. Whoever gives up takes it out with Pipe::forget.
class PipeReader {
 public:
    // There is something, or the pipe has ended: read again. Out of the queue already.
    virtual void pipe_readable() = 0;

 protected:
    ~PipeReader() = default;
};

class Pipe final : public Counted, private loop::Deferred {
 public:
    Pipe(loop::Loop& loop, std::string name) : loop_(loop), name_(std::move(name)) {}
    // Once, before the client's first write.
    void attach(std::unique_ptr<PipeService> service) { service_ = std::move(service); }
    [[nodiscard]] const std::string& name() const { return name_; }  // "srvsvc"

    // --- The client's end
    // PIPE_DISCONNECTED: the service has ended. PIPE_BUSY: limits::max_pipe_queue bytes have not been read.
    NtStatus write(Bytes message);
    struct Got {
        size_t bytes = 0;
        bool more = false;  // of the same message (message mode): BUFFER_OVERFLOW
    };
    // The front of the first message, or in byte mode of all. PIPE_EMPTY: nothing yet. PIPE_BROKEN: nothing, and the service has ended.
    Result<Got, NtStatus> read(MutableBytes out);
    // As read, but nothing is taken out.
    Got peek(MutableBytes out) const;
    // False: limits::max_pipe_readers wait already.
    bool wait(PipeReader& reader);
    void forget(PipeReader& reader);
    // The open is closed: readers that wait are called once more and find it broken.
    void close();

    [[nodiscard]] size_t readable_bytes() const { return queue_.size() - head_; }
    [[nodiscard]] size_t readable_messages() const { return lengths_.size(); }
    [[nodiscard]] size_t first_message() const { return lengths_.empty() ? 0 : lengths_.front(); }
    [[nodiscard]] bool ended() const { return ended_; }

    // FILE_PIPE_INFORMATION (MS-FSCC 2.4.37); a pipe begins in message mode, blocking, as the one end that its client has.
    bool message_mode = true;
    bool blocking = true;

    // --- The service's end
    void send(Bytes message);
    void end();

 private:
    void run_deferred() override;
    size_t copy_front(MutableBytes out) const;

    loop::Loop& loop_;
    std::string name_;
    std::unique_ptr<PipeService> service_;
    Buffer queue_;
    size_t head_ = 0;  // bytes of queue_ that have been read
    std::deque<size_t> lengths_;
    std::deque<PipeReader*> readers_;
    bool receiving_ = false;
    bool ended_ = false;
};

}  // namespace Atoll::xsrv

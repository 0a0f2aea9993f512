#include "smbd/xsrv/pipe.h"

#include <algorithm>

namespace Atoll::xsrv {

NtStatus Pipe::write(Bytes message) {
    if (ended_) return NtStatus::PIPE_DISCONNECTED;
    if (readable_bytes() > limits::max_pipe_queue) return NtStatus::PIPE_BUSY;
    if (message.empty()) return NtStatus::SUCCESS;
    const Ref<Pipe> keep(this);
    receiving_ = true;
    service_->receive(*this, message);
    receiving_ = false;
    if (ended_) service_ = nullptr;
    return NtStatus::SUCCESS;
}

void Pipe::send(Bytes message) {
    if (ended_ || message.empty()) return;
    if (head_ > 0 && head_ == queue_.size()) {
        queue_.clear();
        head_ = 0;
    }
    queue_.append(message);
    lengths_.push_back(message.size());
    if (!readers_.empty()) loop_.defer(*this);
}

void Pipe::end() {
    ended_ = true;
    if (!receiving_) service_ = nullptr;
    if (!readers_.empty()) loop_.defer(*this);
}

void Pipe::close() {
    queue_.clear();
    head_ = 0;
    lengths_.clear();
    end();
}

size_t Pipe::copy_front(MutableBytes out) const {
    const size_t limit = message_mode ? first_message() : readable_bytes();
    const size_t bytes = std::min(limit, out.size());
    if (bytes > 0) std::memcpy(out.data(), queue_.data() + head_, bytes);
    return bytes;
}

Pipe::Got Pipe::peek(MutableBytes out) const {
    const size_t bytes = copy_front(out);
    return {bytes, message_mode && bytes < first_message()};
}

Result<Pipe::Got, NtStatus> Pipe::read(MutableBytes out) {
    if (lengths_.empty()) return ended_ ? NtStatus::PIPE_BROKEN : NtStatus::PIPE_EMPTY;
    const Got got = peek(out);
    head_ += got.bytes;
    size_t left = got.bytes;
    while (left > 0 && left >= lengths_.front()) {
        left -= lengths_.front();
        lengths_.pop_front();
    }
    if (left > 0) lengths_.front() -= left;
    return got;
}

bool Pipe::wait(PipeReader& reader) {
    if (readers_.size() >= limits::max_pipe_readers) return false;
    readers_.push_back(&reader);
    return true;
}

void Pipe::forget(PipeReader& reader) { std::erase(readers_, &reader); }

// One reader a message: whoever finds nothing after all waits again, at the end of the queue.
void Pipe::run_deferred() {
    const Ref<Pipe> keep(this);
    while (!readers_.empty() && (ended_ || !lengths_.empty())) {
        PipeReader* reader = readers_.front();
        readers_.pop_front();
        reader->pipe_readable();
    }
}

}  // namespace Atoll::xsrv

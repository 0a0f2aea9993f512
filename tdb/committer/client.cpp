#include "tdb/committer/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/socket_path.h"
#include "idl/level.h"
#include "tdb/committer/packet.h"

namespace Atoll::committer {
namespace {

constexpr auto retry_pause = std::chrono::milliseconds(20);
constexpr size_t max_answer = 1024;  // bytes

Result<void> result_of(const answer& answer) {
    Code code = Code::io;
    switch (answer.result) {
        case outcome::COMMITTED: return {};
        case outcome::FOUND: code = Code::exists; break;
        case outcome::NOT_FOUND: code = Code::not_found; break;
        case outcome::CHANGED: code = Code::busy; break;
        case outcome::REFUSED: code = Code::invalid; break;
        case outcome::NO_SPACE: code = Code::no_space; break;
        case outcome::IO_ERROR: break;
    }
    return fail(code, "committer", answer.text);
}

}  // namespace

CommitClient::CommitClient(std::string socket_path, loop::Loop* loop, std::chrono::milliseconds patience)
    : path_(std::move(socket_path)), loop_(loop), patience_(patience), owner_(::getpid()), name_(Guid::random()), received_(max_answer) {
    if (loop_ != nullptr) timer_.emplace(*loop_, [this] { rang(); });
}

CommitClient::~CommitClient() { *is_alive_ = false; }

Result<void> CommitClient::submit(const Batch& batch, Done done) {
    ATOLL_ASSERT(loop_ != nullptr && done);
    if (auto queued = enqueue(batch, std::move(done), nullptr); !queued) return queued;
    if (!socket_ && monotonic_now() >= next_try_) connect();
    send_more();
    set_timer();
    return {};
}

Result<void> CommitClient::commit(const Batch& batch) {
    std::optional<Result<void>> outcome;
    if (auto queued = enqueue(batch, {}, &outcome); !queued) return queued;
    while (!outcome) {
        if (!socket_) {
            const Monotonic now = monotonic_now();
            if (now < next_try_) {
                const auto pause = std::chrono::ceil<std::chrono::milliseconds>(next_try_ - now);
                (void)::poll(nullptr, 0, static_cast<int>(pause.count()));
            }
            connect();
            give_up_if_late();
            continue;
        }
        send_more();
        const bool is_all_sent = sent_ == std::min<size_t>(waiting_.size(), MAX_UNANSWERED);
        pollfd ready{socket_.get(), static_cast<short>(is_all_sent ? POLLIN : POLLIN | POLLOUT), 0};
        if (socket_ && ::poll(&ready, 1, -1) > 0) take_answers();
    }
    set_timer();
    return std::move(*outcome);
}

Result<void> CommitClient::enqueue(const Batch& batch, Done done, std::optional<Result<void>>* outcome) {
    ATOLL_ASSERT(owner_ == ::getpid() && "a CommitClient is not used across fork");
    if (!batch.is_sendable()) return fail(Code::invalid, "committer", "a batch of changes is empty, or larger than one may be");
    if (waiting_.size() >= limits::max_waiting_batches || waiting_bytes_ + batch.size() > limits::max_waiting_batch_bytes)
        return fail(Code::busy, "committer", "too many changes wait to be committed");
    if (waiting_.empty()) progress_at_ = monotonic_now();
    waiting_.push_back({batch.record(), batch.size(), std::move(done), outcome});
    waiting_.back().record.number = ++last_number_;
    waiting_bytes_ += batch.size();
    return {};
}

void CommitClient::connect() {
    next_try_ = monotonic_now() + retry_pause;
    auto socket = loop::connect_to_path(path_);
    if (!socket) return log_debug("{}", socket.error().message());
    socket_ = std::move(*socket);
    sent_ = 0;
    hello greeting;
    greeting.sender = name_;
    greeting.answered = answered_number_;
    encoded_.clear();
    encode(greeting, encoded_, idl::written_level());
    if (::send(socket_.get(), encoded_.data(), encoded_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return lose_connection();
    if (loop_ == nullptr) return;
    watch_.emplace(
        *loop_, socket_.get(), [this] { spoke(); }, [this] { spoke(); });
    watch_->watch_read(true);
}

void CommitClient::lose_connection() {
    watch_.reset();
    socket_.reset();
    sent_ = 0;
    next_try_ = monotonic_now() + retry_pause;
}

void CommitClient::spoke() {
    take_answers();
    send_more();
    set_timer();
    deliver();
}

void CommitClient::send_more() {
    bool is_full = false;
    while (socket_ && !is_full && sent_ < std::min<size_t>(waiting_.size(), MAX_UNANSWERED)) {
        batch& record = waiting_[sent_].record;
        record.answered = answered_number_;
        encoded_.clear();
        encode(record, encoded_, idl::written_level());
        ATOLL_ASSERT(encoded_.size() <= max_batch_bytes);
        switch (send_packet(socket_.get(), encoded_)) {
            case Sent::sent: sent_++; break;
            case Sent::full: is_full = true; break;
            case Sent::ended:  // what it has answered before is still there to be read
                take_answers();
                if (socket_) lose_connection();
        }
    }
    if (watch_) watch_->watch_write(is_full);
}

void CommitClient::take_answers() {
    while (socket_) {
        received_.resize(max_answer);
        const ssize_t n = ::recv(socket_.get(), received_.data(), received_.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 || !take_answer(received_.bytes().first(static_cast<size_t>(n)))) lose_connection();
    }
}

bool CommitClient::take_answer(Bytes packet) {
    answer reply;
    const auto decoded = decode(packet, reply);
    if (!decoded || sent_ == 0 || reply.number != waiting_.front().record.number) {
        log_error("the committer answers what was not asked");
        return false;
    }
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    sent_--;
    answered_number_ = reply.number;
    progress_at_ = monotonic_now();
    finish(first, result_of(reply));
    return true;
}

void CommitClient::finish(Waiting& waiting, Result<void> result) {
    waiting_bytes_ -= waiting.bytes;
    if (waiting.outcome != nullptr) {
        waiting.outcome->emplace(std::move(result));
    } else {
        answered_.push_back({std::move(waiting.done), std::move(result)});
    }
}

// Whoever gave up must not be taken for the one who asked: what it asked may still be decided.
void CommitClient::give_up_if_late() {
    if (socket_ || waiting_.empty() || monotonic_now() - progress_at_ < patience_) return;
    name_ = Guid::random();
    answered_number_ = last_number_;
    for (Waiting& waiting : std::exchange(waiting_, {}))
        finish(waiting, fail(Code::dead, path_, "there is no committer; whether the changes were committed is not known"));
}

void CommitClient::deliver() {
    const std::shared_ptr<bool> is_alive = is_alive_;
    for (Answered& answered : std::exchange(answered_, {})) {
        answered.done(std::move(answered.result));
        if (!*is_alive) return;
    }
}

void CommitClient::rang() {
    if (!socket_ && !waiting_.empty()) connect();
    give_up_if_late();
    send_more();
    set_timer();
    deliver();
}

void CommitClient::set_timer() {
    if (!timer_) return;
    if (!answered_.empty()) {
        timer_->set_at(monotonic_now());
    } else if (!socket_ && !waiting_.empty()) {
        timer_->set_at(next_try_);
    } else {
        timer_->cancel();
    }
}

}  // namespace Atoll::committer

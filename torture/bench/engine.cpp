#include "torture/bench/engine.h"

#include <fmt/format.h>

namespace Atoll::bench {

namespace {

constexpr size_t message_ring = 1 << 16;  // more ids than the greatest window that a server grants (8192)

}  // namespace

Engine::Engine(Connection& connection, Workload& workload, size_t depth)
    : connection_(connection), workload_(workload), slots_(depth), slot_of_message_(message_ring) {}

void Engine::remember(uint64_t first, uint64_t end, uint32_t slot) {
    for (uint64_t id = first; id < end; id++) slot_of_message_[id % message_ring] = slot;
}

void Engine::start_waiting() {
    while (!idle_.empty() && started_ < operations_ && connection_.credits() >= workload_.credits()) {
        const uint32_t number = idle_.back();
        idle_.pop_back();
        slots_[number] = Slot{started_++, 0, {}};
        const uint64_t first = connection_.next_message_id();
        workload_.start(connection_, slots_[number]);
        remember(first, connection_.next_message_id(), number);
    }
}

Result<void> Engine::dispatch(const smb::Header& header, Bytes message) {
    connection_.account(header);
    if (header.status == NtStatus::PENDING && header.is_async()) return {};
    const uint32_t number = slot_of_message_[header.message_id % message_ring];
    const uint64_t first = connection_.next_message_id();
    const auto next = workload_.respond(connection_, slots_[number], header, message);
    if (!next) return next.failure();
    remember(first, connection_.next_message_id(), number);
    if (*next == Workload::Next::done) {
        done_++;
        idle_.push_back(number);
    }
    return {};
}

Result<void> Engine::serve_received() {
    for (;;) {
        auto frame = connection_.take();
        if (!frame) return frame.failure();
        if (frame->empty()) return {};
        smb::CompoundReader reader(*frame);
        while (const auto part = reader.next()) {
            if (auto r = dispatch(part->header, part->message); !r) return r;
        }
        if (reader.malformed()) return fail(Code::invalid, "smbbench", "a malformed response");
        start_waiting();
    }
}

Result<Measurement> Engine::run(size_t operations, std::chrono::nanoseconds time) {
    if (auto r = connection_.gather_credits(slots_.size() * workload_.credits() * 2); !r) return r.failure();
    operations_ = operations;
    started_ = done_ = 0;
    idle_.clear();
    for (size_t i = slots_.size(); i > 0; i--) idle_.push_back(static_cast<uint32_t>(i - 1));
    const auto begin = std::chrono::steady_clock::now();
    start_waiting();
    while (done_ < operations_) {
        if (auto r = connection_.flush(); !r) return r.failure();
        if (auto r = connection_.receive(); !r) return r.failure();
        if (std::chrono::steady_clock::now() - begin >= time) operations_ = started_;
        if (auto r = serve_received(); !r) return r.failure();
    }
    return Measurement{std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), done_};
}

}  // namespace Atoll::bench

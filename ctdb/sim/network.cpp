// The network and the cluster lock of a world.
#include "ctdb/sim/world.h"

namespace Atoll::ctdb::sim {

void World::count_message_fault(Fault fault, Pnn to) {
    const Host& host = *hosts_[to];
    if (host.up) outcome_.faults.struck(fault, host.core->phase());
}

// Each message travels in its encoded form.
void World::transmit(const protocol::message& message) {
    if (blocked_[message.from][message.to] > 0) return;
    if (random_.per_million(loss_)) {
        count_message_fault(Fault::loss, message.to);
        return;
    }
    auto bytes = std::make_shared<Buffer>();
    encode(message, *bytes, protocol::message::newest_version);
    Time delay = random_.between(30, 300);
    if (random_.per_million(late_)) {
        count_message_fault(Fault::delay, message.to);
        delay += random_.below(random_.one_in(20) ? 5 * second : 300 * millisecond);
    }
    // A connection that nothing happens to keeps the order.
    if (!options_.faults) {
        Time& last = last_arrival_[message.from][message.to];
        last = std::max(last, schedule_.now() + delay);
        delay = last - schedule_.now();
    }
    schedule_.after(delay, [this, bytes, to = message.to, from = message.from] { arrive(to, bytes, from); });
    if (!random_.per_million(doubled_)) return;
    count_message_fault(Fault::duplicate, message.to);
    schedule_.after(delay + random_.below(random_.one_in(10) ? 2 * second : 5 * millisecond),
                    [this, bytes, to = message.to, from = message.from] { arrive(to, bytes, from); });
}

void World::arrive(Pnn to, const std::shared_ptr<Buffer>& bytes, Pnn from) {
    Host& host = *hosts_[to];
    if (!host.up) return;
    Received received;
    if (const auto read = decode(bytes->bytes(), received.message); !read) {
        checker_.violated("a message from node " + std::to_string(from) + " does not decode: " + read.error().message());
        return;
    }
    outcome_.delivered++;
    if (received.message.body.is_framed()) {
        if (options_.trace) trace(host, "receives", print(received.message));
        const auto kind = received.message.body.framed().message.kind;
        using protocol::slot_kind;
        outcome_.of_records += kind <= slot_kind::GIVE || kind >= slot_kind::MIRROR ? 1 : 0;
        outcome_.of_recoveries += kind == slot_kind::RECOVER || kind == slot_kind::OFFER || kind == slot_kind::RECOVERED ? 1 : 0;
    }
    outcome_.digest = (outcome_.digest ^ (bytes->size() * 31 + to) ^ schedule_.now()) * 0x100000001B3;
    deliver(host, host.incarnation, std::move(received));
}

// A node's requests are done one after the other. While the storage is cut off they wait.
void World::ask_lock(Host& host, LockStep step) {
    const Time latency = host.slow_disk ? random_.between(10 * millisecond, 2 * second) : random_.between(200, 3 * millisecond);
    const Time done = std::max(schedule_.now(), host.lock_free_at) + latency;
    host.lock_free_at = done;
    schedule_.after(done - schedule_.now(), [this, &host, step, incarnation = host.incarnation] { lock_step(host, incarnation, step); });
}

void World::lock_step(Host& host, uint64_t incarnation, const LockStep& step) {
    if (!host.up || host.incarnation != incarnation) return;
    if (!host.lock_unreachable) {
        step(*this, host);
        return;
    }
    // All that wait do so for the same time, and so stay in their order.
    schedule_.after(50 * millisecond, [this, &host, step, incarnation] { lock_step(host, incarnation, step); });
}

void World::take_lock(Host& host) {
    const Term term = lock_.take({host.pnn, host.incarnation});
    if (term == 0) {
        deliver(host, host.incarnation, LockRefused{});
        return;
    }
    trace(host, "takes the lock, term", std::to_string(term));
    deliver(host, host.incarnation, LockTaken{term, lock_.stored()});
}

void World::write_register(Host& host, const WriteRegister& write) {
    const bool ok = !host.full_disk && lock_.write({host.pnn, host.incarnation}, write.term, write.view);
    if (ok) {
        trace(host, "writes", print(write.view));
        checker_.view_written(write.view, schedule_.now());
    }
    deliver(host, host.incarnation, RegisterWritten{write.view.id, ok});
}

}  // namespace Atoll::ctdb::sim

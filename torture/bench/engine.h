// Keeps a number of operations in flight on one connection until a given number is done.
#pragma once

#include <chrono>
#include <vector>

#include "torture/bench/connection.h"

namespace Atoll::bench {

// One operation in flight. A workload keeps its state between an operation's frames here.
struct Slot {
    size_t index = 0;     // which of the operations
    unsigned step = 0;    // for the workload; 0 when an operation begins
    smb::FileId file_id;  // for the workload
};

class Workload {
 public:
    virtual ~Workload() = default;
    // Queues the first frame of operation slot.index.
    virtual void start(Connection& connection, Slot& slot) = 0;
    enum class Next { wait, done };  // wait: another response will come, of this frame or of one that was queued just now
    // One response of the slot's frame (a compound gives one after the other).
    virtual Result<Next> respond(Connection& connection, Slot& slot, const smb::Header& header, Bytes message) = 0;
    // The most credits that one operation has out at once.
    [[nodiscard]] virtual size_t credits() const { return 1; }
};

struct Measurement {
    double seconds = 0;
    uint64_t operations = 0;
};

class Engine {
 public:
    Engine(Connection& connection, Workload& workload, size_t depth);
    // Runs `operations`, numbered from 0, of which none is started after `time`; how many were is in the measurement. The connection has
    // enough credits afterwards as before: gathering them is not measured.
    Result<Measurement> run(size_t operations, std::chrono::nanoseconds time = std::chrono::nanoseconds::max());

 private:
    Result<void> serve_received();
    Result<void> dispatch(const smb::Header& header, Bytes message);
    void start_waiting();

    Connection& connection_;
    Workload& workload_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> idle_;             // slots without an operation
    std::vector<uint32_t> slot_of_message_;  // ring over message ids
    size_t operations_ = 0, started_ = 0, done_ = 0;

    void remember(uint64_t first_message_id, uint64_t end, uint32_t slot);
};

}  // namespace Atoll::bench

// Limits of this room alone; those that others need are in base/limits.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

constexpr size_t max_incoming_channels = 64;  // that one client process expects at a time; more are refused, and tried again
constexpr size_t max_answered_logons = 64;    // that authd could answer again (AnsweredLogons); beyond, the oldest is forgotten

constexpr size_t max_untold_messages =
    65536;  // of administrators for client processes that are behind; more are not told, with a line in the log
constexpr std::chrono::seconds membership_patience{60};            // of a server that starts, for ctdbd to have made its node a member
constexpr std::chrono::milliseconds last_messages_patience{2000};  // for those that a process that ends has not got rid of yet
constexpr uint64_t end_again_ticks = 50'000'000;  // 100 ns: after which is tried again to end an open that could not be taken from the disk
constexpr unsigned opens_ended_at_once = 256;     // of those whose clients have not come back; then the housekeeper looks at its messages

// Of what is left of persistent handles: changes of one batch; how long a CREATE that was begun waits for its replay (100 ns), and how
// often those are looked for that waited longer.
constexpr size_t persistent_removals_at_once = 800;
constexpr uint64_t create_intent_ticks = 6'000'000'000;
constexpr std::chrono::minutes create_intent_sweep{5};
constexpr std::chrono::seconds restore_again{1};  // after the cluster's durable state could not be read

}  // namespace Atoll::limits

#pragma once

#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_unacknowledged = 65536;                // frames to one member; beyond: its session ends, as if it were silent
constexpr size_t max_early_frames = 256;                    // that came before one still missing; beyond: dropped, and sent again
constexpr size_t max_unanswered_frames = 8;                 // that came and are acknowledged with the next frame that goes back, or tick
constexpr size_t max_resent = 32;                           // frames of one link that are sent again at once
constexpr size_t max_part_bytes = size_t{256} << 10;        // of a transaction or persistent database in one message, and one record
constexpr size_t max_transaction_bytes = size_t{24} << 20;  // keys and values of one transaction; beyond: NO_ROOM
constexpr size_t max_persistent_bytes = size_t{256} << 20;  // of a persistent database that is sent to another node
constexpr size_t max_queued_transactions = 4096;            // of one database at the coordinator; beyond: NO_ROOM

constexpr size_t max_mirrored_anew = 256;     // records sent at once to another mirror, after the loss of the former one
constexpr size_t max_sticky_records = 65536;  // whose moves an lmaster counts; beyond: they do not stick
constexpr size_t max_vacuum_slots = 32;       // that one tick looks at for records without a value, and
constexpr size_t max_vacuum_records = 256;    // records of them after which it ends

}  // namespace Atoll::limits

// Limits of this room alone (the others: base/limits.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

// MS-SMB2 3.3.3, ServerSideCopyMax...: of one FSCTL_SRV_COPYCHUNK; INVALID_PARAMETER, and an answer that says them.
constexpr uint32_t max_copy_chunks = 256;
constexpr uint32_t max_copy_chunk = 1u << 20;   // bytes of one
constexpr uint32_t max_copy_bytes = 16u << 20;  // of all

// For which an open whose client is away is kept (MS-SMB2 3.3.5.9.6, note 335; 3.3.5.9.10): what a client gets that does not say, and the
// most that it gets.
constexpr uint32_t durable_timeout_ms = 300'000, max_durable_timeout_ms = 300'000;

constexpr std::chrono::seconds app_instance_timeout{
    5};  // for which a CREATE waits for the open that it replaces; then it goes on beside it

constexpr size_t opens_away_in_message = 1024;  // of which the housekeeper is told at once
constexpr size_t max_refused_channels = 8;      // beyond max_connections_per_client, so that they can be told why; INSUFFICIENT_RESOURCES
constexpr size_t max_unsettled_breaks = 1024;   // that are sent again should their channel end; more are sent once
constexpr size_t max_network_interfaces = 128;  // addresses that a client is told of

}  // namespace Atoll::limits

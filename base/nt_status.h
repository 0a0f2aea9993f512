// NTSTATUS: what an SMB2 response carries, and the error type of smbd's rooms (MS-ERREF 2.3).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace Atoll::inline base {

enum class NtStatus : uint32_t {
#define ATOLL_NT_STATUS(value, name) name = value,
#include "base/nt_status_codes.h"
#undef ATOLL_NT_STATUS
};

constexpr uint32_t to_u32(NtStatus status) { return static_cast<uint32_t>(status); }
constexpr NtStatus nt_status(uint32_t value) { return static_cast<NtStatus>(value); }

// Severity is the top two bits: 0 success, 1 information, 2 warning, 3 error.
constexpr bool is_error(NtStatus status) { return to_u32(status) >> 30 == 3; }
constexpr bool is_warning(NtStatus status) { return to_u32(status) >> 30 == 2; }
constexpr bool is_success(NtStatus status) { return to_u32(status) >> 30 == 0; }

// "NT_STATUS_ACCESS_DENIED", or "NT code 0x12345678" for a code that has no name.
std::string to_string(NtStatus status);

// The status that a failed system call becomes: the one table that turns errno into NtStatus.
NtStatus nt_status_from_errno(int error_number);

}  // namespace Atoll::inline base

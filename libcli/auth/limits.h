// Limits of log-ons. See base/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

constexpr uint16_t max_kerberos_tokens = 3;     // of one exchange: KRB_AP_REQ, once more after a clock skew, mechListMIC; INVALID_PARAMETER
constexpr size_t max_kerberos_exchanges = 128;  // whose mechListMIC is awaited; the oldest is forgotten: LOGON_FAILURE
constexpr unsigned kerberos_exchange_seconds = 60;  // for which it is awaited; LOGON_FAILURE
constexpr size_t max_keytab_entries = 4096;         // that are read of a keytab; the server does not start

}  // namespace Atoll::limits

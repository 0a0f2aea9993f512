// The Win32 and NERR codes that MS-SRVS and MS-WKST return (MS-SRVS 2.2.2.10, MS-ERREF 2.2).
#pragma once

#include <cstdint>

namespace Atoll::services::net_error {

constexpr uint32_t success = 0;
constexpr uint32_t file_not_found = 2;
constexpr uint32_t access_denied = 5;
constexpr uint32_t not_enough_memory = 8;
constexpr uint32_t not_supported = 50;
constexpr uint32_t invalid_parameter = 87;
constexpr uint32_t invalid_name = 123;
constexpr uint32_t invalid_level = 124;
constexpr uint32_t more_data = 234;
constexpr uint32_t service_does_not_exist = 1060;
constexpr uint32_t buffer_too_small = 2123;       // NERR_BufTooSmall
constexpr uint32_t duplicate_share = 2118;        // NERR_DuplicateShare
constexpr uint32_t user_not_found = 2221;         // NERR_UserNotFound
constexpr uint32_t net_name_not_found = 2310;     // NERR_NetNameNotFound
constexpr uint32_t device_not_shared = 2311;      // NERR_DeviceNotShared
constexpr uint32_t client_name_not_found = 2312;  // NERR_ClientNameNotFound
constexpr uint32_t file_id_not_found = 2314;      // NERR_FileIdNotFound

}  // namespace Atoll::services::net_error

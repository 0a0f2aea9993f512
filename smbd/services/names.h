// What MS-SRVS says of names and paths as text: which are valid, how they look in canonical form, which of two is the lesser. Nothing here
// asks a file system.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::services {

// A result is a net_error code; names are UTF-8, lengths count UTF-16 units.

// MS-SRVS 3.1.4.32. INVALID_NAME, or INVALID_PARAMETER for a name type that is none.
uint32_t validate_name(std::string_view name, uint32_t name_type, uint32_t flags);
// MS-SRVS 3.1.4.33. `room`: units of the caller's buffer, the NUL among them.
uint32_t canonicalize_name(std::string_view name, uint32_t name_type, uint32_t flags, uint32_t room, std::string& out);
// MS-SRVS 3.1.4.34: 0, -1, 1, or an error code.
int32_t compare_names(std::string_view one, std::string_view other, uint32_t name_type, uint32_t flags);

// MS-SRVS 3.1.1.9, 3.1.4.29
uint32_t path_type(std::string_view path, uint32_t flags, uint32_t& type);
// MS-SRVS 3.1.4.30. `room`: bytes of the caller's buffer, the NUL among them. `type`: in and out.
uint32_t canonicalize_path(std::string_view path, std::string_view prefix, uint32_t flags, uint32_t room, uint32_t& type, std::string& out);
// MS-SRVS 3.1.4.31: 0, -1, 1, or an error code.
int32_t compare_paths(std::string_view one, std::string_view other, uint32_t type, uint32_t flags);

}  // namespace Atoll::services

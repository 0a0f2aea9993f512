// Where Atoll keeps its things unless smb.conf says otherwise.
#pragma once

namespace Atoll::conf {

constexpr const char* default_config_file = "/etc/atoll/smb.conf";
constexpr const char* config_directory = "/etc/atoll";
constexpr const char* state_directory = "/var/lib/atoll";
constexpr const char* cache_directory = "/var/cache/atoll";
constexpr const char* run_directory = "/run/atoll";

}  // namespace Atoll::conf

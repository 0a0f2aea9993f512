// The shares as a service tells of them: from smb.conf, for one caller (MS-SRVS 3.1.1.7).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "smbd/services/caller.h"
#include "smbd/services/services.h"

namespace Atoll::services {

struct ShareView {
    // MS-SRVS 2.2.2.4
    static constexpr uint32_t disk = 0, ipc = 3, special = 0x80000000;

    std::string name;
    std::string comment;  // macros expanded
    std::string path;     // "C:\srv\data": the local path as if on a drive
    uint32_t type = disk;
    uint32_t max_users = UINT32_MAX;
    uint32_t csc_policy = 0;  // 0 to 3 (MS-SRVS 2.2.2.5, shifted by 4 on the wire)
    bool encrypts = false;    // `smb encrypt` is desired or required
    bool browseable = true;
    [[nodiscard]] bool is_hidden() const { return type != disk || name.ends_with('$'); }
};

// All that the caller may see: not those that are unavailable or not browseable, nor with `access based share enum` those that would not
// let him in. In the order of smb.conf; the caller's home if there is a [homes]; IPC$ last.
std::vector<ShareView> browseable_shares(const conf::Configuration& configuration, const Caller& caller);
// Any share that is available, by its name; ASCII case does not count.
std::optional<ShareView> find_share(const conf::Configuration& configuration, const Caller& caller, std::string_view name);

// `server string` with its macros expanded.
std::string server_comment(const conf::Configuration& configuration, const Caller& caller);
// "/srv/data" is "C:\srv\data" to Windows's tools.
std::string windows_path(std::string_view path);
// The security descriptor of a share that has none of its own: everyone may all (MS-SRVS 2.2.4.26).
Buffer default_share_security();

}  // namespace Atoll::services

// Whom smbcontrol's first argument names (smbcontrol(1), "destination").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "conf/configuration.h"
#include "tdb/messaging/message_socket.h"

namespace Atoll::smbcontrol {

// The process that holds `pid directory`/smbd.pid locked, which is the listener; nullopt: no server runs.
std::optional<pid_t> running_server(const conf::GlobalConf& conf);

// The processes that `name` means: "all", "smbd", a process's number. Code::not_found with the line for the user, which Debian's smbcontrol
// has too, for a name that means none ("nmbd" and "winbindd", as long as such daemons are not part of this server); empty: a number that no
// process of the server has.
Result<std::vector<messaging::ServerId>> find_destination(std::string_view name, const conf::GlobalConf& conf,
                                                          const messaging::MessageSocket& mailbox);

}  // namespace Atoll::smbcontrol

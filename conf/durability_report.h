// What testparm and the server's log say of a share's durable and persistent handles.
#pragma once

#include <string>
#include <vector>

#include "conf/durability.h"

namespace Atoll::conf {

// Every line that keeps durable handles from being granted on the share (why_not_durable names the first), each with where it comes from:
// "posix locking = yes (the default)", "kernel oplocks = yes (in [global])", "durable handles = no". Empty: they are granted.
std::vector<std::string> lines_against_durable(const ShareConf& share);

// "[data]: durable handles: yes; persistent handles: no (this server has none)".
std::string describe_durability(const ShareConf& share);

// `continuous availability = yes` asks for what this server has not.
inline bool asks_for_persistent(const ShareConf& share) { return share.continuous_availability; }

// Whether there is something to be said: a share of files.
inline bool has_durability(const ShareConf& share) { return share.available && !share.printable && !share.path.empty(); }

}  // namespace Atoll::conf

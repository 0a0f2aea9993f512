// What testparm and the server's log say of a share's durable and persistent handles.
#pragma once

#include <string>
#include <vector>

#include "conf/durability.h"

namespace Atoll::conf {

// Every line that keeps durable handles from being granted on the share (why_not_durable names the first), each with where it comes from:
// "posix locking = yes (the default)", "kernel oplocks = yes (in [global])", "durable handles = no". Empty: they are granted.
std::vector<std::string> lines_against_durable(const ShareConf& share);

// The same of persistent handles (why_not_persistent).
std::vector<std::string> lines_against_persistent(const ShareConf& share);
// Those of them that may not stand beside `continuous availability = yes`, for what is promised there would be kept from programs on this
// machine: kernel oplocks, kernel share modes, posix locking.
std::vector<std::string> lines_against_continuous_availability(const ShareConf& share);

// "[data]: durable handles: yes; persistent handles: no, because of continuous availability = no (the default)".
std::string describe_durability(const ShareConf& share);

// Whether there is something to be said: a share of files.
inline bool has_durability(const ShareConf& share) { return share.available && !share.printable && !share.path.empty(); }

}  // namespace Atoll::conf

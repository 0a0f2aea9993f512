// The two forms of smbstatus's output, those of Debian's smbstatus 4.17: columns for people and scripts, and JSON.
#pragma once

#include <string>

#include "base/time.h"
#include "tools/smbstatus/state.h"

namespace Atoll::smbstatus {

struct Form {
    bool processes = true;
    bool shares = true;
    bool locks = true;
    bool byte_ranges = false;
    bool notifies = false;
    bool channels = false;  // every channel of a session
    bool numeric = false;
    bool resolve_uids = false;
};

std::string print_text(const State& state, const Form& form);

// `smb_conf` and `now` stand at the top.
std::string print_json(const State& state, const Form& form, const std::string& smb_conf, NtTime now);

}  // namespace Atoll::smbstatus

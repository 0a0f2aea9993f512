// What the programs of a client that fails over have in common: who, where, and how long it waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "libcli/client/failover.h"

namespace CLI {
class App;
}

namespace Atoll::torture {

struct FailingOver {
    std::string unc;   // //address[,address...]/share
    std::string user;  // USER%PASSWORD
    uint16_t port = 445;
    size_t first = 0;  // which address it begins with
    unsigned patience_s = 60;

    // To `app`'s options, with a check of their form.
    void add_to(CLI::App& app);
    [[nodiscard]] client::FailoverOptions client_options() const;
};

// Whoever started this program wants it to end.
[[nodiscard]] bool input_has_ended();

}  // namespace Atoll::torture

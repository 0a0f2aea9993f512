// The public addresses of this node: taken when the view says so, released when it says otherwise.
#pragma once

#include <map>

#include "ctdb/core/context.h"

namespace Atoll::ctdb {

class Addresses {
 public:
    explicit Addresses(Context& context) : context_(context) {}

    void view_accepted();
    void session_ended();
    void released(uint32_t address);
    // Taken, and not surely released yet.
    [[nodiscard]] std::vector<uint32_t> held() const;

 private:
    [[nodiscard]] bool mine(uint32_t address) const;
    void release(uint32_t address, bool& releasing);

    Context& context_;
    std::map<uint32_t, bool> held_;  // and whether it is being released
};

}  // namespace Atoll::ctdb

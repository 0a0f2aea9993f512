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
    void released(AddressId address);
    void offered(std::vector<AddressId> addresses) { takeable_ = std::move(addresses); }
    // Taken, and not surely released yet.
    [[nodiscard]] std::vector<AddressId> held() const;
    [[nodiscard]] bool holds() const { return !held_.empty(); }
    [[nodiscard]] const std::vector<AddressId>& takeable() const { return takeable_; }

 private:
    [[nodiscard]] bool mine(AddressId address) const;
    void release(AddressId address, bool& releasing);

    Context& context_;
    std::map<AddressId, bool> held_;  // and whether it is being released
    std::vector<AddressId> takeable_;
};

}  // namespace Atoll::ctdb

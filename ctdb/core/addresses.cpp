#include "ctdb/core/addresses.h"

namespace Atoll::ctdb {

bool Addresses::mine(uint32_t address) const {
    return context_.session != 0 && address < context_.view.addresses.size() &&
           context_.view.addresses[address].holder == context_.config.me;
}

void Addresses::view_accepted() {
    for (auto& [address, releasing] : held_) {
        if (!mine(address)) release(address, releasing);
    }
    for (uint32_t address = 0; address < context_.view.addresses.size(); address++) {
        if (!mine(address) || held_.contains(address)) continue;
        context_.took(Transition::address_taken);
        held_[address] = false;
        context_.act(TakeAddress{address});
    }
}

void Addresses::session_ended() {
    for (auto& [address, releasing] : held_) release(address, releasing);
}

void Addresses::release(uint32_t address, bool& releasing) {
    if (releasing) return;
    context_.took(Transition::address_releasing);
    releasing = true;
    context_.act(ReleaseAddress{address});
}

void Addresses::released(uint32_t address) {
    const auto found = held_.find(address);
    if (found == held_.end() || !found->second) return;
    context_.took(Transition::address_released);
    held_.erase(found);
    if (context_.session != 0) view_accepted();
}

std::vector<uint32_t> Addresses::held() const {
    std::vector<uint32_t> addresses;
    for (const auto& [address, releasing] : held_) addresses.push_back(address);
    return addresses;
}

}  // namespace Atoll::ctdb

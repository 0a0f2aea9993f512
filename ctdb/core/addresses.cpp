#include "ctdb/core/addresses.h"

namespace Atoll::ctdb {

bool Addresses::mine(AddressId address) const {
    const protocol::address* found = context_.session != 0 ? find_address(context_.view, address) : nullptr;
    return found != nullptr && found->holder == context_.config.me;
}

void Addresses::view_accepted() {
    for (auto& [address, releasing] : held_) {
        if (!mine(address)) release(address, releasing);
    }
    for (const protocol::address& address : context_.view.addresses) {
        if (address.holder != context_.config.me || held_.contains(address.id)) continue;
        context_.took(Transition::address_taken);
        held_[address.id] = false;
        context_.act(TakeAddress{address.id});
    }
}

void Addresses::session_ended() {
    for (auto& [address, releasing] : held_) release(address, releasing);
}

void Addresses::release(AddressId address, bool& releasing) {
    if (releasing) return;
    context_.took(Transition::address_releasing);
    releasing = true;
    context_.act(ReleaseAddress{address});
}

void Addresses::released(AddressId address) {
    const auto found = held_.find(address);
    if (found == held_.end() || !found->second) return;
    context_.took(Transition::address_released);
    held_.erase(found);
    if (context_.session != 0) view_accepted();
}

std::vector<AddressId> Addresses::held() const {
    std::vector<AddressId> addresses;
    for (const auto& [address, releasing] : held_) addresses.push_back(address);
    return addresses;
}

}  // namespace Atoll::ctdb

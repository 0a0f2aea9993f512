#include <algorithm>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

const protocol::member* find_member(const protocol::view& view, Pnn pnn) {
    const auto found =
        std::lower_bound(view.members.begin(), view.members.end(), pnn, [](const protocol::member& m, Pnn p) { return m.pnn < p; });
    return found != view.members.end() && found->pnn == pnn ? &*found : nullptr;
}

const protocol::address* find_address(const protocol::view& view, AddressId id) {
    const auto found = std::lower_bound(view.addresses.begin(), view.addresses.end(), id,
                                        [](const protocol::address& a, AddressId i) { return a.id < i; });
    return found != view.addresses.end() && found->id == id ? &*found : nullptr;
}

const protocol::member* find_session(const protocol::view& view, Pnn pnn, Session session) {
    const protocol::member* member = find_member(view, pnn);
    return member != nullptr && session != 0 && member->session == session ? member : nullptr;
}

}  // namespace Atoll::ctdb

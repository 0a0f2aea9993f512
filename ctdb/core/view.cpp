#include <algorithm>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

const protocol::member* find_member(const protocol::view& view, Pnn pnn) {
    const auto found =
        std::lower_bound(view.members.begin(), view.members.end(), pnn, [](const protocol::member& m, Pnn p) { return m.pnn < p; });
    return found != view.members.end() && found->pnn == pnn ? &*found : nullptr;
}

const protocol::member* find_session(const protocol::view& view, Pnn pnn, Session session) {
    const protocol::member* member = find_member(view, pnn);
    return member != nullptr && session != 0 && member->session == session ? member : nullptr;
}

}  // namespace Atoll::ctdb

// Of what kind a database of smbd is in a cluster (ctdb/client, which this room does not know): the same for all who open it.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace Atoll::xsrv {

struct SharedKind {
    bool slot_in_key = false;                      // its keys begin with an identifier that carries its slot (smbd/xsrv/slot.h)
    bool (*outlives_node)(Bytes value) = nullptr;  // which of its values are to be on two nodes (smbd/xsrv/outliving.h); null: none
};

// "locking.tdb"; of one that is not among xsrv::Databases, the default.
SharedKind shared_kind(std::string_view name);

}  // namespace Atoll::xsrv

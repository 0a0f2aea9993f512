// Who speaks to a service, and what MS-SRVS and MS-WKST let him.
#pragma once

#include <algorithm>
#include <string>

#include "base/sid.h"
#include "smbd/xsrv/client_end.h"
#include "smbd/xsrv/session.h"

namespace Atoll::services {

struct Caller {
    xsrv::Ref<xsrv::Session> session;
    xsrv::ClientEnd end;

    // A member of BUILTIN\Administrators: MS-SRVS 3.1.4 and MS-WKST 3.2.4 keep most of what tells of others to them.
    [[nodiscard]] bool is_administrator() const {
        const auto& sids = session->token.group_sids;
        return std::find(sids.begin(), sids.end(), well_known::administrators) != sids.end();
    }
};

}  // namespace Atoll::services

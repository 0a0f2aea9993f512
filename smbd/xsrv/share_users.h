// Which users a share's section of smb.conf lets in, and what its macros mean to a session.
#pragma once

#include <string_view>

#include "base/nt_status.h"
#include "conf/access_lists.h"
#include "conf/configuration.h"
#include "smbd/xsrv/client_end.h"
#include "smbd/xsrv/session.h"

namespace Atoll::xsrv {

// Without what the user database would have to be asked for: %H, %p, %G and %g (add_looked_up).
conf::MacroValues macro_values(const conf::Configuration& configuration, const ClientEnd& end, const Session& session,
                               std::string_view service);
// Slow: asks the user database. For values that use macros.
void add_looked_up(const Session& session, conf::MacroValues& values);

// A user against one share's lists. Keeps references to both arguments.
class UserLists {
 public:
    UserLists(const Session& session, const conf::MacroValues& macros);
    [[nodiscard]] bool in(const conf::Names& list) const {
        return conf::user_in_list(list, session_.account_name, aliases_, groups_, macros_);
    }

 private:
    const Session& session_;
    const conf::MacroValues& macros_;
    conf::Names aliases_;
    conf::GroupLookup groups_;
};

// SUCCESS, or ACCESS_DENIED: valid users, invalid users, guest ok.
NtStatus check_user(const Session& session, const conf::ShareConf& share, const UserLists& lists);

}  // namespace Atoll::xsrv

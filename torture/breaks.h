// The breaks that a client is told of (MS-SMB2 2.2.23), for the suites of oplocks and leases.
#pragma once

#include <optional>
#include <vector>

#include "libcli/client/file.h"
#include "torture/test.h"

namespace Atoll::torture {

class Breaks {
 public:
    // From now on gathers what comes on the client's connection; must live as long as that.
    Breaks(Test& test, Client& client);

    // The next one, within a few seconds; nothing if none comes.
    std::optional<smb::OplockBreak> next_oplock();
    std::optional<smb::LeaseBreakNotification> next_lease();
    // Whether none has come by the time that the server has answered another request.
    bool none();

 private:
    template <class T>
    std::optional<T> next(std::vector<T>& from);

    Test& test_;
    Client& client_;
    std::vector<smb::OplockBreak> oplocks_;
    std::vector<smb::LeaseBreakNotification> leases_;
};

}  // namespace Atoll::torture

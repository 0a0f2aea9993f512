// The breaks that a client is told of (MS-SMB2 2.2.23), for the suites of oplocks and leases.
#pragma once

#include <optional>
#include <vector>

#include "libcli/client/file.h"
#include "torture/test.h"

namespace Atoll::torture {

inline constexpr uint32_t R = smb::lease_state::read_caching, H = smb::lease_state::handle_caching, W = smb::lease_state::write_caching;

// How to open what may not be there yet, under a lease.
client::OpenOptions leased(const Guid& key, uint32_t state, uint8_t version = 2);
// The same for a directory, to be listed.
client::OpenOptions leased_directory(const Guid& key, uint32_t state, uint8_t version = 2);
// What was granted; ~0: no lease at all.
uint32_t lease_state_of(const client::File& file);
NtStatus acknowledge_lease(Client& client, const Guid& key, uint32_t state);

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

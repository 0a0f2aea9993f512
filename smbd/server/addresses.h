// Socket addresses as text, and where the server listens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "conf/configuration.h"
#include "smbd/smb2/channel.h"

namespace Atoll::server {

// Fills the peer's and the local address and port. False: the connection has ended already.
bool read_addresses(int socket, smb2::ChannelState& channel);

struct ListeningSocket {
    UniqueFd fd;
    bool netbios = false;  // port 139
    std::string name;      // "127.0.0.1:445", for messages
};

// Listens on every port of `ports` at every address that `interfaces` and `bind interfaces only` name; at all addresses without the latter.
// The error says which address cannot be had, and why.
Result<std::vector<ListeningSocket>> listen_on(const conf::GlobalConf& conf, const std::vector<uint16_t>& ports);

}  // namespace Atoll::server

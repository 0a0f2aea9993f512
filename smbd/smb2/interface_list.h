// The network interfaces of this machine, as `interfaces` of smb.conf chooses and describes them. Asked of the kernel each time: addresses
// come and go.
#pragma once

#include <ifaddrs.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "conf/configuration.h"
#include "libcli/smb/ioctl.h"

namespace Atoll::smb2 {

// One item of `interfaces` (smb.conf(5)): a name with wildcards, an address, or a network as address/bits or address/mask; and behind a
// semicolon what clients are told of it.
class InterfaceItem {
 public:
    explicit InterfaceItem(const std::string& item);

    [[nodiscard]] bool matches(const ifaddrs& interface) const;

    std::optional<uint64_t> speed;  // bits per second
    std::optional<uint32_t> index;
    bool rss = false;

 private:
    void read_mask(const std::string& mask);
    void read_option(std::string_view key, std::string_view value);

    std::string name_;
    std::vector<uint8_t> network_;
    size_t bits_ = 0;
};

// The bytes of an address that a network is compared by; empty if it is no IP address.
Bytes host_bytes(const sockaddr* address);

// Each address that clients may connect to, for FSCTL_QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 3.3.5.15.11): those that `interfaces` names, or
// all. The loopback is there only if it is named, or if there is nothing else; addresses of one link only never are.
std::vector<smb::NetworkInterface> network_interfaces(const conf::Names& interfaces);

}  // namespace Atoll::smb2

// One exchange with the kernel over netlink, waited for: the kernel answers within the call. Errors are errno.
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::ctdb {

class Netlink {
 public:
    // `protocol`: NETLINK_ROUTE, NETLINK_SOCK_DIAG.
    static Result<Netlink> open(int protocol);

    // The messages of the answer, without the last, which says that there are no more. `body` follows the netlink header.
    using Message = std::function<void(const nlmsghdr& header, Bytes body)>;
    Result<void, int> dump(uint16_t type, Bytes body, const Message& take);
    // Something to be done, and acknowledged. The error is the kernel's.
    Result<void, int> request(uint16_t type, uint16_t flags, Bytes body);

 private:
    explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<void, int> exchange(uint16_t type, uint16_t flags, Bytes body, const Message& take);

    UniqueFd fd_;
    uint32_t last_ = 0;
};

}  // namespace Atoll::ctdb

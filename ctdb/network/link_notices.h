// What the kernel says of links as they go up and down.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::ctdb {

struct LinkNotice {
    std::string interface;
    bool up = false;  // there is a carrier, and the interface is up
    bool operator==(const LinkNotice&) const = default;
};

// Of one datagram; what is malformed in it says nothing.
std::vector<LinkNotice> parse_link_notices(Bytes datagram);

class LinkNotices {
 public:
    static Result<LinkNotices> open();

    // Readable when there are some.
    [[nodiscard]] int fd() const { return fd_.get(); }
    // Those that have come; does not wait. The kernel drops some where they are not read in time.
    std::vector<LinkNotice> take();

 private:
    explicit LinkNotices(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};

}  // namespace Atoll::ctdb

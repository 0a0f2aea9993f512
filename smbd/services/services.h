// The RPC services behind the named pipes of IPC$: which pipes there are, and what answers on each.
//
// Main thread only. A service reads the configuration and the smbXsrv tables and sends messages; it touches no file, so whose identity the
// thread has does not matter to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop/loop.h"
#include "conf/configuration.h"
#include "libcli/rpc/server.h"
#include "smbd/services/caller.h"
#include "smbd/xsrv/pipe.h"
#include "smbd/xsrv/tables.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::services {

// What a client process has for its services; must outlive them.
struct ServicesContext {
    std::function<std::shared_ptr<const conf::Configuration>()> configuration;  // as of now
    loop::Loop& loop;
    xsrv::TableViews& tables;
    messaging::Messaging& messaging;
    std::function<uint32_t(const xsrv::open_global&)> locks_of;  // how many byte-range locks an open of any process holds
};

class Services {
 public:
    explicit Services(ServicesContext context) : context_(std::move(context)) {}
    // Whether there is such a pipe: "srvsvc", in any case.
    [[nodiscard]] bool has(std::string_view name) const;
    // A new instance of a pipe that there is.
    xsrv::Ref<xsrv::Pipe> open(std::string_view name, const Caller& caller);

 private:
    ServicesContext context_;
    rpc::Associations associations_;
};

}  // namespace Atoll::services

// The Workstation Service (MS-WKST): one instance a pipe.
#pragma once

#include "libcli/interfaces/wkssvc.idl.h"
#include "libcli/rpc/server.h"
#include "smbd/services/net_error.h"
#include "smbd/services/services.h"

namespace Atoll::services {

class Wkssvc final : public rpc::Interface {
 public:
    Wkssvc(ServicesContext& context, const Caller& caller) : context_(context), caller_(caller) {}

    [[nodiscard]] rpc::SyntaxId id() const override;
    [[nodiscard]] bool has_ndr64() const override { return true; }
    rpc::Fault call(const rpc::Call& call, Buffer& out) override;

    // Each returns a net_error code.
    uint32_t handle(const wkssvc::NetrWkstaGetInfo::In& in, wkssvc::NetrWkstaGetInfo::Out& out);
    uint32_t handle(const wkssvc::NetrWkstaUserEnum::In& in, wkssvc::NetrWkstaUserEnum::Out& out);
    uint32_t handle(const wkssvc::NetrWkstaTransportEnum::In& in, wkssvc::NetrWkstaTransportEnum::Out& out);
    uint32_t handle(const wkssvc::NetrGetJoinInformation::In& in, wkssvc::NetrGetJoinInformation::Out& out);
    // What this server has not: a redirector, a domain to be joined, names to be added.
    template <class In, class Out>
    uint32_t handle(const In&, Out&) {
        return caller_.is_administrator() ? net_error::not_supported : net_error::access_denied;
    }

 private:
    ServicesContext& context_;
    Caller caller_;
};

}  // namespace Atoll::services

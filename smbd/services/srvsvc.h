// The Server Service (MS-SRVS): one instance a pipe.
#pragma once

#include "libcli/interfaces/srvsvc.idl.h"
#include "libcli/rpc/server.h"
#include "smbd/services/net_error.h"
#include "smbd/services/services.h"
#include "smbd/services/shares.h"

namespace Atoll::services {

class Srvsvc final : public rpc::Interface {
 public:
    Srvsvc(ServicesContext& context, const Caller& caller) : context_(context), caller_(caller) {}

    [[nodiscard]] rpc::SyntaxId id() const override;
    [[nodiscard]] bool has_ndr64() const override { return true; }
    rpc::Fault call(const rpc::Call& call, Buffer& out) override;

    // Each returns a net_error code. In the order of MS-SRVS 3.1.4.
    uint32_t handle(const srvsvc::NetrConnectionEnum::In& in, srvsvc::NetrConnectionEnum::Out& out);
    uint32_t handle(const srvsvc::NetrFileEnum::In& in, srvsvc::NetrFileEnum::Out& out);
    uint32_t handle(const srvsvc::NetrFileGetInfo::In& in, srvsvc::NetrFileGetInfo::Out& out);
    uint32_t handle(const srvsvc::NetrFileClose::In& in, srvsvc::NetrFileClose::Out& out);
    uint32_t handle(const srvsvc::NetrSessionEnum::In& in, srvsvc::NetrSessionEnum::Out& out);
    uint32_t handle(const srvsvc::NetrSessionDel::In& in, srvsvc::NetrSessionDel::Out& out);
    uint32_t handle(const srvsvc::NetrShareAdd::In& in, srvsvc::NetrShareAdd::Out& out);
    uint32_t handle(const srvsvc::NetrShareEnum::In& in, srvsvc::NetrShareEnum::Out& out);
    uint32_t handle(const srvsvc::NetrShareEnumSticky::In& in, srvsvc::NetrShareEnumSticky::Out& out);
    uint32_t handle(const srvsvc::NetrShareGetInfo::In& in, srvsvc::NetrShareGetInfo::Out& out);
    uint32_t handle(const srvsvc::NetrShareSetInfo::In& in, srvsvc::NetrShareSetInfo::Out& out);
    uint32_t handle(const srvsvc::NetrShareDel::In& in, srvsvc::NetrShareDel::Out& out);
    uint32_t handle(const srvsvc::NetrShareDelSticky::In& in, srvsvc::NetrShareDelSticky::Out& out);
    uint32_t handle(const srvsvc::NetrShareDelStart::In& in, srvsvc::NetrShareDelStart::Out& out);
    uint32_t handle(const srvsvc::NetrShareCheck::In& in, srvsvc::NetrShareCheck::Out& out);
    uint32_t handle(const srvsvc::NetrServerGetInfo::In& in, srvsvc::NetrServerGetInfo::Out& out);
    uint32_t handle(const srvsvc::NetrServerSetInfo::In& in, srvsvc::NetrServerSetInfo::Out& out);
    uint32_t handle(const srvsvc::NetrServerDiskEnum::In& in, srvsvc::NetrServerDiskEnum::Out& out);
    uint32_t handle(const srvsvc::NetrRemoteTOD::In& in, srvsvc::NetrRemoteTOD::Out& out);
    uint32_t handle(const srvsvc::NetrServerTransportEnum::In& in, srvsvc::NetrServerTransportEnum::Out& out);
    uint32_t handle(const srvsvc::NetprPathType::In& in, srvsvc::NetprPathType::Out& out);
    uint32_t handle(const srvsvc::NetprPathCanonicalize::In& in, srvsvc::NetprPathCanonicalize::Out& out);
    int32_t handle(const srvsvc::NetprPathCompare::In& in, srvsvc::NetprPathCompare::Out& out);
    uint32_t handle(const srvsvc::NetprNameValidate::In& in, srvsvc::NetprNameValidate::Out& out);
    uint32_t handle(const srvsvc::NetprNameCanonicalize::In& in, srvsvc::NetprNameCanonicalize::Out& out);
    int32_t handle(const srvsvc::NetprNameCompare::In& in, srvsvc::NetprNameCompare::Out& out);
    // What this server has not: statistics, transports to be changed, DFS, aliases, security of files (which SMB itself sets). An
    // administrator hears that; others that it is not for them.
    template <class In, class Out>
    uint32_t handle(const In&, Out&) {
        return caller_.is_administrator() ? net_error::not_supported : net_error::access_denied;
    }

 private:
    std::shared_ptr<const conf::Configuration> configuration() const { return context_.configuration(); }
    uint32_t refuse_change(const std::string& share) const;
    template <class F>
    uint32_t enumerate_shares(const typename F::In& in, typename F::Out& out, bool hidden_too);

    ServicesContext& context_;
    Caller caller_;
};

}  // namespace Atoll::services

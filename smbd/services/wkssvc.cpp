#include "smbd/services/wkssvc.h"

#include "smbd/services/operations.h"
#include "smbd/services/page.h"
#include "smbd/services/server_identity.h"

namespace Atoll::services {
namespace {

using namespace wkssvc;

constexpr auto functions =
    operation_table<Wkssvc, NetrWkstaGetInfo, NetrWkstaSetInfo, NetrWkstaUserEnum, NetrWkstaTransportEnum, NetrWkstaTransportAdd,
                    NetrWkstaTransportDel, NetrUseAdd, NetrUseGetInfo, NetrUseDel, NetrUseEnum, NetrWorkstationStatisticsGet,
                    NetrGetJoinInformation, NetrJoinDomain2, NetrUnjoinDomain2, NetrRenameMachineInDomain2, NetrValidateName2,
                    NetrGetJoinableOUs2, NetrAddAlternateComputerName, NetrRemoveAlternateComputerName, NetrSetPrimaryComputerName,
                    NetrEnumerateComputerNames>();

}  // namespace

rpc::SyntaxId Wkssvc::id() const {
    const idl::InterfaceType& type = wkssvc_interface();
    return {type.uuid, type.version_major, type.version_minor};
}

rpc::Fault Wkssvc::call(const rpc::Call& call, Buffer& out) { return run_operation<Wkssvc>(functions, *this, call, out); }

// MS-WKST 3.2.4.1: level 100 is for everybody, 101 for who has logged on, 102 for administrators.
uint32_t Wkssvc::handle(const NetrWkstaGetInfo::In& in, NetrWkstaGetInfo::Out& out) {
    const auto conf = context_.configuration();
    const auto describe = [&](uint32_t& platform, auto& name, auto& domain, uint32_t& major, uint32_t& minor) {
        platform = server_identity::platform;
        name = conf->global().netbios_name;
        domain = conf->global().workgroup;
        major = server_identity::version_major;
        minor = server_identity::version_minor;
    };
    switch (in.Level) {
        case 100: {
            auto& info = out.WkstaInfo.make_WkstaInfo100().emplace();
            describe(info.wki100_platform_id, info.wki100_computername, info.wki100_langroup, info.wki100_ver_major, info.wki100_ver_minor);
            return net_error::success;
        }
        case 101: {
            if (caller_.session->is_anonymous || caller_.session->is_guest) return net_error::access_denied;
            auto& info = out.WkstaInfo.make_WkstaInfo101().emplace();
            describe(info.wki101_platform_id, info.wki101_computername, info.wki101_langroup, info.wki101_ver_major, info.wki101_ver_minor);
            info.wki101_lanroot = "";
            return net_error::success;
        }
        case 102: {
            if (!caller_.is_administrator()) return net_error::access_denied;
            auto& info = out.WkstaInfo.make_WkstaInfo102().emplace();
            describe(info.wki102_platform_id, info.wki102_computername, info.wki102_langroup, info.wki102_ver_major, info.wki102_ver_minor);
            info.wki102_lanroot = "";
            return net_error::success;
        }
        default: return net_error::invalid_level;
    }
}

// MS-WKST 3.2.4.3: who is logged on at the machine itself. Nobody is.
uint32_t Wkssvc::handle(const NetrWkstaUserEnum::In& in, NetrWkstaUserEnum::Out& out) {
    out.UserInfo = in.UserInfo;
    out.ResumeHandle = in.ResumeHandle;
    if (!caller_.is_administrator()) return net_error::access_denied;
    switch (in.UserInfo.Level) {
        case 0: out.UserInfo.WkstaUserInfo.make_Level0().emplace().Buffer.emplace(); break;
        case 1: out.UserInfo.WkstaUserInfo.make_Level1().emplace().Buffer.emplace(); break;
        default: return net_error::invalid_level;
    }
    if (out.ResumeHandle) out.ResumeHandle = 0;
    return net_error::success;
}

// MS-WKST 3.2.4.4: transports of the redirector, which this server has not.
uint32_t Wkssvc::handle(const NetrWkstaTransportEnum::In& in, NetrWkstaTransportEnum::Out& out) {
    out.TransportInfo = in.TransportInfo;
    out.ResumeHandle = in.ResumeHandle;
    if (in.TransportInfo.Level != 0) return net_error::invalid_level;
    out.TransportInfo.WkstaTransportInfo.make_Level0().emplace().Buffer.emplace();
    if (out.ResumeHandle) out.ResumeHandle = 0;
    return net_error::success;
}

// MS-WKST 3.2.4.13
uint32_t Wkssvc::handle(const NetrGetJoinInformation::In&, NetrGetJoinInformation::Out& out) {
    if (caller_.session->is_anonymous || caller_.session->is_guest) return net_error::access_denied;
    out.NameBuffer = context_.configuration()->global().workgroup;
    out.BufferType = NETSETUP_JOIN_STATUS::NetSetupWorkgroupName;
    return net_error::success;
}

}  // namespace Atoll::services

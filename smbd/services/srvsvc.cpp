#include "smbd/services/srvsvc.h"

#include "smbd/services/operations.h"

namespace Atoll::services {
namespace {

using namespace srvsvc;

// A commit names a deletion that was begun, and none is (MS-SRVS 3.1.4.15).
rpc::Fault refuse_commit(Srvsvc&, const rpc::Call&, Buffer&) { return rpc::Fault::context_mismatch; }

constexpr auto functions =
    operation_table<Srvsvc, NetrConnectionEnum, NetrFileEnum, NetrFileGetInfo, NetrFileClose, NetrSessionEnum, NetrSessionDel, NetrShareAdd,
                    NetrShareEnum, NetrShareGetInfo, NetrShareSetInfo, NetrShareDel, NetrShareDelSticky, NetrShareCheck, NetrServerGetInfo,
                    NetrServerSetInfo, NetrServerDiskEnum, NetrServerStatisticsGet, NetrServerTransportAdd, NetrServerTransportEnum,
                    NetrServerTransportDel, NetrRemoteTOD, NetprPathType, NetprPathCanonicalize, NetprPathCompare, NetprNameValidate,
                    NetprNameCanonicalize, NetprNameCompare, NetrShareEnumSticky, NetrShareDelStart, NetrShareDelCommit,
                    NetrpGetFileSecurity, NetrpSetFileSecurity, NetrServerTransportAddEx, NetrDfsGetVersion, NetrDfsCreateLocalPartition,
                    NetrDfsDeleteLocalPartition, NetrDfsSetLocalVolumeState, NetrDfsCreateExitPoint, NetrDfsDeleteExitPoint,
                    NetrDfsModifyPrefix, NetrDfsFixLocalVolume, NetrDfsManagerReportSiteInfo, NetrServerTransportDelEx, NetrServerAliasAdd,
                    NetrServerAliasEnum, NetrServerAliasDel, NetrShareDelEx>();

constexpr std::array<Operation<Srvsvc>, functions.size()> with_commit() {
    auto table = functions;
    for (auto& operation : table) {
        if (operation.opnum == NetrShareDelCommit::opnum) operation.call = refuse_commit;
    }
    return table;
}
constexpr auto table = with_commit();

}  // namespace

rpc::SyntaxId Srvsvc::id() const {
    const idl::InterfaceType& type = srvsvc_interface();
    return {type.uuid, type.version_major, type.version_minor};
}

rpc::Fault Srvsvc::call(const rpc::Call& call, Buffer& out) { return run_operation<Srvsvc>(table, *this, call, out); }

}  // namespace Atoll::services

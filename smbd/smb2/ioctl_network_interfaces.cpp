// FSCTL_QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 3.3.5.15.11).
#include "libcli/smb/ioctl.h"
#include "libcli/smb/negotiate.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/interface_list.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

NtStatus query_network_interfaces(Request& request, const smb::IoctlRequest& ioctl) {
    const Connection& connection = request.connection();
    if ((connection.channel().server_capabilities & smb::global_cap::multi_channel) == 0) return NtStatus::NOT_SUPPORTED;
    const auto interfaces = network_interfaces(connection.client().configuration().global().interfaces);
    if (interfaces.size() * smb::NetworkInterface::size > ioctl.max_output_response) return NtStatus::BUFFER_TOO_SMALL;
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, smb::FileId::related());
    std::optional<size_t> last;
    for (const smb::NetworkInterface& one : interfaces) last = smb::append_network_interface(request.out(), one, last);
    smb::IoctlResponse::finish(request.out());
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2

// TREE_CONNECT (MS-SMB2 3.3.5.7).
#include "libcli/smb/tree.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "base/utf.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/share_access.h"

namespace Atoll::smb2 {
namespace {

// The share's name in "\\server\share"; nullopt if the path has another form.
std::optional<std::string> share_name(Bytes path) {
    const auto text = utf16le_to_utf8(path);
    if (!text || !text->starts_with("\\\\") || text->find('\0') != std::string::npos) return std::nullopt;
    const size_t separator = text->find('\\', 2);
    if (separator == std::string::npos || separator + 1 == text->size()) return std::nullopt;
    const std::string name = text->substr(separator + 1);
    return name.find('\\') == std::string::npos ? std::optional(name) : std::nullopt;
}

// MS-SMB2 2.2.10
uint32_t share_flags(const xsrv::Tcon& tcon, bool smb3) {
    uint32_t flags = 0;
    if (tcon.conf) flags |= static_cast<uint32_t>(tcon.conf->csc_policy) << 4;
    if (tcon.conf && tcon.conf->hide_unreadable) flags |= smb::share_flags::access_based_directory_enum;
    if (tcon.encrypt_data && smb3) flags |= smb::share_flags::encrypt_data;
    return flags;
}

NtStatus respond(Request& request, const xsrv::Tcon& tcon) {
    smb::TreeConnectResponse response;
    response.share_type = tcon.is_ipc ? smb::ShareType::pipe : smb::ShareType::disk;
    response.share_flags = tcon.is_ipc ? smb::share_flags::no_caching : share_flags(tcon, request.connection().is_smb3());
    if (tcon.continuously_available && request.connection().is_smb3()) response.capabilities |= smb::share_cap::continuous_availability;
    // Its durable opens are any node's to give back. There is no Witness service, which SMB2_SHARE_CAP_CLUSTER would promise (2.2.10).
    const bool scales = request.connection().client().is_clustered() && !tcon.is_ipc;
    if (scales && request.connection().is_smb3()) response.capabilities |= smb::share_cap::scaleout;
    response.maximal_access = tcon.maximal_access;
    response.encode(request.out());
    return NtStatus::SUCCESS;
}

uint32_t next_tree_id(xsrv::Session& session) {
    while (session.next_tree_id == 0 || session.next_tree_id == UINT32_MAX || session.tcons.contains(session.next_tree_id))
        session.next_tree_id++;
    return session.next_tree_id++;
}

}  // namespace

NtStatus handle_tree_connect(Request& request) {
    Connection& connection = request.connection();
    xsrv::Session& session = *request.session;
    loop::take_root();
    const auto connect = smb::TreeConnectRequest::decode(request.message, connection.channel().dialect == 0x0311);
    if (!connect.ok()) return connect.error();
    if (connection.channel().dialect == 0x0311 && request.key && !request.header.is_signed() && !request.chain->sealed()) {
        connection.close("a TREE_CONNECT that is neither signed nor sealed");
        return NtStatus::ACCESS_DENIED;
    }
    const auto name = share_name(connect->path);
    if (!name) return NtStatus::INVALID_PARAMETER;
    if (session.tcons.size() >= limits::max_tcons) return NtStatus::INSUFFICIENT_RESOURCES;

    auto tcon = xsrv::make_ref<xsrv::Tcon>();
    tcon->session_id = session.id;
    const NtStatus status = connect_share(connection, session, *name, *tcon);
    loop::take_root();
    if (status != NtStatus::SUCCESS) return status;
    tcon->id = next_tree_id(session);
    if (!connection.client().tables().put_tcon(*tcon).ok()) return NtStatus::INSUFFICIENT_RESOURCES;
    session.tcons.emplace(tcon->id, tcon);
    request.header.tree_id = tcon->id;
    return respond(request, *tcon);
}

}  // namespace Atoll::smb2

#include "libcli/client/tree.h"

#include "base/utf.h"

namespace Atoll::client {

NtStatus Tree::connect(std::string_view path) {
    auto name = utf8_to_utf16le(path);
    if (!name) return NtStatus::OBJECT_NAME_INVALID;
    smb::TreeConnectRequest request;
    request.path = *name;
    // MS-SMB2 3.2.4.1.1: in 3.1.1 a TREE_CONNECT is signed even where nothing else is.
    RequestOptions o;
    if (connection().negotiated().dialect == smb::Dialect::smb3_11 && !session_.should_seal()) o.sign = true;
    Compound compound(connection());
    ExchangePtr exchange = compound.add(&session_, 0, smb::Command::tree_connect, request, o);
    compound.send();
    const NtStatus status = connection().wait(exchange);
    if (is_error(status)) return status;
    auto response = exchange->decode<smb::TreeConnectResponse>();
    if (!response) return response.error();
    response_ = *response;
    id_ = exchange->header().tree_id;
    return NtStatus::SUCCESS;
}

NtStatus Tree::disconnect() { return connection().wait(start(smb::Command::tree_disconnect, smb::EmptyMessage{})); }

}  // namespace Atoll::client

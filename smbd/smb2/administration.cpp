// What administrators end or change while clients are connected: a new smb.conf, smbcontrol(1).
#include "base/loop/identity.h"
#include "base/utf.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/share_access.h"

namespace Atoll::smb2 {

void Client::end_tcons_that(const std::function<bool(Connection&, const xsrv::Session&, const xsrv::Tcon&)>& wanted) {
    for (const auto& connection : connections_) {
        for (const auto& [id, bound] : std::map(connection->sessions)) {
            xsrv::Session& session = *bound.session;
            for (const auto& [tree_id, tcon] : std::map(session.tcons)) {
                if (tcon->conf && wanted(*connection, session, *tcon)) end_tcon(session, *tcon);
            }
        }
    }
    loop::take_root();
}

void Client::reload(std::shared_ptr<const conf::Configuration> configuration) {
    context_.configuration = std::move(configuration);
    end_tcons_that([this](Connection&, const xsrv::Session&, const xsrv::Tcon& tcon) {
        return !tcon.is_home && !context_.configuration->find_share(tcon.share_name);
    });
}

void Client::close_share(std::string_view name) {
    end_tcons_that([name](Connection&, const xsrv::Session&, const xsrv::Tcon& tcon) {
        return name == "*" || equal_ignoring_ascii_case(tcon.share_name, name);
    });
}

void Client::close_denied_share(std::string_view name) {
    end_tcons_that([name](Connection& connection, const xsrv::Session& session, const xsrv::Tcon& tcon) {
        if (name != "*" && !equal_ignoring_ascii_case(tcon.share_name, name)) return false;
        const auto again = xsrv::make_ref<xsrv::Tcon>();
        return connect_share(connection, session, tcon.share_name, *again) == NtStatus::ACCESS_DENIED;
    });
}

void Client::close_channels_from(std::string_view address) {
    for (const auto& connection : connections_) {
        if (connection->channel().peer_address == address) connection->close("smbcontrol: kill-client-ip");
    }
}

}  // namespace Atoll::smb2

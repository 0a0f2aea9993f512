#include "smbd/xsrv/share_users.h"

#include <unistd.h>

#include "smbd/accounts/tokens.h"

namespace Atoll::xsrv {
namespace {

// As %R has it (smb.conf(5)).
const char* protocol_name(uint16_t dialect) {
    switch (dialect) {
        case 0x0202: return "SMB2_02";
        case 0x0210: return "SMB2_10";
        case 0x0300: return "SMB3_00";
        case 0x0302: return "SMB3_02";
        default: return "SMB3_11";
    }
}

}  // namespace

conf::MacroValues macro_values(const conf::Configuration& configuration, const ClientEnd& end, const Session& session,
                               std::string_view service) {
    conf::MacroValues values;
    // A client on port 445 has no NetBIOS name: it is known by its address. Its DNS name is not looked up (`hostname lookups = no`).
    values.client_name = end.peer_address;
    values.client_host_name = end.peer_address;
    values.server_name = configuration.global().netbios_name;
    values.protocol = protocol_name(end.dialect);
    values.client_architecture = "UNKNOWN";
    values.client_address = end.peer_address;
    values.local_address = end.local_address;
    values.session_user = session.account_name;
    values.service_user = session.account_name;
    values.domain = session.domain_name;
    values.service = std::string(service);
    values.process_id = static_cast<uint32_t>(::getpid());
    return values;
}

void add_looked_up(const Session& session, conf::MacroValues& values) {
    if (const auto user = accounts::find_unix_user(session.account_name)) {
        values.home_directory = user->home;
        values.previous_directory = user->home;
    }
    values.session_group = values.service_group = accounts::find_unix_group_name(session.token.gid);
}

UserLists::UserLists(const Session& session, const conf::MacroValues& macros) : session_(session), macros_(macros) {
    aliases_ = {session.domain_name + "\\" + session.account_name};
    groups_.unix_group = [](std::string_view user, std::string_view group) { return accounts::unix_user_in_group(user, group); };
}

NtStatus check_user(const Session& session, const conf::ShareConf& share, const UserLists& lists) {
    if (session.is_guest || session.is_anonymous) return share.guest_ok ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
    if (share.guest_ok && share.guest_only) return NtStatus::SUCCESS;
    if (lists.in(share.invalid_users)) return NtStatus::ACCESS_DENIED;
    if (!share.valid_users.empty() && !lists.in(share.valid_users)) return NtStatus::ACCESS_DENIED;
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::xsrv

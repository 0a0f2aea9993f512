#include "smbd/smb2/share_access.h"

#include <algorithm>

#include "base/log.h"
#include "conf/durability.h"
#include "base/loop/identity.h"
#include "base/utf.h"
#include "smbd/accounts/tokens.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/session_policy.h"
#include "smbd/xsrv/share_users.h"

namespace Atoll::smb2 {
namespace {

constexpr uint32_t pipe_access = 0x001F00A9;  // ACCESS_MASK of IPC$'s MaximalAccess: what opening a pipe may need

using conf::Names;
using conf::ShareConf;
using xsrv::UserLists;

// Whether anything that is expanded for a tree connect of this share has a macro in it.
bool uses_macros(const ShareConf& share) {
    for (const std::string* text :
         {&share.path, &share.veto_files, &share.hide_files, &share.veto_oplock_files, &share.force_user, &share.force_group}) {
        if (conf::has_macros(*text)) return true;
    }
    for (const Names* list : {&share.valid_users, &share.invalid_users, &share.read_list, &share.write_list, &share.admin_users}) {
        if (std::any_of(list->begin(), list->end(), [](const std::string& name) { return conf::has_macros(name); })) return true;
    }
    return false;
}

bool host_may_connect(const Connection& connection, const ShareConf& share) {
    conf::ClientHost host;
    host.address = connection.channel().peer_address;
    return conf::host_allowed(share.hosts_allow, share.hosts_deny, host);
}

bool is_read_only(const ShareConf& share, const UserLists& lists) {
    if (lists.in(share.write_list)) return false;
    return share.read_only || lists.in(share.read_list);
}

NtStatus refuse_forced(const ShareConf& share, const char* parameter, const std::string& name) {
    log_error("share '{}': {} = '{}': there is no such name on this system", share.name, parameter, name);
    return NtStatus::ACCESS_DENIED;
}

// Whose rights the files are used with: the session's, a guest's, those of `force user` and `force group`, or root's for `admin users`.
NtStatus choose_identity(const Connection& connection, const xsrv::Session& session, const UserLists& lists,
                         const conf::MacroValues& macros, xsrv::Tcon& tcon) {
    const ShareConf& share = *tcon.conf;
    tcon.token = session.token;
    const auto& global = connection.client().configuration().global();
    std::string force_user = conf::expand_macros(share.force_user, macros);
    if (share.guest_only && share.guest_ok) force_user = global.guest_account;
    const std::string force_group = conf::expand_macros(share.force_group, macros);
    if (!force_user.empty()) {
        const auto user = accounts::find_unix_user(force_user);
        if (!user) return refuse_forced(share, "force user", force_user);
        tcon.token = accounts::TokenBuilder(Sid{}, global.netbios_name).unix_user(*user);
    }
    if (!force_group.empty() && !accounts::TokenBuilder::force_group(tcon.token, force_group))
        return refuse_forced(share, "force group", force_group);
    const bool is_admin = !session.is_guest && !session.is_anonymous && lists.in(share.admin_users);
    if (is_admin && loop::is_privileged()) accounts::TokenBuilder::make_administrator(tcon.token);
    tcon.identity = identity_of(tcon.token);
    return loop::is_admitted(tcon.identity) ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
}

NtStatus check_sealing(const Connection& connection, const ShareConf& share, xsrv::Tcon& tcon, const xsrv::Session& session) {
    const bool can_seal = session.sealer.has_value();
    if (share.smb_encrypt == conf::Demand::required && !can_seal) return NtStatus::ACCESS_DENIED;
    tcon.encrypt_data =
        can_seal && connection.is_smb3() && (share.smb_encrypt == conf::Demand::required || share.smb_encrypt == conf::Demand::desired);
    return NtStatus::SUCCESS;
}

std::shared_ptr<const ShareConf> find_share(const conf::Configuration& configuration, const xsrv::Session& session, std::string_view name,
                                            bool& is_home) {
    if (auto share = configuration.find_share(name); share && !equal_ignoring_ascii_case(name, "homes")) return share;
    const std::string user = equal_ignoring_ascii_case(name, "homes") ? session.account_name : std::string(name);
    const auto owner = accounts::find_unix_user(user);
    if (!owner) return nullptr;
    is_home = true;
    return configuration.home_share({owner->name, owner->home});
}

NtStatus connect_files(Connection& connection, const UserLists& lists, const conf::MacroValues& macros, xsrv::Tcon& tcon) {
    if (!loop::take_identity(tcon.identity)) return NtStatus::ACCESS_DENIED;
    fsa::ShareParams params;
    params.conf = tcon.conf;
    params.path = conf::expand_macros(tcon.conf->path, macros);
    params.read_only = is_read_only(*tcon.conf, lists);
    params.veto_files = conf::expand_macros(tcon.conf->veto_files, macros);
    params.hide_files = conf::expand_macros(tcon.conf->hide_files, macros);
    params.veto_oplock_files = conf::expand_macros(tcon.conf->veto_oplock_files, macros);
    params.token = &tcon.token;
    params.expand = [macros](std::string_view text) { return conf::expand_macros(text, macros); };
    const conf::Section& global = connection.client().configuration().global().section;
    params.get_quota_command = global.text("get quota command").value_or("");
    params.set_quota_command = global.text("set quota command").value_or("");
    tcon.share_path = params.path;
    auto share = connection.client().file_system().connect(std::move(params));
    if (!share.ok()) {
        log_error("share '{}' is unavailable: {}", tcon.conf->name, share.error().message());
        return NtStatus::BAD_NETWORK_NAME;
    }
    tcon.share = std::move(*share);
    tcon.continuously_available = conf::why_not_persistent(connection.client().configuration().global(), *tcon.conf).empty();
    tcon.maximal_access = tcon.share->maximal_access();
    return NtStatus::SUCCESS;
}

NtStatus connect_ipc(const Connection& connection, const xsrv::Session& session, xsrv::Tcon& tcon) {
    const int restricted = connection.client().configuration().global().restrict_anonymous;
    if (session.is_anonymous && restricted >= 2) return NtStatus::ACCESS_DENIED;
    tcon.is_ipc = true;
    tcon.share_name = "IPC$";
    tcon.token = session.token;
    tcon.identity = session.identity;
    tcon.maximal_access = pipe_access;
    return NtStatus::SUCCESS;
}

}  // namespace

NtStatus connect_share(Connection& connection, const xsrv::Session& session, std::string_view name, xsrv::Tcon& tcon) {
    if (equal_ignoring_ascii_case(name, "IPC$")) return connect_ipc(connection, session, tcon);
    Client& client = connection.client();
    tcon.conf = find_share(client.configuration(), session, name, tcon.is_home);
    if (!tcon.conf || !tcon.conf->available || tcon.conf->printable) return NtStatus::BAD_NETWORK_NAME;
    const ShareConf& share = *tcon.conf;
    tcon.share_name = share.name;
    if (!host_may_connect(connection, share)) return NtStatus::ACCESS_DENIED;

    const ChannelState& channel = connection.channel();
    conf::MacroValues macros =
        xsrv::macro_values(client.configuration(), {channel.peer_address, channel.local_address, channel.dialect}, session, share.name);
    if (uses_macros(share)) xsrv::add_looked_up(session, macros);
    const UserLists lists(session, macros);
    if (const NtStatus status = xsrv::check_user(session, share, lists); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = check_sealing(connection, share, tcon, session); status != NtStatus::SUCCESS) return status;
    if (share.max_connections > 0) {
        const auto count = client.tables().count_tcons(share.name);
        if (!count.ok() || *count >= share.max_connections) return NtStatus::REQUEST_NOT_ACCEPTED;
    }
    if (const NtStatus status = choose_identity(connection, session, lists, macros, tcon); status != NtStatus::SUCCESS) return status;
    return connect_files(connection, lists, macros, tcon);
}

}  // namespace Atoll::smb2

#include "smbd/services/shares.h"

#include "base/utf.h"
#include "smbd/accounts/tokens.h"
#include "smbd/xsrv/share_users.h"

namespace Atoll::services {
namespace {

constexpr std::string_view ipc_path = "/tmp";  // IPC$ has no directory; tools want to see one

using conf::ShareConf;

bool is_template(const ShareConf& share) {
    return equal_ignoring_ascii_case(share.name, "homes") || equal_ignoring_ascii_case(share.name, "printers");
}

ShareView view_of(const conf::Configuration& configuration, const Caller& caller, const ShareConf& share) {
    auto macros = xsrv::macro_values(configuration, caller.end, *caller.session, share.name);
    if (conf::has_macros(share.path) || conf::has_macros(share.comment)) xsrv::add_looked_up(*caller.session, macros);
    ShareView view;
    view.name = share.name;
    view.comment = conf::expand_macros(share.comment, macros);
    view.path = windows_path(conf::expand_macros(share.path, macros));
    if (share.administrative_share) view.type |= ShareView::special;
    if (share.max_connections > 0) view.max_users = share.max_connections;
    view.csc_policy = static_cast<uint32_t>(share.csc_policy);
    view.encrypts = share.smb_encrypt == conf::Demand::desired || share.smb_encrypt == conf::Demand::required;
    view.browseable = share.browseable;
    return view;
}

ShareView ipc_view(const conf::Configuration& configuration, const Caller& caller) {
    ShareView view;
    view.name = "IPC$";
    view.comment = "IPC Service (" + server_comment(configuration, caller) + ")";
    view.path = windows_path(ipc_path);
    view.type = ShareView::ipc | ShareView::special;
    return view;
}

bool lets_in(const conf::Configuration& configuration, const Caller& caller, const ShareConf& share) {
    const auto macros = xsrv::macro_values(configuration, caller.end, *caller.session, share.name);
    const xsrv::UserLists lists(*caller.session, macros);
    return xsrv::check_user(*caller.session, share, lists) == NtStatus::SUCCESS;
}

bool is_visible(const conf::Configuration& configuration, const Caller& caller, const ShareConf& share) {
    if (!share.available || !share.browseable || share.printable || is_template(share)) return false;
    return !share.access_based_share_enum || lets_in(configuration, caller, share);
}

// What [homes] is for the caller; null if there is none, or a section of that name.
std::shared_ptr<const ShareConf> home_of(const conf::Configuration& configuration, const Caller& caller) {
    const xsrv::Session& session = *caller.session;
    if (!configuration.find_share("homes")) return nullptr;
    if (session.is_guest || session.is_anonymous || configuration.find_share(session.account_name)) return nullptr;
    const auto user = accounts::find_unix_user(session.account_name);
    return user ? configuration.home_share({user->name, user->home}) : nullptr;
}

}  // namespace

std::vector<ShareView> browseable_shares(const conf::Configuration& configuration, const Caller& caller) {
    std::vector<ShareView> out;
    for (const auto& share : configuration.shares()) {
        if (is_visible(configuration, caller, *share)) out.push_back(view_of(configuration, caller, *share));
    }
    if (const auto home = home_of(configuration, caller); home && is_visible(configuration, caller, *home))
        out.push_back(view_of(configuration, caller, *home));
    out.push_back(ipc_view(configuration, caller));
    return out;
}

std::optional<ShareView> find_share(const conf::Configuration& configuration, const Caller& caller, std::string_view name) {
    if (equal_ignoring_ascii_case(name, "IPC$")) return ipc_view(configuration, caller);
    auto share = configuration.find_share(name);
    if (!share) {
        if (const auto home = home_of(configuration, caller); home && equal_ignoring_ascii_case(home->name, name)) share = home;
    }
    if (!share || !share->available || share->printable || is_template(*share)) return std::nullopt;
    return view_of(configuration, caller, *share);
}

std::string server_comment(const conf::Configuration& configuration, const Caller& caller) {
    const auto macros = xsrv::macro_values(configuration, caller.end, *caller.session, "IPC$");
    return conf::expand_macros(configuration.global().server_string, macros);
}

std::string windows_path(std::string_view path) {
    std::string out = "C:";
    out += path;
    for (char& c : out) {
        if (c == '/') c = '\\';
    }
    return out;
}

Buffer default_share_security() {
    Buffer out;
    ByteWriter writer(out);
    // MS-DTYP 2.4.6: self-relative, with a DACL of one entry that allows Everyone file_all_access.
    writer.u8(1);
    writer.u8(0);
    writer.u16(0x8004);  // SE_SELF_RELATIVE | SE_DACL_PRESENT
    writer.u32(0);
    writer.u32(0);
    writer.u32(0);
    constexpr uint32_t header_size = 20;
    writer.u32(header_size);
    constexpr uint16_t ace_size = 20, acl_size = 8 + ace_size;
    writer.u8(2);  // ACL_REVISION (2.4.5)
    writer.u8(0);
    writer.u16(acl_size);
    writer.u16(1);
    writer.u16(0);
    writer.u8(0);  // ACCESS_ALLOWED_ACE (2.4.4.2)
    writer.u8(0);
    writer.u16(ace_size);
    writer.u32(0x001F01FF);
    well_known::everyone.encode(writer);
    return out;
}

}  // namespace Atoll::services

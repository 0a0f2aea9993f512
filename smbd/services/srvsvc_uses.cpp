// Connections, files and sessions (MS-SRVS 3.1.4.1 to 3.1.4.6). All of it is for administrators.
#include "base/log.h"
#include "base/utf.h"
#include "smbd/services/page.h"
#include "smbd/services/srvsvc.h"
#include "smbd/services/uses.h"
#include "smbd/xsrv/message_types.h"

namespace Atoll::services {
namespace {

using namespace srvsvc;

constexpr uint32_t session_guest = 0x1;  // MS-SRVS 2.2.2.3
constexpr size_t fixed_size = 40;        // of an entry: no fixed part is larger

std::string without_backslashes(const std::optional<std::string>& name) {
    const std::string text = name.value_or("");
    return text.starts_with("\\\\") ? text.substr(2) : text;
}

bool matches(const std::optional<std::string>& wanted, std::string_view have) {
    return !wanted || wanted->empty() || equal_ignoring_case(*wanted, have);
}

void put(const ConnectionView& from, CONNECTION_INFO_0& to) { to.coni0_id = from.id; }

void put(const ConnectionView& from, CONNECTION_INFO_1& to) {
    to.coni1_id = from.id;
    to.coni1_type = from.is_ipc ? ShareView::ipc : ShareView::disk;
    to.coni1_num_opens = from.opens;
    to.coni1_num_users = 1;
    to.coni1_time = from.seconds;
    to.coni1_username = from.user;
    to.coni1_netname = from.share;
}

void put(const FileView& from, FILE_INFO_2& to) { to.fi2_id = from.id; }

void put(const FileView& from, FILE_INFO_3& to) {
    to.fi3_id = from.id;
    to.fi3_permissions = from.permissions;
    to.fi3_num_locks = from.locks;
    to.fi3_pathname = from.path;
    to.fi3_username = from.user;
}

void put(const SessionView& from, SESSION_INFO_0& to) { to.sesi0_cname = from.client; }

void put(const SessionView& from, SESSION_INFO_1& to) {
    to.sesi1_cname = from.client;
    to.sesi1_username = from.user;
    to.sesi1_num_opens = from.opens;
    to.sesi1_time = from.seconds;
    to.sesi1_user_flags = from.is_guest ? session_guest : 0;
}

void put(const SessionView& from, SESSION_INFO_2& to) {
    to.sesi2_cname = from.client;
    to.sesi2_username = from.user;
    to.sesi2_num_opens = from.opens;
    to.sesi2_time = from.seconds;
    to.sesi2_user_flags = from.is_guest ? session_guest : 0;
    to.sesi2_cltype_name = "";
}

void put(const SessionView& from, SESSION_INFO_10& to) {
    to.sesi10_cname = from.client;
    to.sesi10_username = from.user;
    to.sesi10_time = from.seconds;
}

void put(const SessionView& from, SESSION_INFO_502& to) {
    to.sesi502_cname = from.client;
    to.sesi502_username = from.user;
    to.sesi502_num_opens = from.opens;
    to.sesi502_time = from.seconds;
    to.sesi502_user_flags = from.is_guest ? session_guest : 0;
    to.sesi502_cltype_name = "";
    to.sesi502_transport = "";
}

template <class Container, class View>
bool fill(std::optional<Container>& out, std::span<const View> entries) {
    auto& container = out.emplace();
    if (entries.empty()) return true;  // and no array at all
    auto& buffer = container.Buffer.emplace();
    for (const View& entry : entries) put(entry, buffer.emplace_back());
    return true;
}

bool fill(CONNECT_ENUM_STRUCT& out, std::span<const ConnectionView> entries) {
    switch (out.Level) {
        case 0: return fill(out.ConnectInfo.make_Level0(), entries);
        case 1: return fill(out.ConnectInfo.make_Level1(), entries);
        default: return false;
    }
}

bool fill(FILE_ENUM_STRUCT& out, std::span<const FileView> entries) {
    switch (out.Level) {
        case 2: return fill(out.FileInfo.make_Level2(), entries);
        case 3: return fill(out.FileInfo.make_Level3(), entries);
        default: return false;
    }
}

bool fill(SESSION_ENUM_STRUCT& out, std::span<const SessionView> entries) {
    switch (out.Level) {
        case 0: return fill(out.SessionInfo.make_Level0(), entries);
        case 1: return fill(out.SessionInfo.make_Level1(), entries);
        case 2: return fill(out.SessionInfo.make_Level2(), entries);
        case 10: return fill(out.SessionInfo.make_Level10(), entries);
        case 502: return fill(out.SessionInfo.make_Level502(), entries);
        default: return false;
    }
}

size_t size_of(const ConnectionView& view) { return fixed_size + text_size(view.user) + text_size(view.share); }
size_t size_of(const FileView& view) { return fixed_size + text_size(view.path) + text_size(view.user); }
size_t size_of(const SessionView& view) { return fixed_size + text_size(view.client) + text_size(view.user); }

template <class In, class Out, class View>
uint32_t answer(const In& in, Out& out, const std::vector<View>& all) {
    const auto page = page_of(all, in.PreferedMaximumLength, in.ResumeHandle, [](const View& view) { return size_of(view); });
    if (!fill(out.InfoStruct, page.entries)) return net_error::invalid_level;
    out.TotalEntries = page.total;
    out.ResumeHandle = page.resume;
    return page.result;
}

void tell(messaging::Messaging& messaging, const messaging::ServerId& owner, uint32_t type, uint64_t id) {
    std::array<uint8_t, 8> payload{};
    store_le<uint64_t>(payload.data(), id);
    if (const auto sent = messaging.send(owner, type, payload); !sent.ok()) log_info("{}", sent.error().message());
}

}  // namespace

uint32_t Srvsvc::handle(const NetrConnectionEnum::In& in, NetrConnectionEnum::Out& out) {
    out.InfoStruct = in.InfoStruct;
    out.ResumeHandle = in.ResumeHandle;
    if (!caller_.is_administrator()) return net_error::access_denied;
    if (!in.Qualifier || in.Qualifier->empty()) return net_error::invalid_parameter;
    // MS-SRVS 3.1.4.1: a share, or with two backslashes a client.
    const bool by_client = in.Qualifier->starts_with("\\\\");
    const std::string qualifier = without_backslashes(in.Qualifier);
    if (!by_client && !find_share(*configuration(), caller_, qualifier)) return net_error::net_name_not_found;
    auto all = connections(context_.tables);
    std::erase_if(all, [&](const ConnectionView& view) { return !equal_ignoring_case(by_client ? view.client : view.share, qualifier); });
    return answer(in, out, all);
}

uint32_t Srvsvc::handle(const NetrFileEnum::In& in, NetrFileEnum::Out& out) {
    out.InfoStruct = in.InfoStruct;
    out.ResumeHandle = in.ResumeHandle;
    if (!caller_.is_administrator()) return net_error::access_denied;
    const std::string base = to_upper_utf8(in.BasePath.value_or(""));
    auto all = files(context_);
    std::erase_if(all,
                  [&](const FileView& view) { return !matches(in.UserName, view.user) || !to_upper_utf8(view.path).starts_with(base); });
    return answer(in, out, all);
}

uint32_t Srvsvc::handle(const NetrFileGetInfo::In& in, NetrFileGetInfo::Out& out) {
    if (!caller_.is_administrator()) return net_error::access_denied;
    for (const FileView& file : files(context_)) {
        if (file.id != in.FileId) continue;
        switch (in.Level) {
            case 2: put(file, out.InfoStruct.make_FileInfo2().emplace()); return net_error::success;
            case 3: put(file, out.InfoStruct.make_FileInfo3().emplace()); return net_error::success;
            default: return net_error::invalid_level;
        }
    }
    return net_error::file_id_not_found;
}

uint32_t Srvsvc::handle(const NetrFileClose::In& in, NetrFileClose::Out&) {
    if (!caller_.is_administrator()) return net_error::access_denied;
    for (const FileView& file : files(context_)) {
        if (file.id != in.FileId) continue;
        tell(context_.messaging, file.owner, xsrv::message_close_open, file.persistent_id);
        return net_error::success;
    }
    return net_error::file_id_not_found;
}

uint32_t Srvsvc::handle(const NetrSessionEnum::In& in, NetrSessionEnum::Out& out) {
    out.InfoStruct = in.InfoStruct;
    out.ResumeHandle = in.ResumeHandle;
    if (!caller_.is_administrator()) return net_error::access_denied;
    const std::string client = without_backslashes(in.ClientName);
    auto all = sessions(context_.tables);
    const bool client_known = std::any_of(all.begin(), all.end(), [&](const auto& view) { return matches(client, view.client); });
    const bool user_known = std::any_of(all.begin(), all.end(), [&](const auto& view) { return matches(in.UserName, view.user); });
    if (!client_known) return net_error::client_name_not_found;
    if (!user_known) return net_error::user_not_found;
    std::erase_if(all, [&](const SessionView& view) { return !matches(client, view.client) || !matches(in.UserName, view.user); });
    return answer(in, out, all);
}

// MS-SRVS 3.1.4.6: the caller's own session is among them if it is meant.
uint32_t Srvsvc::handle(const NetrSessionDel::In& in, NetrSessionDel::Out&) {
    if (!caller_.is_administrator()) return net_error::access_denied;
    const std::string client = without_backslashes(in.ClientName);
    if (client.empty() && in.UserName.value_or("").empty()) return net_error::invalid_parameter;
    bool found = false;
    for (const SessionView& session : sessions(context_.tables)) {
        if (!matches(client, session.client) || !matches(in.UserName, session.user)) continue;
        tell(context_.messaging, session.owner, xsrv::message_end_session, session.id);
        found = true;
    }
    return found ? net_error::success : net_error::client_name_not_found;
}

}  // namespace Atoll::services

#include "smbd/services/uses.h"

#include <algorithm>

#include "base/log.h"
#include "base/utf.h"
#include "smbd/services/shares.h"

namespace Atoll::services {
namespace {

constexpr uint32_t may_read = 1, may_write = 2, may_create = 4;             // MS-SRVS 2.2.4.7
constexpr uint32_t read_data = 0x1, write_or_append = 0x6, execute = 0x20;  // MS-SMB2 2.2.13.1

messaging::ServerId owner_of(const tdb::server_id& id) { return {id.vnn, id.pid, id.unique_id}; }

uint32_t seconds_since(NtTime then) {
    constexpr uint64_t second = 10'000'000;
    const uint64_t now = NtTime::now().ticks;
    return now <= then.ticks ? 0 : static_cast<uint32_t>((now - then.ticks) / second);
}

void complain(const Result<void>& result) {
    if (!result.ok()) log_error("{}", result.error().message());
}

// The users and clients of sessions, for records that name only the session.
std::map<uint64_t, xsrv::session_global> sessions_by_id(xsrv::TableViews& tables) {
    std::map<uint64_t, xsrv::session_global> out;
    complain(tables.for_each_session([&](const xsrv::session_global& record) { out[record.session_id] = record; }));
    return out;
}

std::string client_of(const xsrv::session_global& session) {
    return session.channels.empty() ? std::string() : session.channels.front().remote_address;
}

bool is_file(const xsrv::open_global& record) { return !any(record.flags & xsrv::open_flags::OPEN_IS_PIPE); }

uint32_t permissions_of(uint32_t access) {
    uint32_t out = 0;
    if ((access & (read_data | execute)) != 0) out |= may_read;
    if ((access & write_or_append) != 0) out |= may_write;
    if ((access & write_or_append) == write_or_append) out |= may_create;
    return out;
}

}  // namespace

std::vector<SessionView> sessions(xsrv::TableViews& tables) {
    std::map<uint64_t, uint32_t> opens;
    complain(tables.for_each_open([&](const xsrv::open_global& record) {
        if (is_file(record)) opens[record.session_id]++;
    }));
    std::vector<SessionView> out;
    for (const auto& [id, record] : sessions_by_id(tables)) {
        SessionView view;
        view.id = id;
        view.owner = owner_of(record.owner);
        view.client = client_of(record);
        view.user = record.user_name;
        view.opens = opens[id];
        view.seconds = seconds_since(record.created);
        view.is_guest = any(record.flags & xsrv::session_flags::SESSION_IS_GUEST);
        out.push_back(std::move(view));
    }
    return out;
}

std::vector<ConnectionView> connections(xsrv::TableViews& tables) {
    std::map<std::pair<uint64_t, uint32_t>, uint32_t> opens;
    complain(tables.for_each_open([&](const xsrv::open_global& record) {
        if (is_file(record)) opens[{record.session_id, record.tree_id}]++;
    }));
    const auto by_id = sessions_by_id(tables);
    std::map<std::pair<uint64_t, uint32_t>, ConnectionView> ordered;
    complain(tables.for_each_tcon([&](const xsrv::tcon_global& record) {
        ConnectionView view;
        view.id = record.tree_id;
        view.share = record.share_name;
        view.opens = opens[{record.session_id, record.tree_id}];
        view.seconds = seconds_since(record.created);
        view.is_ipc = any(record.flags & xsrv::tcon_flags::TCON_IS_IPC);
        if (const auto session = by_id.find(record.session_id); session != by_id.end()) {
            view.user = session->second.user_name;
            view.client = client_of(session->second);
        }
        ordered[{record.session_id, record.tree_id}] = std::move(view);
    }));
    std::vector<ConnectionView> out;
    for (auto& [id, view] : ordered) out.push_back(std::move(view));
    return out;
}

std::vector<FileView> files(const ServicesContext& context) {
    const auto by_id = sessions_by_id(context.tables);
    std::map<uint64_t, FileView> ordered;
    complain(context.tables.for_each_open([&](const xsrv::open_global& record) {
        if (!is_file(record)) return;
        FileView view;
        view.persistent_id = record.persistent_id;
        view.owner = owner_of(record.owner);
        view.id = static_cast<uint32_t>(record.persistent_id);
        view.permissions = permissions_of(record.access_mask);
        view.locks = context.locks_of(record);
        view.path = windows_path(record.name.empty() ? record.share_path : record.share_path + "/" + record.name);
        if (const auto session = by_id.find(record.session_id); session != by_id.end()) view.user = session->second.user_name;
        ordered[record.persistent_id] = std::move(view);
    }));
    std::vector<FileView> out;
    for (auto& [id, view] : ordered) out.push_back(std::move(view));
    return out;
}

std::map<std::string, uint32_t> uses_of_shares(xsrv::TableViews& tables) {
    std::map<std::string, uint32_t> out;
    complain(tables.for_each_tcon([&](const xsrv::tcon_global& record) { out[to_upper_utf8(record.share_name)]++; }));
    return out;
}

}  // namespace Atoll::services

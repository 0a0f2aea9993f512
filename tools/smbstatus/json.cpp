// smbstatus --json: names and nesting are those of Debian's, with what it does not tell added under names of its own ("channels",
// "durable").
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tools/smbstatus/names.h"
#include "tools/smbstatus/report.h"

namespace Atoll::smbstatus {

namespace {

using Json = nlohmann::ordered_json;

struct Bit {
    const char* name;
    uint32_t bit;
};

Json bits_of(std::initializer_list<Bit> known, uint32_t value) {
    Json out = Json::object();
    for (const Bit& one : known) out[one.name] = (value & one.bit) != 0;
    return out;
}

std::string text_of(uint64_t number) { return fmt::format("{}", number); }
std::string hex_of(uint32_t number) { return fmt::format("{:#010x}", number); }

Json server_id_of(const tdb::server_id& holder) {
    return {{"pid", text_of(holder.pid)}, {"task_id", "0"}, {"vnn", text_of(holder.vnn)}, {"unique_id", text_of(holder.unique_id)}};
}

Json protection_of(const Protection& protection) { return {{"cipher", protection.algorithm}, {"degree", degree_name(protection.degree)}}; }

Json channels_of(const xsrv::session_global& session) {
    Json out = Json::object();
    for (const xsrv::session_channel& channel : session.channels) {
        const std::string id = fmt::format("{}", channel.channel_id);
        out[id] = {{"channel_id", id},
                   {"creation_time", iso_time(channel.connected)},
                   {"local_address", fmt::format("{}:{}", channel.local_address, channel.local_port)},
                   {"remote_address", host_name(channel)}};
    }
    return out;
}

Json sessions_of(const State& state) {
    Json out = Json::object();
    for (const xsrv::session_global& session : state.sessions) {
        const std::string id = text_of(session.session_id);
        const bool reachable = !session.channels.empty();
        out[id] = {{"session_id", id},
                   {"server_id", server_id_of(session.owner)},
                   {"uid", session.uid},
                   {"gid", session.gid},
                   {"username", user_name(session.uid)},
                   {"groupname", group_name(session.gid)},
                   {"remote_machine", reachable ? session.channels.front().remote_address : ""},
                   {"hostname", reachable ? host_name(session.channels.front()) : ""},
                   {"session_dialect", protocol_name(session.dialect)},
                   {"encryption", protection_of(encryption_of(session))},
                   {"signing", protection_of(signing_of(session))},
                   {"channels", channels_of(session)}};
    }
    return out;
}

Json tcons_of(const State& state) {
    std::map<uint64_t, const xsrv::session_global*> sessions;
    for (const xsrv::session_global& session : state.sessions) sessions[session.session_id] = &session;
    Json out = Json::object();
    for (const xsrv::tcon_global& tcon : state.tcons) {
        const auto found = sessions.find(tcon.session_id);
        const xsrv::session_global* session = found == sessions.end() ? nullptr : found->second;
        // A tree id is unique in its session only.
        const std::string id = fmt::format("{}/{}", tcon.session_id, tcon.tree_id);
        out[id] = {{"service", tcon.share_name},
                   {"server_id", server_id_of(tcon.owner)},
                   {"tcon_id", text_of(tcon.tree_id)},
                   {"session_id", text_of(tcon.session_id)},
                   {"machine", session == nullptr || session->channels.empty() ? "" : session->channels.front().remote_address},
                   {"connected_at", iso_time(tcon.created)},
                   {"encryption", protection_of(encryption_of(tcon, session))},
                   {"signing", protection_of(signing_of(tcon, session))}};
    }
    return out;
}

Json share_mode_of(uint32_t share_access) {
    Json out = {{"hex", hex_of(share_access)}};
    out.update(bits_of({{"READ", 0x1}, {"WRITE", 0x2}, {"DELETE", 0x4}}, share_access));
    std::string text;
    for (const Bit& one : {Bit{"R", 0x1}, Bit{"W", 0x2}, Bit{"D", 0x4}}) text += (share_access & one.bit) != 0 ? one.name : "";
    out["text"] = text;
    return out;
}

// MS-SMB2 2.2.13.1.1
Json access_mask_of(uint32_t mask) {
    Json out = {{"hex", hex_of(mask)}};
    out.update(bits_of({{"READ_DATA", 0x1},
                        {"WRITE_DATA", 0x2},
                        {"APPEND_DATA", 0x4},
                        {"READ_EA", 0x8},
                        {"WRITE_EA", 0x10},
                        {"EXECUTE", 0x20},
                        {"READ_ATTRIBUTES", 0x80},
                        {"WRITE_ATTRIBUTES", 0x100},
                        {"DELETE_CHILD", 0x40},
                        {"DELETE", 0x10000},
                        {"READ_CONTROL", 0x20000},
                        {"WRITE_DAC", 0x40000},
                        {"WRITE_OWNER", 0x80000},
                        {"SYNCHRONIZE", 0x100000},
                        {"ACCESS_SYSTEM_SECURITY", 0x1000000}},
                       mask));
    out["text"] = std::string((mask & 0x1) != 0 ? "R" : "") + ((mask & 0x6) != 0 ? "W" : "");
    return out;
}

// What an oplock lets its client cache, as a lease of the same effect would say it; Debian's names no handle of a batch oplock.
uint32_t caching_of(const fsa::share_mode& mode) {
    switch (mode.oplock) {
        case fsa::oplock_kind::OPLOCK_LEASE: return mode.caching;
        case fsa::oplock_kind::OPLOCK_LEVEL_II: return 0x1;
        case fsa::oplock_kind::OPLOCK_EXCLUSIVE:
        case fsa::oplock_kind::OPLOCK_BATCH: return 0x5;
        case fsa::oplock_kind::OPLOCK_NONE: return 0;
    }
    return 0;
}

Json letters_of(uint32_t caching) { return bits_of({{"READ", 0x1}, {"WRITE", 0x4}, {"HANDLE", 0x2}}, caching); }

Json oplock_of(const fsa::share_mode& mode) {
    if (mode.oplock == fsa::oplock_kind::OPLOCK_NONE) return Json::object();
    const bool batch = mode.oplock == fsa::oplock_kind::OPLOCK_BATCH;
    return {{"EXCLUSIVE", batch || mode.oplock == fsa::oplock_kind::OPLOCK_EXCLUSIVE},
            {"BATCH", batch},
            {"LEVEL_II", mode.oplock == fsa::oplock_kind::OPLOCK_LEVEL_II},
            {"LEASE", mode.oplock == fsa::oplock_kind::OPLOCK_LEASE},
            {"text", oplock_name(mode)}};
}

Json lease_of(const State& state, const fsa::share_mode& mode) {
    if (!mode.lease) return Json::object();
    Json out = {{"lease_key", to_string(mode.lease->key)}, {"hex", hex_of(mode.caching)}};
    out.update(letters_of(mode.caching));
    out["text"] = caching_letters(mode.caching);
    if (const auto found = state.leases.find({mode.lease->client, mode.lease->key}); found != state.leases.end()) {
        const fsa::lease_record& lease = found->second;
        out["version"] = lease.version;
        out["epoch"] = lease.epoch;
        if (lease.parent) out["parent_lease_key"] = to_string(*lease.parent);
        if (lease.breaking) out["breaking_to"] = caching_letters(lease.breaking_to);
    }
    return out;
}

const char* kind_name(xsrv::handle_kind kind) {
    switch (kind) {
        case xsrv::handle_kind::HANDLE_DURABLE: return "durable";
        case xsrv::handle_kind::HANDLE_RESILIENT: return "resilient";
        case xsrv::handle_kind::HANDLE_PERSISTENT: return "persistent";
    }
    return "unknown";
}

Json durable_of(const xsrv::durable_open& durable) {
    Json out = {{"kind", kind_name(durable.kind)}, {"timeout_ms", durable.timeout_ms}};
    if (durable.create_guid) out["create_guid"] = to_string(*durable.create_guid);
    if (durable.disconnected.ticks != 0) out["disconnected_at"] = iso_time(durable.disconnected);
    return out;
}

Json open_of(const State& state, const OpenFile& file, const Form& form) {
    const uint32_t caching = caching_of(file.mode);
    Json cached = letters_of(caching);
    cached["hex"] = hex_of(caching);
    cached["text"] = caching_letters(caching);
    Json out = {{"server_id", server_id_of(file.mode.holder)}};
    if (file.open && form.resolve_uids) out["username"] = user_name(file.open->uid);
    if (file.open) out["uid"] = file.open->uid;
    out["share_file_id"] = text_of(file.mode.open_id);
    out["sharemode"] = share_mode_of(file.mode.share_access);
    out["access_mask"] = access_mask_of(file.mode.access_mask);
    out["caching"] = std::move(cached);
    out["oplock"] = oplock_of(file.mode);
    out["lease"] = lease_of(state, file.mode);
    out["opened_at"] = iso_time(file.mode.opened);
    if (file.open && file.open->durable) out["durable"] = durable_of(*file.open->durable);
    return out;
}

Json file_id_of(const fsa::file_id& id) { return {{"devid", id.volume}, {"inode", id.inode}, {"extid", id.generation}}; }

Json files_of(const State& state, const Form& form) {
    Json out = Json::object();
    for (const OpenFile& file : state.files) {
        Json& entry = out[file.share_path + "/" + file.name];
        if (entry.is_null()) {
            entry = {{"service_path", file.share_path},
                     {"filename", file.name},
                     {"fileid", file_id_of(file.id)},
                     {"num_pending_deletes", file.delete_pending ? 1 : 0},
                     {"opens", Json::object()}};
        }
        entry["opens"][fmt::format("{}/{}", process_name(file.mode.holder), file.mode.open_id)] = open_of(state, file, form);
    }
    return out;
}

Json locks_of(const State& state) {
    Json out = Json::object();
    for (const ByteRangeLock& lock : state.locks) {
        Json& entry = out[lock.share_path + "/" + lock.name];
        if (entry.is_null()) {
            entry = {{"fileid", file_id_of(lock.id)},
                     {"file_name", lock.name},
                     {"share_path", lock.share_path},
                     {"server_id", server_id_of(lock.holder)},
                     {"locks", Json::array()}};
        }
        entry["locks"].push_back({{"server_id", server_id_of(lock.holder)},
                                  {"type", lock.exclusive ? "W" : "R"},
                                  {"flavour", "Windows"},
                                  {"start", lock.offset},
                                  {"size", lock.length}});
    }
    return out;
}

Json notifies_of(const State& state) {
    Json out = Json::object();
    for (const Watch& one : state.watches) {
        out[fmt::format("{}/{}", process_name(one.watch.holder), one.watch.open_id)] = {
            {"server_id", server_id_of(one.watch.holder)},
            {"path", one.path},
            {"filter", text_of(one.watch.filter)},
            {"subdir_filter", text_of(one.watch.tree ? one.watch.filter : 0)}};
    }
    return out;
}

}  // namespace

std::string print_json(const State& state, const Form& form, const std::string& smb_conf, NtTime now) {
    Json out = {{"timestamp", iso_time_without_colon(now)}, {"version", version_name()}, {"smb_conf", smb_conf}};
    if (form.processes) out["sessions"] = sessions_of(state);
    if (form.shares) out["tcons"] = tcons_of(state);
    if (form.locks && state.has_locking) out["open_files"] = files_of(state, form);
    if (form.byte_ranges) out["byte_range_locks"] = locks_of(state);
    if (form.notifies) out["notifies"] = notifies_of(state);
    // Names of files may be no UTF-8.
    return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace Atoll::smbstatus

// The server itself (MS-SRVS 3.1.4.17 to 3.1.4.24), and names and paths as text (3.1.4.29 to 3.1.4.34).
#include <ctime>

#include "base/utf.h"
#include "smbd/services/names.h"
#include "smbd/services/page.h"
#include "smbd/services/server_identity.h"
#include "smbd/services/srvsvc.h"
#include "smbd/services/uses.h"

namespace Atoll::services {
namespace {

using namespace srvsvc;

// SERVER_INFO_102 (MS-SRVS 2.2.4.42) where this server has nothing of its own to say: what servers have always said.
constexpr uint32_t unlimited_users = UINT32_MAX;
constexpr int32_t auto_disconnect_minutes = 15;
constexpr uint32_t announce_seconds = 240, announce_delta_ms = 3000, licenses = 100000;

constexpr uint32_t tick_interval = 10000;  // of the clock, in 0.1 ms (MS-SRVS 2.2.4.105)

// How SMB over TCP is called where transports are listed (MS-SRVS 2.2.4.93).
constexpr std::string_view transport_name = "\\Device\\NetbiosSmb";
constexpr std::string_view transport_address = "000000000000";

template <class Unit>
std::vector<Unit> units_with_nul(std::string_view text) {
    Buffer bytes;
    (void)append_utf16le(bytes, text);  // it came from UTF-16
    bytes.append_zeros(2);
    std::vector<Unit> out(bytes.size() / sizeof(Unit));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
}

std::vector<uint8_t> ascii(std::string_view text) { return {text.begin(), text.end()}; }

struct Transport {
    uint32_t connections = 0;
    std::string netbios_name;
    std::string domain;
};

void put(const Transport& from, SERVER_TRANSPORT_INFO_0& to) {
    to.svti0_numberofvcs = from.connections;
    to.svti0_transportname = transport_name;
    to.svti0_transportaddress = ascii(from.netbios_name);
    to.svti0_networkaddress = transport_address;
}

void put(const Transport& from, SERVER_TRANSPORT_INFO_1& to) {
    to.svti1_numberofvcs = from.connections;
    to.svti1_transportname = transport_name;
    to.svti1_transportaddress = ascii(from.netbios_name);
    to.svti1_networkaddress = transport_address;
    to.svti1_domain = from.domain;
}

template <class Container>
void fill(std::optional<Container>& out, std::span<const Transport> entries) {
    auto& buffer = out.emplace().Buffer.emplace();
    for (const Transport& entry : entries) put(entry, buffer.emplace_back());
}

}  // namespace

uint32_t Srvsvc::handle(const NetrServerGetInfo::In& in, NetrServerGetInfo::Out& out) {
    const auto conf = configuration();
    const std::string& name = conf->global().netbios_name;
    switch (in.Level) {
        case 100: {
            auto& info = out.InfoStruct.make_ServerInfo100().emplace();
            info.sv100_platform_id = server_identity::platform;
            info.sv100_name = name;
            return net_error::success;
        }
        case 101: {
            auto& info = out.InfoStruct.make_ServerInfo101().emplace();
            info.sv101_platform_id = server_identity::platform;
            info.sv101_name = name;
            info.sv101_version_major = server_identity::version_major;
            info.sv101_version_minor = server_identity::version_minor;
            info.sv101_version_type = server_identity::type;
            info.sv101_comment = server_comment(*conf, caller_);
            return net_error::success;
        }
        case 102: {
            auto& info = out.InfoStruct.make_ServerInfo102().emplace();
            info.sv102_platform_id = server_identity::platform;
            info.sv102_name = name;
            info.sv102_version_major = server_identity::version_major;
            info.sv102_version_minor = server_identity::version_minor;
            info.sv102_type = server_identity::type;
            info.sv102_comment = server_comment(*conf, caller_);
            info.sv102_users = unlimited_users;
            info.sv102_disc = auto_disconnect_minutes;
            info.sv102_announce = announce_seconds;
            info.sv102_anndelta = announce_delta_ms;
            info.sv102_licenses = licenses;
            info.sv102_userpath = "C:\\";
            return net_error::success;
        }
        default: return net_error::invalid_level;
    }
}

// What the server is stands in smb.conf, which no client changes.
uint32_t Srvsvc::handle(const NetrServerSetInfo::In& in, NetrServerSetInfo::Out& out) {
    out.ParmErr = in.ParmErr;
    return net_error::access_denied;
}

// MS-SRVS 3.1.4.19: one drive, as windows_path() has it, and the empty entry that ends the list.
uint32_t Srvsvc::handle(const NetrServerDiskEnum::In& in, NetrServerDiskEnum::Out& out) {
    out.ResumeHandle = in.ResumeHandle;
    if (in.Level != 0) return net_error::invalid_level;
    auto& disks = out.DiskInfoStruct.Buffer.emplace();
    disks.emplace_back().Disk = "C:";
    disks.emplace_back();
    out.TotalEntries = 1;
    if (out.ResumeHandle) out.ResumeHandle = 1;
    return net_error::success;
}

uint32_t Srvsvc::handle(const NetrRemoteTOD::In&, NetrRemoteTOD::Out& out) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm utc{}, local{};
    ::gmtime_r(&now.tv_sec, &utc);
    ::localtime_r(&now.tv_sec, &local);
    timespec up{};
    ::clock_gettime(CLOCK_BOOTTIME, &up);
    TIME_OF_DAY_INFO& info = out.BufferPtr.emplace();
    info.tod_elapsedt = static_cast<uint32_t>(now.tv_sec);
    info.tod_msecs = static_cast<uint32_t>(up.tv_sec * 1000 + up.tv_nsec / 1000000);
    info.tod_hours = static_cast<uint32_t>(utc.tm_hour);
    info.tod_mins = static_cast<uint32_t>(utc.tm_min);
    info.tod_secs = static_cast<uint32_t>(utc.tm_sec);
    info.tod_hunds = static_cast<uint32_t>(now.tv_nsec / 10000000);
    info.tod_timezone = static_cast<int32_t>(-local.tm_gmtoff / 60);  // minutes west of Greenwich
    info.tod_tinterval = tick_interval;
    info.tod_day = static_cast<uint32_t>(utc.tm_mday);
    info.tod_month = static_cast<uint32_t>(utc.tm_mon + 1);
    info.tod_year = static_cast<uint32_t>(utc.tm_year + 1900);
    info.tod_weekday = static_cast<uint32_t>(utc.tm_wday);
    return net_error::success;
}

uint32_t Srvsvc::handle(const NetrServerTransportEnum::In& in, NetrServerTransportEnum::Out& out) {
    out.InfoStruct = in.InfoStruct;
    out.ResumeHandle = in.ResumeHandle;
    const auto conf = configuration();
    const std::vector<Transport> all = {
        {static_cast<uint32_t>(sessions(context_.tables).size()), conf->global().netbios_name, conf->global().workgroup}};
    const auto page = page_of(all, in.PreferedMaximumLength, in.ResumeHandle, [](const Transport& transport) {
        constexpr size_t fixed = 24;
        return fixed + text_size(transport_name) + text_size(transport_address) + text_size(transport.domain);
    });
    switch (in.InfoStruct.Level) {
        case 0: fill(out.InfoStruct.XportInfo.make_Level0(), page.entries); break;
        case 1: fill(out.InfoStruct.XportInfo.make_Level1(), page.entries); break;
        default: return net_error::invalid_level;
    }
    out.TotalEntries = page.total;
    out.ResumeHandle = page.resume;
    return page.result;
}

uint32_t Srvsvc::handle(const NetprPathType::In& in, NetprPathType::Out& out) { return path_type(in.PathName, in.Flags, out.PathType); }

uint32_t Srvsvc::handle(const NetprPathCanonicalize::In& in, NetprPathCanonicalize::Out& out) {
    std::string path;
    out.PathType = in.PathType;
    const uint32_t error = canonicalize_path(in.PathName, in.Prefix, in.Flags, in.OutbufLen, out.PathType, path);
    if (error == net_error::success) out.Outbuf = units_with_nul<uint8_t>(path);
    return error;
}

int32_t Srvsvc::handle(const NetprPathCompare::In& in, NetprPathCompare::Out&) {
    return compare_paths(in.PathName1, in.PathName2, in.PathType, in.Flags);
}

uint32_t Srvsvc::handle(const NetprNameValidate::In& in, NetprNameValidate::Out&) { return validate_name(in.Name, in.NameType, in.Flags); }

uint32_t Srvsvc::handle(const NetprNameCanonicalize::In& in, NetprNameCanonicalize::Out& out) {
    std::string name;
    const uint32_t error = canonicalize_name(in.Name, in.NameType, in.Flags, in.OutbufLen, name);
    if (error == net_error::success) out.Outbuf = units_with_nul<uint16_t>(name);
    return error;
}

int32_t Srvsvc::handle(const NetprNameCompare::In& in, NetprNameCompare::Out&) {
    return compare_names(in.Name1, in.Name2, in.NameType, in.Flags);
}

}  // namespace Atoll::services

#include "tools/smbstatus/names.h"

#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>

#include <ctime>

#include "conf/macros.h"
#include "tools/smbstatus/state.h"

namespace Atoll::smbstatus {

namespace {

constexpr uint32_t read_data = 0x1, write_data = 0x2;
constexpr uint32_t share_read = 0x1, share_write = 0x2;
constexpr uint8_t caching_read = 0x1, caching_handle = 0x2, caching_write = 0x4;  // MS-SMB2 2.2.13.2.8

// MS-SMB2 2.2.3.1.2, 2.2.3.1.7
std::string cipher_name(uint16_t cipher) {
    switch (cipher) {
        case 1: return "AES-128-CCM";
        case 2: return "AES-128-GCM";
        case 3: return "AES-256-CCM";
        case 4: return "AES-256-GCM";
        default: return fmt::format("{:#06x}", cipher);
    }
}
std::string signing_name(uint16_t algorithm) {
    switch (algorithm) {
        case 0: return "HMAC-SHA256";
        case 1: return "AES-128-CMAC";
        case 2: return "AES-128-GMAC";
        default: return fmt::format("{:#06x}", algorithm);
    }
}

std::string signing_algorithm_of(const xsrv::session_global& session) {
    return signing_name(session.channels.empty() ? uint16_t{0} : session.channels.front().signing_algorithm);
}

std::string formatted(NtTime time, const char* format) {
    const timespec at = time.to_timespec();
    tm parts{};
    char text[128];
    if (::localtime_r(&at.tv_sec, &parts) == nullptr) return "-";
    return {text, std::strftime(text, sizeof text, format, &parts)};
}

std::string iso_seconds(NtTime time) {
    return fmt::format("{}.{:06}", formatted(time, "%Y-%m-%dT%H:%M:%S"), time.to_timespec().tv_nsec / 1000);
}

template <class Flags>
Degree degree_of(Flags flags, Flags seen, Flags not_seen) {
    if (!any(flags & seen)) return Degree::none;
    return any(flags & not_seen) ? Degree::partial : Degree::full;
}

Protection protection(Degree degree, const std::string& algorithm) {
    return degree == Degree::none ? Protection{} : Protection{degree, algorithm};
}

}  // namespace

// What scripts look for comes first.
std::string version_name() { return fmt::format("4.17 (Atoll {})", conf::MacroValues::version_text()); }

std::string user_name(uint32_t uid) {
    const passwd* entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : fmt::format("{}", uid);
}

std::string group_name(uint32_t gid) {
    const group* entry = ::getgrgid(gid);
    return entry != nullptr ? entry->gr_name : fmt::format("{}", gid);
}

std::string process_name(const tdb::server_id& holder) {
    if (is_disconnected(holder)) return "disconnected";
    if (holder.vnn == tdb::NO_VNN) return fmt::format("{}", holder.pid);
    return fmt::format("{}:{}", holder.vnn, holder.pid);
}

std::string protocol_name(uint16_t dialect) {
    switch (dialect) {
        case 0x0202: return "SMB2_02";
        case 0x0210: return "SMB2_10";
        case 0x0300: return "SMB3_00";
        case 0x0302: return "SMB3_02";
        case 0x0311: return "SMB3_11";
        default: return fmt::format("{:#06x}", dialect);
    }
}

std::string host_name(const xsrv::session_channel& channel) {
    const bool is_ipv6 = channel.remote_address.find(':') != std::string::npos;
    return fmt::format("{}:{}:{}", is_ipv6 ? "ipv6" : "ipv4", channel.remote_address, channel.remote_port);
}

std::string local_time(NtTime time) { return formatted(time, "%a %b %e %H:%M:%S %Y"); }
std::string local_time_with_zone(NtTime time) { return formatted(time, "%a %b %e %H:%M:%S %Y %Z"); }

std::string iso_time(NtTime time) {
    std::string zone = formatted(time, "%z");  // "+0100"
    if (zone.size() == 5) zone.insert(3, ":");
    return iso_seconds(time) + zone;
}

std::string iso_time_without_colon(NtTime time) { return iso_seconds(time) + formatted(time, "%z"); }

Protection signing_of(const xsrv::session_global& session) {
    using enum xsrv::session_flags;
    const bool required = any(session.flags & SESSION_SIGNING_REQUIRED);
    const Degree degree = required ? Degree::full : any(session.flags & SESSION_SEEN_SIGNED) ? Degree::partial : Degree::none;
    return protection(degree, signing_algorithm_of(session));
}

Protection encryption_of(const xsrv::session_global& session) {
    using enum xsrv::session_flags;
    const bool required = any(session.flags & SESSION_ENCRYPT_DATA);
    const Degree degree = required ? Degree::full : any(session.flags & SESSION_SEEN_SEALED) ? Degree::partial : Degree::none;
    return protection(degree, cipher_name(session.cipher));
}

Protection signing_of(const xsrv::tcon_global& tcon, const xsrv::session_global* session) {
    using enum xsrv::tcon_flags;
    return session == nullptr ? Protection{}
                              : protection(degree_of(tcon.flags, TCON_SEEN_SIGNED, TCON_SEEN_UNSIGNED), signing_algorithm_of(*session));
}

Protection encryption_of(const xsrv::tcon_global& tcon, const xsrv::session_global* session) {
    using enum xsrv::tcon_flags;
    if (session == nullptr) return {};
    const bool required = any(tcon.flags & TCON_ENCRYPT_DATA);
    const Degree degree = required ? Degree::full : degree_of(tcon.flags, TCON_SEEN_SEALED, TCON_SEEN_UNSEALED);
    return protection(degree, cipher_name(session->cipher));
}

std::string degree_name(Degree degree) {
    switch (degree) {
        case Degree::none: return "none";
        case Degree::partial: return "partial";
        case Degree::full: return "full";
    }
    return {};
}

std::string with_degree(const Protection& protection) {
    return protection.degree == Degree::partial ? fmt::format("partial({})", protection.algorithm) : protection.algorithm;
}

std::string caching_letters(uint32_t caching) {
    std::string out;
    if ((caching & caching_read) != 0) out += 'R';
    if ((caching & caching_write) != 0) out += 'W';
    if ((caching & caching_handle) != 0) out += 'H';
    return out;
}

std::string oplock_name(const fsa::share_mode& mode) {
    switch (mode.oplock) {
        case fsa::oplock_kind::OPLOCK_NONE: return "NONE";
        case fsa::oplock_kind::OPLOCK_LEVEL_II: return "LEVEL_II";
        case fsa::oplock_kind::OPLOCK_EXCLUSIVE: return "EXCLUSIVE";
        case fsa::oplock_kind::OPLOCK_BATCH: return "BATCH";
        case fsa::oplock_kind::OPLOCK_LEASE: return fmt::format("LEASE({})", caching_letters(mode.caching));
    }
    return "UNKNOWN";
}

std::string deny_mode_name(uint32_t share_access) {
    switch (share_access & (share_read | share_write)) {
        case 0: return "DENY_ALL";
        case share_read: return "DENY_WRITE";
        case share_write: return "DENY_READ";
        default: return "DENY_NONE";
    }
}

std::string read_write_name(uint32_t access_mask) {
    if ((access_mask & write_data) == 0) return "RDONLY";
    return (access_mask & read_data) != 0 ? "RDWR" : "WRONLY";
}

}  // namespace Atoll::smbstatus

// smbstatus's columns. Widths, headings and blank lines are what scripts have learned of Debian's.
#include <fmt/format.h>

#include <map>

#include "tools/smbstatus/names.h"
#include "tools/smbstatus/report.h"

namespace Atoll::smbstatus {

namespace {

constexpr const char* process_columns = "{:<7} {:<12} {:<12} {:<41} {:<17} {:<20} {:<21}\n";
constexpr const char* share_columns = "{:<12} {:<7} {:<13} {:<32} {:<12} {:<12}\n";
constexpr const char* file_columns = "{:<11}  {:<9}  {:<10} {:<9}   {:<9}  {:<14}   {}   {}   {}\n";
constexpr const char* lock_columns = "{:<10} {:<15} {:<4} {:<9} {:<9} {:<24}{}{:<24}\n";

std::string rule(size_t width) { return std::string(width, '-') + '\n'; }

std::string machine(const xsrv::session_global& session) {
    if (session.channels.empty()) return "-";
    const xsrv::session_channel& channel = session.channels.front();
    return fmt::format("{} ({})", channel.remote_address, host_name(channel));
}

void print_processes(const State& state, const Form& form, std::string& out) {
    out += fmt::format("\nSamba version {}\n", version_name());
    out += fmt::format(fmt::runtime(process_columns), "PID", "Username", "Group", "Machine", "Protocol Version", "Encryption", "Signing");
    out += rule(136);
    for (const xsrv::session_global& session : state.sessions) {
        out += fmt::format(fmt::runtime(process_columns), process_name(session.owner),
                           form.numeric ? fmt::format("{}", session.uid) : user_name(session.uid),
                           form.numeric ? fmt::format("{}", session.gid) : group_name(session.gid), machine(session),
                           protocol_name(session.dialect), with_degree(encryption_of(session)), with_degree(signing_of(session)));
    }
}

// Which Debian's has not.
void print_channels(const State& state, std::string& out) {
    out += fmt::format("\nChannels:\n{:<16} {:<7} {:<50} {:<32} {}\n", "Session", "PID", "From", "Connected at", "To");
    out += rule(124);
    for (const xsrv::session_global& session : state.sessions) {
        for (const xsrv::session_channel& channel : session.channels) {
            out += fmt::format("{:<16x} {:<7} {:<50} {:<32} {}:{}\n", session.session_id, process_name(channel.owner), host_name(channel),
                               local_time_with_zone(channel.connected), channel.local_address, channel.local_port);
        }
    }
}

void print_shares(const State& state, std::string& out) {
    std::map<uint64_t, const xsrv::session_global*> sessions;
    for (const xsrv::session_global& session : state.sessions) sessions[session.session_id] = &session;
    out += '\n';
    out += fmt::format(fmt::runtime(share_columns), "Service", "pid", "Machine", "Connected at", "Encryption", "Signing");
    out += rule(93);
    for (const xsrv::tcon_global& tcon : state.tcons) {
        const auto found = sessions.find(tcon.session_id);
        const xsrv::session_global* session = found == sessions.end() ? nullptr : found->second;
        const std::string from = session == nullptr || session->channels.empty() ? "-" : session->channels.front().remote_address;
        out += fmt::format(fmt::runtime(share_columns), tcon.share_name, process_name(tcon.owner), from, local_time_with_zone(tcon.created),
                           with_degree(encryption_of(tcon, session)), with_degree(signing_of(tcon, session)));
    }
    out += '\n';
}

std::string user_of(const OpenFile& file, const Form& form) {
    if (!file.open) return "-";
    return form.resolve_uids ? user_name(file.open->uid) : fmt::format("{}", file.open->uid);
}

void print_files(const State& state, const Form& form, std::string& out) {
    if (!state.files.empty()) {
        out += "\nLocked files:\nPid          User(ID)   DenyMode   Access      R/W        Oplock           SharePath   Name   Time\n";
        out += rule(98);
    }
    for (const OpenFile& file : state.files) {
        out += fmt::format(fmt::runtime(file_columns), process_name(file.mode.holder), user_of(file, form),
                           deny_mode_name(file.mode.share_access), fmt::format("{:#x}", file.mode.access_mask),
                           read_write_name(file.mode.access_mask), oplock_name(file.mode), file.share_path, file.name,
                           local_time(file.mode.opened));
    }
    out += '\n';
}

void print_byte_ranges(const State& state, std::string& out) {
    if (state.locks.empty()) return;
    out += "Byte range locks:\nPid        dev:inode       R/W  start     size      SharePath               Name\n";
    out += rule(80);
    for (const ByteRangeLock& lock : state.locks) {
        out += fmt::format(fmt::runtime(lock_columns), process_name(lock.holder),
                           fmt::format("{}:{}:{}", lock.id.volume, lock.id.inode, lock.id.generation), lock.exclusive ? "W" : "R",
                           lock.offset, lock.length, lock.share_path, ' ', lock.name);
    }
}

void print_notifies(const State& state, std::string& out) {
    for (const Watch& one : state.watches) {
        out += fmt::format("{}\\{}\\{:x}\\{:x}\n", one.path, process_name(one.watch.holder), one.watch.filter,
                           one.watch.tree ? one.watch.filter : 0);
    }
}

}  // namespace

std::string print_text(const State& state, const Form& form) {
    std::string out;
    if (form.processes) print_processes(state, form, out);
    if (form.channels) print_channels(state, out);
    if (form.shares) print_shares(state, out);
    if (form.locks && state.has_locking) print_files(state, form, out);
    if (form.byte_ranges) print_byte_ranges(state, out);
    if (form.notifies) print_notifies(state, out);
    return out;
}

}  // namespace Atoll::smbstatus

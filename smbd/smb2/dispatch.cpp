#include "smbd/smb2/dispatch.h"

#include <iterator>

#include "libcli/smb/file_io.h"
#include "libcli/smb/query.h"

#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {
namespace {

// Commands that the server does not have; what is not even such a command is told apart (MS-SMB2 3.3.5.2.6).
template <class T>
NtStatus refuse(Request& request) {
    const auto decoded = T::decode(request.message);
    return decoded.ok() ? NtStatus::NOT_SUPPORTED : decoded.error();
}

// CANCEL never comes here: it is not answered.
NtStatus unreachable(Request&) { return NtStatus::INVALID_PARAMETER; }

// A second NEGOTIATE ends the connection (MS-SMB2 3.3.5.4).
NtStatus negotiate_again(Request& request) {
    request.connection().close("a second NEGOTIATE");
    return NtStatus::INVALID_PARAMETER;
}

struct Entry {
    NtStatus (*handle)(Request&);
    bool needs_tcon;
};

// In the order of the commands' numbers, OPLOCK_BREAK the last that a client sends.
constexpr Entry table[] = {
    {negotiate_again, false},
    {handle_session_setup, false},
    {handle_logoff, false},
    {handle_tree_connect, false},
    {handle_tree_disconnect, true},
    {handle_create, true},
    {handle_close, true},
    {handle_flush, true},
    {handle_read, true},
    {handle_write, true},
    {handle_lock, true},
    {handle_ioctl, true},
    {unreachable, false},
    {handle_echo, false},
    {handle_query_directory, true},
    {handle_change_notify, true},
    {handle_query_info, true},
    {handle_set_info, true},
    {handle_oplock_break, true},
};

}  // namespace

bool is_command(smb::Command command) { return static_cast<uint16_t>(command) < std::size(table); }

bool needs_tcon(smb::Command command) { return table[static_cast<uint16_t>(command)].needs_tcon; }

NtStatus dispatch(Request& request) { return table[static_cast<uint16_t>(request.header.command)].handle(request); }

void after_response(Request& request, Bytes response, NtStatus status) {
    if (request.header.command == smb::Command::session_setup) logon_answered(request, response, status);
    if (request.end_session_after) request.connection().client().end_session(*request.session);
}

NtStatus Request::look_up_open(smb::FileId id, OpenKind kind) {
    const Chain::Related& before = chain->related;
    names_file = true;
    if (chain->is_related() && id.is_related()) {
        if (!before.has_file) return NtStatus::INVALID_HANDLE;
        if (before.create_status != NtStatus::SUCCESS) return before.create_status;
        open = before.open;
    } else {
        open = connection().client().opens().find(id.persistent_id, id.volatile_id);
    }
    if (!open || !open->is_open() || !(open->session == session) || !(open->tcon == tcon)) {
        open = nullptr;
        return NtStatus::FILE_CLOSED;
    }
    if (header.command != smb::Command::close) open->replay_eligible = false;
    if (open->pipe && kind == OpenKind::file) return NtStatus::INVALID_DEVICE_REQUEST;
    if (open->quota_index && kind != OpenKind::any) return NtStatus::INVALID_DEVICE_REQUEST;
    return check_channel_sequence(*this);
}

}  // namespace Atoll::smb2

#include "smbd/smb2/dispatch.h"

#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {
namespace {

// Commands that the server does not have: LOCK, CHANGE_NOTIFY, OPLOCK_BREAK.
NtStatus refuse(Request&) { return NtStatus::NOT_SUPPORTED; }

// A second NEGOTIATE ends the connection (MS-SMB2 3.3.5.4).
NtStatus negotiate_again(Request& request) {
    request.connection().close("a second NEGOTIATE");
    return NtStatus::INVALID_PARAMETER;
}

struct Entry {
    NtStatus (*handle)(Request&);
    bool needs_tcon;
};

constexpr Entry table[smb::command_count] = {
    {negotiate_again, false},        {handle_session_setup, false}, {handle_logoff, false}, {handle_tree_connect, false},
    {handle_tree_disconnect, true},  {handle_create, true},         {handle_close, true},   {handle_flush, true},
    {handle_read, true},             {handle_write, true},          {refuse, true},         {handle_ioctl, true},
    {refuse, false} /* cancel */,    {handle_echo, false},          {handle_query_directory, true},
    {refuse, true} /* notify */,     {handle_query_info, true},     {handle_set_info, true},
    {refuse, true} /* oplock */,     {refuse, false},
};

}  // namespace

bool is_command(smb::Command command) { return static_cast<uint16_t>(command) < smb::command_count; }

bool needs_tcon(smb::Command command) { return table[static_cast<uint16_t>(command)].needs_tcon; }

NtStatus dispatch(Request& request) { return table[static_cast<uint16_t>(request.header.command)].handle(request); }

void after_response(Request& request, Bytes response, NtStatus status) {
    if (request.header.command == smb::Command::session_setup) logon_answered(request, response, status);
    if (request.end_session_after) request.connection().client().end_session(*request.session);
}

NtStatus Request::look_up_open(smb::FileId id) {
    const Chain::Related& before = chain->related;
    names_file = true;
    if (chain->is_related() && id.is_related()) {
        if (!before.has_file) return NtStatus::INVALID_HANDLE;
        if (before.create_status != NtStatus::SUCCESS) return before.create_status;
        open = before.open;
    } else {
        open = connection().client().opens().find(id.persistent_id, id.volatile_id);
    }
    if (!open || open->file == nullptr || !(open->session == session) || !(open->tcon == tcon)) {
        open = nullptr;
        return NtStatus::FILE_CLOSED;
    }
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2

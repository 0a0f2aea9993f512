// CHANGE_NOTIFY (MS-SMB2 3.3.5.19).
#include "smbd/smb2/change_notify.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/utf.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/query.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

// UTF-16LE, with the wire's separator.
void wire_name(std::string_view name, Buffer& out) {
    out.clear();
    ATOLL_ASSERT(append_utf16le(out, name));
    for (size_t i = 0; i + 1 < out.size(); i += 2) {
        if (out.data()[i] == '/' && out.data()[i + 1] == 0) out.data()[i] = '\\';
    }
}

NtStatus check_request(Request& request, const smb::ChangeNotifyRequest& notify) {
    if (notify.output_buffer_length > request.connection().channel().max_transact) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = check_credit_charge(request, notify.output_buffer_length); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = request.look_up_open(notify.file_id); status != NtStatus::SUCCESS) return status;
    const fsa::Open& file = *request.open->file;
    if (!file.is_directory()) return NtStatus::INVALID_PARAMETER;
    if ((file.granted_access() & fsa::access::list_directory) == 0) return NtStatus::ACCESS_DENIED;
    // `change notify = no`: as an object store that does not notify, with Debian's smbd's status.
    if (!request.connection().client().configuration().global().change_notify) return NtStatus::NOT_IMPLEMENTED;
    if (request.connection().pending_requests() > limits::max_async_requests) return NtStatus::INSUFFICIENT_RESOURCES;
    return NtStatus::SUCCESS;
}

}  // namespace

NtStatus handle_change_notify(Request& request) {
    const auto notify = smb::ChangeNotifyRequest::decode(request.message);
    if (!notify.ok()) return notify.error();
    if (const NtStatus status = check_request(request, *notify); status != NtStatus::SUCCESS) return status;
    ChangeNotify& wait = request.change_notify;
    wait.room = notify->output_buffer_length;
    wait.tree = (notify->flags & smb::change_notify_flags::watch_tree) != 0;
    wait.filter = notify->completion_filter;
    return wait.start(*request.open->file);
}

NtStatus ChangeNotify::start(fsa::Open& file) {
    fsa::NotifyEvents events;
    const NtStatus status = file.wait_for_changes(*this, events);
    if (status != NtStatus::PENDING) return answer(status, events);
    file_ = &file;
    request_.answer_unbegun = true;
    request_.abandon = [](Request& request) { request.change_notify.abandon(); };
    // The client may rely on its interim response: what changes from then on is notified of, whoever changes it.
    request_.interim_at_once = file.sees_local_changes();
    request_.interim_held = !request_.interim_at_once;
    return NtStatus::PENDING;
}

NtStatus ChangeNotify::answer(NtStatus status, const fsa::NotifyEvents& events) {
    if (status != NtStatus::SUCCESS && status != NtStatus::NOTIFY_ENUM_DIR) return status;
    ByteWriter& out = request_.out();
    smb::OutputBufferResponse::begin(out);
    smb::EntryListWriter list(out, std::max<size_t>(room, events.wire_size()), smb::NotifyEntry::alignment);
    Buffer& name = request_.connection().scratch();
    for (size_t i = 0; i < events.size(); i++) {
        wire_name(events[i].name, name);
        ATOLL_ASSERT(smb::add_notify(list, {static_cast<smb::NotifyAction>(events[i].action), name}));
    }
    smb::OutputBufferResponse::finish(out);
    request_.keep_body = true;
    return status;
}

void ChangeNotify::changed(NtStatus status, const fsa::NotifyEvents& events) {
    file_ = nullptr;
    request_.complete(answer(status, events));
}

void ChangeNotify::watching() {
    request_.interim_held = false;
    request_.chain->send_interim();
}

void ChangeNotify::abandon() {
    std::exchange(file_, nullptr)->forget_changes(*this);
    request_.complete(NtStatus::CANCELLED);
}

}  // namespace Atoll::smb2

#include "smbd/smb2/app_instance.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/utf.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/limits.h"
#include "smbd/xsrv/message_types.h"

namespace Atoll::smb2 {
namespace {

constexpr uint16_t dialect_with_versions = 0x0311;

// The same application's opens as another client, on this share.
std::vector<xsrv::open_global> find_earlier(Request& request, const Guid& app_instance_id) {
    std::vector<xsrv::open_global> found;
    const xsrv::Tcon& tcon = *request.tcon;
    const Guid& client_guid = request.connection().channel().client_guid;
    const auto visited = request.connection().client().tables().for_each_open([&](const xsrv::open_global& record) {
        if (!record.instance || record.instance->id != app_instance_id || record.client_guid == client_guid) return;
        if (record.share_path == tcon.share_path && equal_ignoring_case(record.share_name, tcon.share_name)) found.push_back(record);
    });
    if (!visited) log_error("{}", visited.error().message());
    return found;
}

// Leaves those of the file at `path`, and tells whether the user may read it. An open that only looks at attributes is in nobody's way.
bool keep_those_of_file(Request& request, std::string_view path, std::vector<xsrv::open_global>& opens) {
    fsa::FileSystem& files = request.connection().client().file_system();
    fsa::CreateParams params;
    params.path = path;
    params.desired_access = fsa::access::read_attributes;
    params.share_access = fsa::sharing::all;
    params.disposition = static_cast<uint32_t>(fsa::Disposition::open);
    params.want_maximal_access = true;
    params.open_id = request.open->persistent_id;
    const auto looked = files.create(*request.tcon->share, params);
    if (!looked) return false;
    const fsa::FileId id = looked->open->file_id();
    const std::string name = looked->open->path();
    (void)files.close(*looked->open).ok();  // nothing is lost with it
    std::erase_if(opens, [&](const xsrv::open_global& one) { return file_of(one) != id || one.name != name; });
    constexpr uint32_t generic_read =
        fsa::access::read_data | fsa::access::read_ea | fsa::access::read_attributes | fsa::access::read_control | fsa::access::synchronize;
    return (looked->maximal_access & request.tcon->maximal_access & generic_read) == generic_read;
}

bool is_outdated(const Request& request, const smb::CreateContexts& contexts, const xsrv::app_instance& earlier) {
    if (!earlier.has_version) return false;
    if (!contexts.app_instance_version) return true;
    if (request.connection().channel().dialect != dialect_with_versions) return false;
    const smb::AppInstanceVersion& asked = *contexts.app_instance_version;
    if (earlier.version_high != asked.high) return earlier.version_high > asked.high;
    return earlier.version_low >= asked.low;
}

// PENDING: another process has been asked to.
NtStatus close_earlier(Request& request, const xsrv::open_global& record) {
    Client& client = request.connection().client();
    const messaging::ServerId owner(record.owner);
    if (fsa::is_disconnected(record.owner) || !client.messaging().exists(owner)) {
        client.file_system().end_disconnected(file_of(record), record.persistent_id);
        return NtStatus::SUCCESS;
    }
    const Monotonic now = monotonic_now();
    if (request.instance_deadline == Monotonic{}) request.instance_deadline = now + limits::app_instance_timeout;
    if (now >= request.instance_deadline) {
        log_warning("{}: an application's earlier open is not closed", record.name);
        return NtStatus::SUCCESS;
    }
    const auto waits =
        client.file_system().wait_for_end(file_of(record), record.persistent_id, request.instance_deadline, request.caching_wait);
    if (!waits) return waits.error();
    if (!*waits) return NtStatus::SUCCESS;
    std::array<uint8_t, 8> payload;
    store_le(payload.data(), record.persistent_id);
    if (const auto told = client.messaging().send(owner, xsrv::message_close_open, payload); !told) log_info("{}", told.error().message());
    return NtStatus::PENDING;
}

}  // namespace

NtStatus close_earlier_instances(Request& request, const smb::CreateContexts& contexts, std::string_view path) {
    if (!contexts.app_instance_id || !request.connection().is_smb3()) return NtStatus::SUCCESS;
    if (contexts.timewarp && contexts.timewarp->ticks != 0) return NtStatus::SUCCESS;  // snapshots are in nobody's way
    std::vector<xsrv::open_global> earlier = find_earlier(request, *contexts.app_instance_id);
    if (earlier.empty()) return NtStatus::SUCCESS;
    const bool may_read = keep_those_of_file(request, path, earlier);
    const bool outdated =
        std::ranges::any_of(earlier, [&](const xsrv::open_global& record) { return is_outdated(request, contexts, *record.instance); });
    if (!may_read) return NtStatus::SUCCESS;
    if (outdated) return NtStatus::FILE_FORCED_CLOSED;
    for (const xsrv::open_global& record : earlier) {
        if (const NtStatus status = close_earlier(request, record); status != NtStatus::SUCCESS) return status;
    }
    return NtStatus::SUCCESS;
}

void note_app_instance(Request& request, const smb::CreateContexts& contexts) {
    request.open->instance.reset();
    if (!contexts.app_instance_id || !request.connection().is_smb3() || request.open->file->file_id().stream != 0) return;
    xsrv::app_instance& instance = request.open->instance.emplace();
    instance.id = *contexts.app_instance_id;
    if (!contexts.app_instance_version || request.connection().channel().dialect != dialect_with_versions) return;
    instance.has_version = true;
    instance.version_high = contexts.app_instance_version->high;
    instance.version_low = contexts.app_instance_version->low;
}

}  // namespace Atoll::smb2

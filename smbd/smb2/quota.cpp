#include "smbd/smb2/quota.h"

#include "base/loop/identity.h"
#include "base/utf.h"
#include "libcli/smb/create.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_fs.h"
#include "libcli/smb/query.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/enter_open.h"
#include "smbd/smb2/info_classes.h"
#include "smbd/smb2/info_output.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {
namespace {

namespace access = smb::access_mask;

constexpr uint32_t all_rights = access::file_generic_read | access::file_generic_write;

// 0: what is wanted nobody has.
uint32_t granted_access(uint32_t desired, bool read_only) {
    constexpr uint32_t changing =
        access::file_write_data | access::file_append_data | access::file_write_ea | access::file_write_attributes;
    const uint32_t possible = read_only ? all_rights & ~changing : all_rights;
    uint32_t granted =
        desired & ~(access::generic_read | access::generic_write | access::generic_execute | access::generic_all | access::maximum_allowed);
    if ((desired & access::generic_read) != 0) granted |= access::file_generic_read;
    if ((desired & access::generic_write) != 0) granted |= access::file_generic_write;
    if ((desired & (access::generic_all | access::maximum_allowed)) != 0) granted |= possible;
    return (granted & ~possible) == 0 ? granted : 0;
}

smb::FileTimesAndSizes times_and_sizes() {
    smb::FileTimesAndSizes out;
    // What Debian's smbd says of it too; to NTFS it is a directory as well, being an index.
    out.file_attributes =
        smb::file_attribute::hidden | smb::file_attribute::system | smb::file_attribute::directory | smb::file_attribute::archive;
    return out;
}

// It is always there, and nobody deletes it.
NtStatus check_request(const smb::CreateRequest& create) {
    switch (create.disposition) {
        case smb::CreateDisposition::open:
        case smb::CreateDisposition::open_if: break;
        case smb::CreateDisposition::create: return NtStatus::OBJECT_NAME_COLLISION;
        case smb::CreateDisposition::overwrite:
        case smb::CreateDisposition::overwrite_if:
        case smb::CreateDisposition::supersede: return NtStatus::ACCESS_DENIED;
        default: return NtStatus::INVALID_PARAMETER;
    }
    return (create.options & fsa::option::delete_on_close) != 0 ? NtStatus::CANNOT_DELETE : NtStatus::SUCCESS;
}

std::optional<Sid> sid_of(Bytes bytes) {
    ByteReader in(bytes);
    const Sid sid = Sid::decode(in);
    if (!in.ok() || !in.rest().empty()) return std::nullopt;
    return sid;
}

bool append(smb::EntryListWriter& list, const fsa::QuotaEntry& entry) {
    Buffer sid;
    ByteWriter writer(sid);
    entry.sid.encode(writer);
    return smb::add_quota(list, {NtTime(), entry.used, entry.threshold, entry.limit, sid});
}

// MS-SMB2 3.3.5.20.4: those that are named, each of them, found or not.
NtStatus query_named(fsa::QuotaIndex& quotas, smb::EntryListWriter& out, Bytes sids, bool single) {
    if (sids.size() % 4 != 0) return NtStatus::INVALID_PARAMETER;  // MS-FSA 2.1.5.21
    smb::EntryListReader list(sids);
    while (const auto bytes = smb::next_get_quota(list)) {
        const auto sid = sid_of(*bytes);
        if (!sid) return NtStatus::INVALID_PARAMETER;
        const auto entry = quotas.of(*sid);
        if (!entry.ok()) return entry.error();
        if (!append(out, *entry)) return out.count() == 0 ? NtStatus::BUFFER_TOO_SMALL : NtStatus::SUCCESS;
        if (single) break;
    }
    if (list.malformed()) return NtStatus::INVALID_PARAMETER;
    return out.count() == 0 ? NtStatus::NO_MORE_ENTRIES : NtStatus::SUCCESS;
}

// The same: as many as fit, from `position` on, which then is behind the last one.
NtStatus query_list(fsa::QuotaIndex& quotas, smb::EntryListWriter& out, uint64_t& position, bool single) {
    while (true) {
        uint64_t next = position;
        const auto entry = quotas.next(next);
        if (!entry.ok()) return entry.error() == NtStatus::NO_MORE_ENTRIES && out.count() > 0 ? NtStatus::SUCCESS : entry.error();
        if (!append(out, *entry)) return out.count() == 0 ? NtStatus::BUFFER_TOO_SMALL : NtStatus::SUCCESS;
        position = next;
        if (single) return NtStatus::SUCCESS;
    }
}

NtStatus check_quota_index(Request& request) {
    if (!request.tcon->share->quotas().kept()) return NtStatus::NOT_SUPPORTED;
    return request.open->quota_index ? NtStatus::SUCCESS : NtStatus::INVALID_PARAMETER;
}

bool may_write(const Request& request) {
    return request.open->quota_index && (request.open->quota_index->granted_access & access::file_write_data) != 0;
}

NtStatus status_of(const Result<void, NtStatus>& result) { return result.ok() ? NtStatus::SUCCESS : result.error(); }

}  // namespace

bool is_quota_index(std::string_view path) {
    return equal_ignoring_case(path, "$Extend\\$Quota:$Q:$INDEX_ALLOCATION") ||
           equal_ignoring_case(path, "$Extend\\$Quota:$O:$INDEX_ALLOCATION");
}

NtStatus create_quota_index(Request& request, const smb::CreateRequest& create) {
    if (const NtStatus status = check_request(create); status != NtStatus::SUCCESS) return status;
    if (loop::current_identity().uid != 0) return NtStatus::ACCESS_DENIED;
    const uint32_t granted = granted_access(create.desired_access, request.tcon->share->read_only());
    if (granted == 0) return NtStatus::ACCESS_DENIED;
    Client& client = request.connection().client();
    request.open = client.opens().add();
    if (!request.open) return NtStatus::TOO_MANY_OPENED_FILES;
    xsrv::Open& open = *request.open;
    open.session = request.session;
    open.tcon = request.tcon;
    open.channel_sequence = request.connection().is_smb3() ? request.header.channel_sequence() : uint16_t{0};
    open.quota_index = xsrv::QuotaIndexOpen{granted, 0};
    if (const NtStatus status = enter_open(client, open); status != NtStatus::SUCCESS) {
        client.opens().remove(open);
        request.open = nullptr;
        return status;
    }
    request.tcon->open_count++;
    smb::CreateResponse response;
    response.action = smb::CreateAction::opened;
    response.info = times_and_sizes();
    response.file_id = {open.persistent_id, open.volatile_id};
    response.encode(request.out(), smb::CreateResponseContexts());
    return NtStatus::SUCCESS;
}

NtStatus query_quota(Request& request, const smb::QueryInfoRequest& info) {
    if (const NtStatus status = check_quota_index(request); status != NtStatus::SUCCESS) return status;
    if ((request.open->quota_index->granted_access & access::file_read_data) == 0) return NtStatus::ACCESS_DENIED;
    const auto query = smb::QueryQuotaInfo::decode(info.input);
    if (!query.ok()) return query.error();
    fsa::QuotaIndex& quotas = request.tcon->share->quotas();
    smb::EntryListWriter out(request.out(), info.output_buffer_length);
    if (!query->sid_list.empty()) return query_named(quotas, out, query->sid_list, query->return_single);
    uint64_t& position = request.open->quota_index->position;
    if (!query->start_sid.empty()) {
        const auto sid = sid_of(query->start_sid);
        if (!sid) return NtStatus::INVALID_PARAMETER;
        const auto after = quotas.position_after(*sid);
        if (!after.ok()) return after.error();
        position = *after;
    } else if (query->restart_scan) {
        position = 0;
    }
    return query_list(quotas, out, position, query->return_single);
}

NtStatus set_quota(Request& request, Bytes buffer) {
    if (const NtStatus status = check_quota_index(request); status != NtStatus::SUCCESS) return status;
    if (!may_write(request)) return NtStatus::ACCESS_DENIED;
    smb::EntryListReader list(buffer);
    while (const auto entry = smb::next_quota(list)) {
        const auto sid = sid_of(entry->sid);
        if (!sid) return NtStatus::INVALID_PARAMETER;
        const auto set = request.tcon->share->quotas().set({*sid, 0, entry->threshold, entry->limit});
        if (!set.ok()) return set.error();
    }
    return list.malformed() ? NtStatus::INVALID_PARAMETER : NtStatus::SUCCESS;
}

// Of a volume without quotas zero flags and no limits are told.
NtStatus query_quota_control(Request& request, size_t limit) {
    const auto control = request.tcon->share->quotas().control();
    if (!control.ok() && control.error() != NtStatus::NOT_SUPPORTED) return control.error();
    const fsa::QuotaControl value = control.ok() ? *control : fsa::QuotaControl();
    smb::FsControlInformation out;
    out.default_quota_threshold = value.threshold;
    out.default_quota_limit = value.limit;
    out.flags = value.flags;
    return append_fixed(request, limit, out);
}

// MS-FSA 2.1.5.16.6
NtStatus set_quota_control(Request& request, Bytes buffer) {
    const auto info = smb::FsControlInformation::decode(buffer);
    if (!info.ok()) return info.error();
    fsa::QuotaIndex& quotas = request.tcon->share->quotas();
    if (!quotas.kept()) return NtStatus::VOLUME_NOT_UPGRADED;
    if (!may_write(request)) return NtStatus::ACCESS_DENIED;
    return status_of(quotas.set_control({info->default_quota_threshold, info->default_quota_limit, info->flags}));
}

NtStatus query_quota_index(Request& request, const smb::QueryInfoRequest& info) {
    switch (info.info_type) {
        case smb::InfoType::quota: return query_quota(request, info);
        case smb::InfoType::filesystem:
            return query_filesystem_info(request, static_cast<smb::FsInformationClass>(info.info_class), info.output_buffer_length);
        case smb::InfoType::file: return NtStatus::INVALID_DEVICE_REQUEST;
        case smb::InfoType::security: return NtStatus::NOT_SUPPORTED;
    }
    return NtStatus::INVALID_PARAMETER;
}

NtStatus set_quota_index(Request& request, const smb::SetInfoRequest& info) {
    switch (info.info_type) {
        case smb::InfoType::quota: return set_quota(request, info.buffer);
        case smb::InfoType::filesystem:
            if (static_cast<smb::FsInformationClass>(info.info_class) != smb::FsInformationClass::control) return NtStatus::NOT_SUPPORTED;
            return set_quota_control(request, info.buffer);
        case smb::InfoType::file: return NtStatus::INVALID_DEVICE_REQUEST;
        case smb::InfoType::security: return NtStatus::NOT_SUPPORTED;
    }
    return NtStatus::INVALID_PARAMETER;
}

}  // namespace Atoll::smb2

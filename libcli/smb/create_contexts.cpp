#include "libcli/smb/create_contexts.h"

#include <algorithm>
#include <string_view>

namespace Atoll::smb {

namespace {

constexpr size_t context_header_size = 16;
constexpr size_t lease_v1_size = 32;
constexpr size_t lease_v2_size = 52;
constexpr size_t svhdx_v1_size = 168;
constexpr size_t svhdx_v2_size = 192;
constexpr size_t svhdx_host_name_size = 126;

// MS-SMB2 2.2.13.2: the names, as bytes on the wire.
constexpr std::string_view ext_a = "ExtA", sec_d = "SecD", dhn_q = "DHnQ", dhn_c = "DHnC", dh2_q = "DH2Q", dh2_c = "DH2C", al_si = "AlSi",
                           mx_ac = "MxAc", t_wrp = "TWrp", q_fid = "QFid", rq_ls = "RqLs";
constexpr std::string_view app_instance_id_name("\x45\xBC\xA6\x6A\xEF\xA7\xF7\x4A\x90\x08\xFA\x46\x2E\x14\x4D\x74", 16);
constexpr std::string_view app_instance_version_name("\xB9\x82\xD0\xB7\x3B\x56\x07\x4F\xA0\x7B\x52\x4A\x81\x16\xA0\x10", 16);
constexpr std::string_view svhdx_name("\x9C\xCB\xCF\x9E\x04\xC1\xE6\x43\x98\x0E\x15\x8D\xA1\xF6\xEC\x83", 16);

Guid read_guid(ByteReader& in) {
    Guid guid;
    in.copy(guid.bytes);
    return guid;
}

// Every parse_ function answers whether the data has the size and form of its context.
bool parse_lease(Bytes data, LeaseContext& lease) {
    if (data.size() != lease_v1_size && data.size() != lease_v2_size) return false;
    ByteReader in(data);
    lease.version = data.size() == lease_v2_size ? 2 : 1;
    lease.key = read_guid(in);
    lease.state = in.u32();
    lease.flags = in.u32();
    in.skip(8);  // LeaseDuration
    if (lease.version == 2) {
        lease.parent_key = read_guid(in);
        lease.epoch = in.u16();
    }
    return in.ok();
}

void write_lease(ByteWriter& out, const LeaseContext& lease) {
    out.bytes(lease.key.bytes);
    out.u32(lease.state);
    out.u32(lease.flags);
    out.u64(0);
    if (lease.version < 2) return;
    out.bytes(lease.parent_key.bytes);
    out.u16(lease.epoch);
    out.u16(0);
}

bool parse_svhdx(Bytes data, SvhdxOpenDevice& device) {
    if (data.size() != svhdx_v1_size && data.size() != svhdx_v2_size) return false;
    ByteReader in(data);
    device.version = in.u32();
    device.has_initiator_id = in.u8() != 0;
    in.skip(3);
    device.initiator_id = read_guid(in);
    device.flags = in.u32();
    device.originator_flags = in.u32();
    device.open_request_id = in.u64();
    const uint16_t name_length = in.u16();
    Bytes name = in.bytes(svhdx_host_name_size);
    if (device.version != (data.size() == svhdx_v2_size ? 2u : 1u) || name_length > svhdx_host_name_size) return false;
    device.initiator_host_name = name.first(name_length);
    if (device.version == 2) {
        device.virtual_disk_properties_initialized = in.u32();
        device.server_service_version = in.u32();
        device.virtual_sector_size = in.u32();
        device.physical_sector_size = in.u32();
        device.virtual_size = in.u64();
    }
    return in.ok();
}

void write_svhdx(ByteWriter& out, const SvhdxOpenDevice& device) {
    ATOLL_ASSERT(device.initiator_host_name.size() <= svhdx_host_name_size);
    out.u32(device.version);
    out.u8(device.has_initiator_id ? 1 : 0);
    out.zeros(3);
    out.bytes(device.initiator_id.bytes);
    out.u32(device.flags);
    out.u32(device.originator_flags);
    out.u64(device.open_request_id);
    out.u16(static_cast<uint16_t>(device.initiator_host_name.size()));
    out.bytes(device.initiator_host_name);
    out.zeros(svhdx_host_name_size - device.initiator_host_name.size());
    if (device.version < 2) return;
    out.u32(device.virtual_disk_properties_initialized);
    out.u32(device.server_service_version);
    out.u32(device.virtual_sector_size);
    out.u32(device.physical_sector_size);
    out.u64(device.virtual_size);
}

template <class T, class F>
bool once(std::optional<T>& place, F parse) {
    if (place) return false;
    place.emplace();
    return parse(*place);
}

bool once(bool& place, bool valid) {
    if (place) return false;
    place = true;
    return valid;
}

bool parse_time(Bytes data, NtTime& time) {
    if (data.size() != 8) return false;
    time.ticks = load_le<uint64_t>(data.data());
    return true;
}

bool parse_durable_reconnect_v2(Bytes data, DurableReconnectV2& d) {
    if (data.size() != 36) return false;
    ByteReader in(data);
    d.file_id = FileId::decode(in);
    d.create_guid = read_guid(in);
    d.flags = in.u32();
    return true;
}

bool parse_durable_request_v2(Bytes data, DurableRequestV2& d) {
    if (data.size() != 32) return false;
    ByteReader in(data);
    d.timeout_ms = in.u32();
    d.flags = in.u32();
    in.skip(8);
    d.create_guid = read_guid(in);
    return true;
}

bool parse_app_instance_id(Bytes data, Guid& id) {
    ByteReader in(data);
    if (data.size() != 20 || in.u16() != 20) return false;
    in.skip(2);
    id = read_guid(in);
    return true;
}

bool parse_app_instance_version(Bytes data, AppInstanceVersion& v) {
    ByteReader in(data);
    if (data.size() != 24 || in.u16() != 24) return false;
    in.skip(6);
    v.high = in.u64();
    v.low = in.u64();
    return true;
}

bool parse_maximal_access_request(Bytes data, CreateContexts& c) {
    if (!once(c.query_maximal_access, data.empty() || data.size() == 8)) return false;
    if (!data.empty()) c.maximal_access_timestamp = NtTime{load_le<uint64_t>(data.data())};
    return true;
}

bool parse_request_context(CreateContexts& c, std::string_view name, Bytes data) {
    if (name == ext_a)
        return once(c.extended_attributes, [&](Bytes& d) {
            d = data;
            return true;
        });
    if (name == sec_d)
        return once(c.security_descriptor, [&](Bytes& d) {
            d = data;
            return true;
        });
    if (name == dhn_q) return once(c.durable_request, data.size() == 16);
    if (name == dhn_c) {
        return once(c.durable_reconnect, [&](FileId& id) {
            ByteReader in(data);
            id = FileId::decode(in);
            return data.size() == 16;
        });
    }
    if (name == dh2_q) return once(c.durable_request_v2, [&](DurableRequestV2& d) { return parse_durable_request_v2(data, d); });
    if (name == dh2_c) return once(c.durable_reconnect_v2, [&](DurableReconnectV2& d) { return parse_durable_reconnect_v2(data, d); });
    if (name == al_si) {
        return once(c.allocation_size, [&](uint64_t& size) {
            if (data.size() != 8) return false;
            size = load_le<uint64_t>(data.data());
            return true;
        });
    }
    if (name == mx_ac) return parse_maximal_access_request(data, c);
    if (name == t_wrp) return once(c.timewarp, [&](NtTime& t) { return parse_time(data, t); });
    if (name == q_fid) return once(c.query_on_disk_id, data.empty());
    if (name == rq_ls) return once(c.lease, [&](LeaseContext& l) { return parse_lease(data, l); });
    if (name == app_instance_id_name) return once(c.app_instance_id, [&](Guid& g) { return parse_app_instance_id(data, g); });
    if (name == app_instance_version_name) {
        return once(c.app_instance_version, [&](AppInstanceVersion& v) { return parse_app_instance_version(data, v); });
    }
    if (name == svhdx_name) return once(c.svhdx, [&](SvhdxOpenDevice& d) { return parse_svhdx(data, d); });
    return true;
}

// Links contexts into a list and lets the caller write each one's data in place.
class ListBuilder {
 public:
    explicit ListBuilder(ByteWriter& out) : out_(out) {}
    template <class F>
    void add(std::string_view name, F data) {
        out_.align(8);
        const size_t start = out_.position();
        if (last_ != none) out_.patch_u32(last_, static_cast<uint32_t>(start - last_));
        last_ = start;
        out_.u32(0);
        out_.u16(context_header_size);
        out_.u16(static_cast<uint16_t>(name.size()));
        out_.u16(0);
        out_.u16(0);  // DataOffset
        out_.u32(0);  // DataLength
        out_.bytes(as_bytes(name));
        // MS-SMB2 2.2.13.2: the data starts at a multiple of 8 from the context's start, which itself is one.
        out_.align(8);
        const size_t data_start = out_.position();
        data();
        const size_t length = out_.position() - data_start;
        if (length == 0) return;
        out_.patch_u16(start + 10, static_cast<uint16_t>(data_start - start));
        out_.patch_u32(start + 12, static_cast<uint32_t>(length));
    }

 private:
    ByteWriter& out_;
    static constexpr size_t none = ~size_t{0};
    size_t last_ = none;  // where the last one began
};

}  // namespace

std::optional<CreateContextReader::Context> CreateContextReader::next() {
    if (rest_.empty() || malformed_) return std::nullopt;
    ByteReader in(rest_);
    const uint32_t next = in.u32();
    const uint16_t name_offset = in.u16();
    const uint16_t name_length = in.u16();
    in.skip(2);
    const uint16_t data_offset = in.u16();
    const uint32_t data_length = in.u32();
    const size_t size = next == 0 ? rest_.size() : next;
    malformed_ = !in.ok() || next % 8 != 0 || size > rest_.size() || size < context_header_size || name_length < 4 ||
                 ++count_ > limits::max_create_contexts;
    if (malformed_) return std::nullopt;
    ByteReader context(rest_.first(size));
    Context result{context.at(name_offset, name_length), data_length == 0 ? Bytes{} : context.at(data_offset, data_length)};
    malformed_ = !context.ok() || name_offset < context_header_size || (data_length != 0 && data_offset < context_header_size);
    if (malformed_) return std::nullopt;
    rest_ = next == 0 ? Bytes{} : rest_.subspan(next);
    // A chain that says there is more where the list ends.
    if (next != 0 && rest_.empty()) malformed_ = true;
    return result;
}

void CreateContextWriter::add(Bytes name, Bytes data) {
    out_.align(8);
    const size_t start = out_.position();
    if (last_ != none) out_.patch_u32(last_, static_cast<uint32_t>(start - last_));
    last_ = start;
    out_.u32(0);
    out_.u16(context_header_size);
    out_.u16(static_cast<uint16_t>(name.size()));
    out_.u16(0);
    const size_t data_offset = (context_header_size + name.size() + 7) & ~size_t{7};
    out_.u16(static_cast<uint16_t>(data.empty() ? 0 : data_offset));
    out_.u32(static_cast<uint32_t>(data.size()));
    out_.bytes(name);
    if (data.empty()) return;
    out_.zeros(data_offset - context_header_size - name.size());
    out_.bytes(data);
}

Result<CreateContexts, NtStatus> CreateContexts::decode(Bytes list) {
    CreateContexts c;
    CreateContextReader reader(list);
    while (auto context = reader.next()) {
        if (!parse_request_context(c, as_text(context->name), context->data)) return NtStatus::INVALID_PARAMETER;
    }
    if (reader.malformed()) return NtStatus::INVALID_PARAMETER;
    return c;
}

bool CreateContexts::empty() const {
    return !extended_attributes && !security_descriptor && !durable_request && !durable_reconnect && !durable_request_v2 &&
           !durable_reconnect_v2 && !allocation_size && !query_maximal_access && !timewarp && !query_on_disk_id && !lease &&
           !app_instance_id && !app_instance_version && !svhdx;
}

void CreateContexts::encode(ByteWriter& out) const {
    ListBuilder list(out);
    if (extended_attributes) list.add(ext_a, [&] { out.bytes(*extended_attributes); });
    if (security_descriptor) list.add(sec_d, [&] { out.bytes(*security_descriptor); });
    if (durable_request) list.add(dhn_q, [&] { out.zeros(16); });
    if (durable_reconnect) list.add(dhn_c, [&] { durable_reconnect->encode(out); });
    if (durable_request_v2) {
        list.add(dh2_q, [&] {
            out.u32(durable_request_v2->timeout_ms);
            out.u32(durable_request_v2->flags);
            out.u64(0);
            out.bytes(durable_request_v2->create_guid.bytes);
        });
    }
    if (durable_reconnect_v2) {
        list.add(dh2_c, [&] {
            durable_reconnect_v2->file_id.encode(out);
            out.bytes(durable_reconnect_v2->create_guid.bytes);
            out.u32(durable_reconnect_v2->flags);
        });
    }
    if (allocation_size) list.add(al_si, [&] { out.u64(*allocation_size); });
    if (query_maximal_access) {
        list.add(mx_ac, [&] {
            if (maximal_access_timestamp) out.u64(maximal_access_timestamp->ticks);
        });
    }
    if (timewarp) list.add(t_wrp, [&] { out.u64(timewarp->ticks); });
    if (query_on_disk_id) list.add(q_fid, [] {});
    if (lease) list.add(rq_ls, [&] { write_lease(out, *lease); });
    if (app_instance_id) {
        list.add(app_instance_id_name, [&] {
            out.u16(20);
            out.u16(0);
            out.bytes(app_instance_id->bytes);
        });
    }
    if (app_instance_version) {
        list.add(app_instance_version_name, [&] {
            out.u16(24);
            out.zeros(6);
            out.u64(app_instance_version->high);
            out.u64(app_instance_version->low);
        });
    }
    if (svhdx) list.add(svhdx_name, [&] { write_svhdx(out, *svhdx); });
}

namespace {

bool parse_response_context(CreateResponseContexts& c, std::string_view name, Bytes data) {
    ByteReader in(data);
    if (name == dhn_q) return once(c.durable, data.size() == 8);
    if (name == dh2_q) {
        return once(c.durable_v2, [&](DurableResponseV2& d) {
            d.timeout_ms = in.u32();
            d.flags = in.u32();
            return in.ok();
        });
    }
    if (name == mx_ac) {
        return once(c.maximal_access, [&](MaximalAccess& m) {
            m.query_status = nt_status(in.u32());
            m.maximal_access = in.u32();
            return in.ok();
        });
    }
    if (name == q_fid) {
        return once(c.on_disk_id, [&](OnDiskId& id) {
            id.disk_file_id = in.u64();
            id.volume_id = in.u64();
            return data.size() == 32;
        });
    }
    if (name == rq_ls) return once(c.lease, [&](LeaseContext& l) { return parse_lease(data, l); });
    if (name == svhdx_name) return once(c.svhdx, [&](SvhdxOpenDevice& d) { return parse_svhdx(data, d); });
    return true;
}

}  // namespace

Result<CreateResponseContexts, NtStatus> CreateResponseContexts::decode(Bytes list) {
    CreateResponseContexts c;
    CreateContextReader reader(list);
    while (auto context = reader.next()) {
        if (!parse_response_context(c, as_text(context->name), context->data)) return NtStatus::INVALID_NETWORK_RESPONSE;
    }
    if (reader.malformed()) return NtStatus::INVALID_NETWORK_RESPONSE;
    return c;
}

bool CreateResponseContexts::empty() const { return !durable && !durable_v2 && !maximal_access && !on_disk_id && !lease && !svhdx; }

void CreateResponseContexts::encode(ByteWriter& out) const {
    ListBuilder list(out);
    if (lease) list.add(rq_ls, [&] { write_lease(out, *lease); });
    if (durable) list.add(dhn_q, [&] { out.u64(0); });
    if (durable_v2) {
        list.add(dh2_q, [&] {
            out.u32(durable_v2->timeout_ms);
            out.u32(durable_v2->flags);
        });
    }
    if (maximal_access) {
        list.add(mx_ac, [&] {
            out.u32(to_u32(maximal_access->query_status));
            out.u32(maximal_access->maximal_access);
        });
    }
    if (on_disk_id) {
        list.add(q_fid, [&] {
            out.u64(on_disk_id->disk_file_id);
            out.u64(on_disk_id->volume_id);
            out.zeros(16);
        });
    }
    if (svhdx) list.add(svhdx_name, [&] { write_svhdx(out, *svhdx); });
}

}  // namespace Atoll::smb

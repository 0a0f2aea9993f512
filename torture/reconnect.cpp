#include "torture/reconnect.h"

#include "torture/control.h"

namespace Atoll::torture {

bool cut_off(Test& t, Client& c) {
    const uint64_t id = c.session->id();
    c.connection->close();
    client::LogOnOptions log_on;
    log_on.previous_session_id = id;
    return t.client(log_on) != nullptr;
}

client::OpenOptions durable(const Guid& create_guid, uint32_t timeout_ms) {
    client::OpenOptions o;
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    o.disposition = smb::CreateDisposition::open_if;
    o.oplock = smb::OplockLevel::batch;
    smb::DurableRequestV2 request;
    request.timeout_ms = timeout_ms;
    request.create_guid = create_guid;
    o.contexts.durable_request_v2 = request;
    return o;
}

client::OpenOptions durable_leased(const Guid& create_guid, const Guid& lease_key, uint32_t state, uint32_t timeout_ms) {
    client::OpenOptions o = durable(create_guid, timeout_ms);
    o.oplock = smb::OplockLevel::lease;
    smb::LeaseContext lease;
    lease.version = 2;
    lease.key = lease_key;
    lease.state = state;
    o.contexts.lease = lease;
    return o;
}

client::OpenOptions taking_back(client::OpenOptions how, const smb::FileId& id) {
    smb::CreateContexts contexts;
    contexts.lease = how.contexts.lease;
    if (how.contexts.durable_request_v2) {
        contexts.durable_reconnect_v2 = smb::DurableReconnectV2{id, how.contexts.durable_request_v2->create_guid, 0};
    } else {
        contexts.durable_reconnect = id;
    }
    how.contexts = std::move(contexts);
    return how;
}

NtStatus request_resiliency(client::File& file, uint32_t timeout_ms) {
    Buffer input;
    ByteWriter out(input);
    smb::ResiliencyRequest{timeout_ms}.encode(out);
    return control(file, smb::ControlCode::lmr_request_resiliency, input, 0).status;
}

std::optional<std::string> content(client::File& file) {
    Buffer bytes;
    const NtStatus status = file.read(0, 1000, bytes);
    if (is_error(status) && status != NtStatus::END_OF_FILE) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

NtStatus write_text(client::File& file, std::string_view text) {
    const auto written = file.write(0, {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    if (!written) return written.error();
    return *written == text.size() ? NtStatus::SUCCESS : NtStatus::UNEXPECTED_IO_ERROR;
}

}  // namespace Atoll::torture

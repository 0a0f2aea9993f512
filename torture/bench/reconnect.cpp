// A durable handle whose client is cut off and comes back, again and again.
#include <chrono>

#include "base/utf.h"
#include "libcli/smb/create.h"
#include "torture/bench/workloads.h"

namespace Atoll::bench {

namespace {

Result<smb::FileId> create(Connection& connection, const std::string& path, const smb::CreateContexts& contexts) {
    Buffer name;
    if (!append_utf16le(name, path)) return fail(Code::invalid, "smbbench", "the path is not UTF-8");
    smb::CreateRequest request;
    request.oplock_level = smb::OplockLevel::batch;
    request.desired_access = read_write_access;
    request.share_access = smb::file_share::all;
    request.disposition = smb::CreateDisposition::open;
    request.name = name;
    connection.begin_frame();
    request.encode(connection.begin_message(smb::Command::create), contexts);
    connection.end_message();
    connection.end_frame();
    smb::Header header;
    const auto message = connection.call(header);
    if (!message) return message.failure();
    const auto response = smb::CreateResponse::decode(*message);
    if (header.status != NtStatus::SUCCESS || !response) return unexpected(header);
    if (response->oplock_level != smb::OplockLevel::batch) return fail(Code::unsupported, "smbbench", "the oplock is not granted");
    return response->file_id;
}

}  // namespace

Result<Outcome> run_reconnect(const Target& target, const std::string& path, size_t operations, Counters& counters) {
    Target again = target;
    again.client_guid = Guid::random();
    auto connection = Connection::open(again);
    if (!connection) return connection.failure();
    smb::CreateContexts durable, reconnect;
    durable.durable_request_v2 = smb::DurableRequestV2{60'000, 0, Guid::random()};
    auto file = create(**connection, path, durable);
    if (!file) return file.failure();
    const auto begin = std::chrono::steady_clock::now();
    for (size_t i = 0; i < operations; i++) {
        again.previous_session_id = (*connection)->session_id();
        connection->reset();
        connection = Connection::open(again);
        if (!connection) return connection.failure();
        reconnect.durable_reconnect_v2 = smb::DurableReconnectV2{*file, durable.durable_request_v2->create_guid, 0};
        file = create(**connection, path, reconnect);
        if (!file) return file.failure();
        counters.add((*connection)->counters());
    }
    Outcome outcome;
    outcome.measurement = {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), operations};
    if (auto r = close_file(**connection, *file); !r) return r.failure();
    if (auto r = (*connection)->leave(); !r) return r.failure();
    return outcome;
}

}  // namespace Atoll::bench

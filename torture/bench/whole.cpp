// Workloads that are not one small operation many times: a listing, connections, and the choice by name.
#include <chrono>
#include <cstdio>
#include <vector>

#include "base/utf.h"
#include "libcli/smb/create.h"
#include "libcli/smb/fscc.h"
#include "libcli/smb/query.h"
#include "torture/bench/workloads.h"

namespace Atoll::bench {

namespace {

constexpr uint32_t listing_buffer = 64 * 1024;  // what Windows and smbclient ask for at once

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Entries of a FileIdBothDirectoryInformation list (MS-FSCC 2.4.18), without "." and "..".
Result<uint64_t> count_entries(Bytes list) {
    constexpr size_t name_at = 104, name_length_at = 60;
    uint64_t count = 0;
    for (;;) {
        if (list.size() < name_at) return fail(Code::corrupt, "smbbench", "a directory entry is cut off");
        const size_t next = load_le<uint32_t>(list.data());
        const size_t length = load_le<uint32_t>(list.data() + name_length_at);
        if (length > list.size() - name_at) return fail(Code::corrupt, "smbbench", "a name is cut off");
        const Bytes name = list.subspan(name_at, length);
        const bool dots = (length == 2 || length == 4) && name[0] == '.' && name[length - 2] == '.';
        if (!dots) count++;
        if (next == 0) return count;
        if (next > list.size()) return fail(Code::corrupt, "smbbench", "a directory entry's offset is wrong");
        list = list.subspan(next);
    }
}

Result<Bytes> query_directory(Connection& connection, const smb::FileId& directory, smb::Header& header) {
    const uint8_t star[] = {'*', 0};
    smb::QueryDirectoryRequest request;
    request.information_class = smb::FileInformationClass::id_both_directory;
    request.file_id = directory;
    request.pattern = star;
    request.output_buffer_length = listing_buffer;
    connection.begin_frame();
    request.encode(connection.begin_message(smb::Command::query_directory));
    connection.end_message();
    connection.end_frame();
    return connection.call(header);
}

}  // namespace

Result<Outcome> run_list(Connection& connection, const WorkloadParams& params) {
    Outcome outcome;
    const auto begin = Clock::now();
    for (size_t i = 0; i < params.operations; i++) {
        const auto directory = open_file(connection, params.directory, read_access, smb::create_options::directory_file, 1);
        if (!directory) return directory.failure();
        for (;;) {
            smb::Header header;
            const auto message = query_directory(connection, *directory, header);
            if (!message) return message.failure();
            if (header.status == NtStatus::NO_MORE_FILES) break;
            const auto response = smb::OutputBufferResponse::decode(*message);
            if (header.status != NtStatus::SUCCESS || !response) return unexpected(header);
            const auto entries = count_entries(response->output);
            if (!entries) return entries.failure();
            outcome.entries += *entries;
        }
        if (auto r = close_file(connection, *directory); !r) return r.failure();
    }
    outcome.measurement = {since(begin), params.operations};
    return outcome;
}

Result<Outcome> run_connect(const Target& target, size_t operations, Counters& counters) {
    Outcome outcome;
    const auto begin = Clock::now();
    for (size_t i = 0; i < operations; i++) {
        const auto connection = Connection::open(target);
        if (!connection) return connection.failure();
        if (auto r = (*connection)->leave(); !r) return r.failure();
        counters.add((*connection)->counters());
    }
    outcome.measurement = {since(begin), operations};
    return outcome;
}

Result<void> hold_connections(const Target& target, size_t count) {
    std::vector<std::unique_ptr<Connection>> held;
    for (size_t i = 0; i < count; i++) {
        auto connection = Connection::open(target);
        if (!connection) return connection.failure();
        held.push_back(std::move(*connection));
    }
    std::printf("held %zu\n", held.size());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return {};
}

Result<Outcome> run_workload(Connection& connection, const std::string& name, const WorkloadParams& params) {
    if (name == "list") return run_list(connection, params);
    std::unique_ptr<Workload> workload;
    smb::FileId file;
    Outcome outcome;
    const bool transfer = name.starts_with("read-") || name.starts_with("write-");
    const bool locks = name == "lock" || name == "lock-unlock";
    if (locks) {
        const auto opened = open_file(connection, params.directory + "\\data", read_write_access, 0, 1);
        if (!opened) return opened.failure();
        file = *opened;
        workload = make_locks(name == "lock-unlock", file);
    } else if (transfer) {
        const bool write = name.starts_with("write-");
        const auto opened = open_file(connection, params.directory + "\\data", write ? read_write_access : read_access, 0, 1);
        if (!opened) return opened.failure();
        file = *opened;
        workload = make_transfer(connection, params, write, name.ends_with("-random"), file);
        outcome.bytes = params.operations * params.block;
    } else if (name == "open-close") {
        workload = make_open_close(params);
    } else if (name == "open-close-root") {
        workload = make_open_close_root();
    } else if (name == "open-exclude") {
        workload = make_open_exclude(params, outcome.granted);
    } else if (name == "open-close-oplock") {
        workload = make_open_close_oplock(params, Lasting::no);
    } else if (name == "open-close-durable") {
        workload = make_open_close_oplock(params, Lasting::durable);
    } else if (name == "open-close-persistent") {
        workload = make_open_close_oplock(params, Lasting::persistent);
    } else if (name == "create") {
        workload = make_create(params);
    } else if (name == "delete") {
        workload = make_delete(params);
    } else if (name == "stat") {
        workload = make_stat(params);
    } else if (name == "missing") {
        workload = make_missing(params);
    } else {
        return fail(Code::invalid, "smbbench", "no such workload: " + name);
    }
    Engine engine(connection, *workload, params.depth);
    const auto measured = engine.run(params.operations, params.time);
    if (!measured) return measured.failure();
    outcome.measurement = *measured;
    if (transfer || locks) {
        if (auto r = close_file(connection, file); !r) return r.failure();
    }
    return outcome;
}

}  // namespace Atoll::bench

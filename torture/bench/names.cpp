// Workloads on names: open and close, create, delete, stat. Every slot of them goes CREATE, then CLOSE, or all of it in one compound.
#include <fmt/format.h>

#include "base/utf.h"
#include "libcli/smb/create.h"
#include "libcli/smb/fscc.h"
#include "libcli/smb/query.h"
#include "torture/bench/workloads.h"

namespace Atoll::bench {

namespace {

struct Opening {
    uint32_t access = read_access;
    uint32_t options = 0;
    smb::CreateDisposition disposition = smb::CreateDisposition::open;
    smb::OplockLevel oplock = smb::OplockLevel::none;
    Lasting lasting = Lasting::no;
    uint32_t share = smb::file_share::all;
};

void queue_create(Connection& connection, std::string_view path, const Opening& opening, Buffer& name) {
    name.clear();
    append_utf16le(name, path);
    smb::CreateRequest request;
    request.desired_access = opening.access;
    request.file_attributes = 0x80;  // NORMAL
    request.share_access = opening.share;
    request.disposition = opening.disposition;
    request.options = opening.options;
    request.name = name;
    request.oplock_level = opening.oplock;
    smb::CreateContexts contexts;
    const uint32_t flags = opening.lasting == Lasting::persistent ? smb::durable_flags::persistent : 0;
    if (opening.lasting != Lasting::no) contexts.durable_request_v2 = smb::DurableRequestV2{60'000, flags, Guid::random()};
    request.encode(connection.begin_message(smb::Command::create), contexts);
    connection.end_message();
}

void queue_close(Connection& connection, const smb::FileId& file, bool related = false) {
    smb::CloseRequest request;
    request.file_id = file;
    request.encode(connection.begin_message(smb::Command::close, 1, related));
    connection.end_message();
}

// CREATE, wait, CLOSE, wait; of so many names that begin alike, or of the one name that it is given.
class CreateClose : public Workload {
 public:
    CreateClose(const WorkloadParams& params, const char* prefix, size_t names, Opening opening)
        : prefix_(params.directory + "\\" + prefix), names_(names), opening_(opening) {}
    CreateClose(std::string path, Opening opening) : prefix_(std::move(path)), names_(0), opening_(opening) {}

    void start(Connection& connection, Slot& slot) override {
        path_ = prefix_;
        if (names_ != 0) fmt::format_to(std::back_inserter(path_), "{}", slot.index % names_);
        connection.begin_frame();
        queue_create(connection, path_, opening_, name_);
        connection.end_frame();
    }

    Result<Next> respond(Connection& connection, Slot& slot, const smb::Header& header, Bytes message) override {
        if (header.status != NtStatus::SUCCESS) return unexpected(header);
        if (slot.step++ == 1) return Next::done;
        const auto response = smb::CreateResponse::decode(message);
        if (!response) return unexpected(header);
        if (response->oplock_level != opening_.oplock) return fail(Code::unsupported, "smbbench", "the oplock is not granted");
        if (!outlives_as_asked(connection, response->contexts))
            return fail(Code::unsupported, "smbbench", "the handle does not last as it should");
        connection.begin_frame();
        queue_close(connection, response->file_id);
        connection.end_frame();
        return Next::wait;
    }

 private:
    [[nodiscard]] bool outlives_as_asked(const Connection& connection, Bytes answered) const {
        const auto contexts = smb::CreateResponseContexts::decode(answered);
        if (!contexts || contexts->durable_v2.has_value() != (opening_.lasting != Lasting::no)) return false;
        const bool persistent = contexts->durable_v2 && (contexts->durable_v2->flags & smb::durable_flags::persistent) != 0;
        return persistent == (opening_.lasting == Lasting::persistent && connection.continuously_available());
    }

    std::string prefix_;
    size_t names_;
    Opening opening_;
    std::string path_;
    Buffer name_;
};

// As CREATE, wait, CLOSE, wait; but for each CREATE that is refused since another open excludes it.
class OpenExclude final : public CreateClose {
 public:
    OpenExclude(const WorkloadParams& params, uint64_t& granted)
        : CreateClose(params.directory + "\\f0",
                      {.access = read_write_access, .options = smb::create_options::non_directory_file, .share = 0}),
          granted_(granted) {}

    Result<Next> respond(Connection& connection, Slot& slot, const smb::Header& header, Bytes message) override {
        if (slot.step == 0 && header.status == NtStatus::SHARING_VIOLATION) return Next::done;
        auto next = CreateClose::respond(connection, slot, header, message);
        if (next && *next == Next::done) granted_++;
        return next;
    }

 private:
    uint64_t& granted_;
};

// CREATE of a name that is not there.
class Missing : public Workload {
 public:
    explicit Missing(const WorkloadParams& params) : prefix_(params.directory + "\\missing") {}

    void start(Connection& connection, Slot& slot) override {
        path_.clear();
        fmt::format_to(std::back_inserter(path_), "{}{}", prefix_, slot.index);
        connection.begin_frame();
        queue_create(connection, path_, {}, name_);
        connection.end_frame();
    }

    Result<Next> respond(Connection&, Slot&, const smb::Header& header, Bytes) override {
        if (header.status != NtStatus::OBJECT_NAME_NOT_FOUND) return unexpected(header);
        return Next::done;
    }

 private:
    std::string prefix_;
    std::string path_;
    Buffer name_;
};

// CREATE, QUERY_INFO (FileNetworkOpenInformation) and CLOSE in one related compound: how clients ask for a file's attributes by name.
class Stat : public Workload {
 public:
    explicit Stat(const WorkloadParams& params) : prefix_(params.directory + "\\f"), names_(params.files) {}

    void start(Connection& connection, Slot& slot) override {
        path_.clear();
        fmt::format_to(std::back_inserter(path_), "{}{}", prefix_, slot.index % names_);
        connection.begin_frame();
        queue_create(connection, path_, {smb::access_mask::file_read_attributes, 0, smb::CreateDisposition::open}, name_);
        smb::QueryInfoRequest query;
        query.info_type = smb::InfoType::file;
        query.info_class = static_cast<uint8_t>(smb::FileInformationClass::network_open);
        query.output_buffer_length = information_size;
        query.file_id = smb::FileId::related();
        query.encode(connection.begin_message(smb::Command::query_info, 1, true));
        connection.end_message();
        queue_close(connection, smb::FileId::related(), true);
        connection.end_frame();
    }

    Result<Next> respond(Connection&, Slot& slot, const smb::Header& header, Bytes message) override {
        if (header.status != NtStatus::SUCCESS) return unexpected(header);
        if (header.command == smb::Command::query_info) {
            const auto response = smb::OutputBufferResponse::decode(message);
            if (!response || response->output.size() != information_size) return unexpected(header);
        }
        return ++slot.step == 3 ? Next::done : Next::wait;
    }

    [[nodiscard]] size_t credits() const override { return 3; }

 private:
    static constexpr uint32_t information_size = 56;  // MS-FSCC 2.4.34
    std::string prefix_;
    size_t names_;
    std::string path_;
    Buffer name_;
};

}  // namespace

Failure<Error> unexpected(const smb::Header& header) {
    return fail(Code::io, "smbbench", fmt::format("{}: {}", smb::to_string(header.command), to_string(header.status)));
}

Result<smb::FileId> open_file(Connection& connection, const std::string& path, uint32_t access, uint32_t options, uint32_t disposition) {
    Buffer name;
    connection.begin_frame();
    queue_create(connection, path, {access, options, static_cast<smb::CreateDisposition>(disposition)}, name);
    connection.end_frame();
    smb::Header header;
    const auto message = connection.call(header);
    if (!message) return message.failure();
    if (header.status != NtStatus::SUCCESS) return unexpected(header);
    const auto response = smb::CreateResponse::decode(*message);
    if (!response) return unexpected(header);
    return response->file_id;
}

Result<void> close_file(Connection& connection, const smb::FileId& file) {
    connection.begin_frame();
    queue_close(connection, file);
    connection.end_frame();
    smb::Header header;
    if (const auto message = connection.call(header); !message) return message.failure();
    if (header.status != NtStatus::SUCCESS) return unexpected(header);
    return {};
}

std::unique_ptr<Workload> make_open_close(const WorkloadParams& params) {
    return std::make_unique<CreateClose>(params, "f", params.files, Opening{});
}

std::unique_ptr<Workload> make_open_close_root() {
    return std::make_unique<CreateClose>("", Opening{.options = smb::create_options::directory_file});
}

std::unique_ptr<Workload> make_open_exclude(const WorkloadParams& params, uint64_t& granted) {
    return std::make_unique<OpenExclude>(params, granted);
}

std::unique_ptr<Workload> make_open_close_oplock(const WorkloadParams& params, Lasting lasting) {
    Opening opening;
    opening.access = read_write_access;
    opening.oplock = smb::OplockLevel::batch;
    opening.lasting = lasting;
    return std::make_unique<CreateClose>(params, "f", params.files, opening);
}

std::unique_ptr<Workload> make_create(const WorkloadParams& params) {
    return std::make_unique<CreateClose>(
        params, "n", params.operations,
        Opening{read_write_access, smb::create_options::non_directory_file, smb::CreateDisposition::create});
}

std::unique_ptr<Workload> make_delete(const WorkloadParams& params) {
    const uint32_t access = smb::access_mask::delete_access | smb::access_mask::file_read_attributes;
    const uint32_t options = smb::create_options::delete_on_close | smb::create_options::non_directory_file;
    return std::make_unique<CreateClose>(params, "n", params.operations, Opening{access, options, smb::CreateDisposition::open});
}

std::unique_ptr<Workload> make_missing(const WorkloadParams& params) { return std::make_unique<Missing>(params); }

std::unique_ptr<Workload> make_stat(const WorkloadParams& params) { return std::make_unique<Stat>(params); }

}  // namespace Atoll::bench

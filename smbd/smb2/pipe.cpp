#include "smbd/smb2/pipe.h"

#include "base/utf.h"
#include "libcli/smb/create.h"
#include "libcli/smb/file_io.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/ioctl.h"
#include "libcli/smb/query.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/enter_open.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {
namespace {

namespace access = smb::access_mask;

constexpr uint32_t pipe_allocation = 4096;  // bytes: what a pipe says of its size, which it has not

constexpr uint32_t all_rights = access::file_generic_read | access::file_generic_write;  // of everybody who gets as far as IPC$

// MS-DTYP 2.4.3; 0: what is wanted nobody has.
uint32_t granted_access(uint32_t desired) {
    uint32_t granted =
        desired & ~(access::generic_read | access::generic_write | access::generic_execute | access::generic_all | access::maximum_allowed);
    if ((desired & access::generic_read) != 0) granted |= access::file_generic_read;
    if ((desired & access::generic_write) != 0) granted |= access::file_generic_write;
    if ((desired & access::generic_execute) != 0) granted |= access::file_generic_execute & ~access::file_execute;
    if ((desired & (access::generic_all | access::maximum_allowed)) != 0) granted |= all_rights;
    return (granted & ~all_rights & ~access::file_execute) == 0 ? granted : 0;
}

smb::FileTimesAndSizes times_and_sizes() {
    smb::FileTimesAndSizes out;
    out.allocation_size = pipe_allocation;
    out.file_attributes = smb::file_attribute::normal;
    return out;
}

smb::FileId id_of(const xsrv::Open& open) { return {open.persistent_id, open.volatile_id}; }

// "\srvsvc" is "srvsvc" (MS-FSA 2.1.5.1 knows no root here).
bool pipe_name(Bytes name, std::string& out) {
    if (!utf16le_to_utf8(name, out)) return false;
    if (out.starts_with('\\')) out.erase(0, 1);
    return true;
}

template <class T>
NtStatus append(Request& request, size_t limit, const T& info) {
    if (limit < T::size) return NtStatus::INFO_LENGTH_MISMATCH;
    info.encode(request.out());
    return NtStatus::SUCCESS;
}

smb::FilePipeLocalInformation local_information(const xsrv::Pipe& pipe) {
    smb::FilePipeLocalInformation out;
    out.named_pipe_type = smb::FilePipeInformation::message_mode;
    out.named_pipe_configuration = 2;  // FILE_PIPE_FULL_DUPLEX
    out.maximum_instances = UINT32_MAX;
    out.current_instances = 1;
    out.inbound_quota = pipe_allocation;
    out.read_data_available = static_cast<uint32_t>(pipe.readable_bytes());
    out.outbound_quota = pipe_allocation;
    out.write_quota_available = pipe_allocation;
    out.named_pipe_state = pipe.ended() ? 4 : 3;  // FILE_PIPE_CLOSING_STATE, FILE_PIPE_CONNECTED_STATE
    return out;
}

NtStatus transceive_possible(const xsrv::Pipe& pipe) {
    if (!pipe.message_mode) return NtStatus::INVALID_PIPE_STATE;
    return pipe.readable_messages() > 0 ? NtStatus::PIPE_BUSY : NtStatus::SUCCESS;
}

// MS-SMB2 3.3.5.15.4
NtStatus peek_pipe(Request& request, const smb::IoctlRequest& ioctl) {
    using smb::PipePeekResponse;
    const xsrv::Pipe& pipe = *request.open->pipe;
    const size_t room = ioctl.max_output_response;
    if (room > 0 && room < PipePeekResponse::fixed_size) return NtStatus::INVALID_PARAMETER;
    if (pipe.ended() && pipe.readable_messages() == 0) return NtStatus::PIPE_BROKEN;
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, id_of(*request.open));
    bool more = pipe.readable_bytes() > 0;
    if (room > 0) {
        PipePeekResponse response;
        response.state = pipe.ended() ? 4 : 3;
        response.read_data_available = static_cast<uint32_t>(pipe.readable_bytes());
        response.number_of_messages = static_cast<uint32_t>(pipe.readable_messages());
        response.message_length = static_cast<uint32_t>(pipe.first_message());
        response.encode(request.out());
        const size_t wanted = std::min(room - PipePeekResponse::fixed_size, pipe.readable_bytes());
        Buffer& out = request.out().buffer();
        const auto got = pipe.peek(out.extend(wanted));
        out.resize(out.size() - (wanted - got.bytes));
        more = got.more;
    }
    smb::IoctlResponse::finish(request.out());
    request.keep_body = true;
    return more ? NtStatus::BUFFER_OVERFLOW : NtStatus::SUCCESS;
}

}  // namespace

NtStatus create_pipe(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts) {
    Client& client = request.connection().client();
    std::string& name = client.path_scratch();
    if (!pipe_name(create.name, name)) return NtStatus::OBJECT_NAME_INVALID;
    if (!client.services().has(name)) return NtStatus::OBJECT_NAME_NOT_FOUND;
    const uint32_t granted = granted_access(create.desired_access);
    if (granted == 0) return NtStatus::ACCESS_DENIED;
    request.open = client.opens().add();
    if (!request.open) return NtStatus::TOO_MANY_OPENED_FILES;
    xsrv::Open& open = *request.open;
    open.session = request.session;
    open.tcon = request.tcon;
    open.channel_sequence = request.connection().is_smb3() ? request.header.channel_sequence() : uint16_t{0};
    open.pipe_access = granted;
    const ChannelState& channel = request.connection().channel();
    open.pipe = client.services().open(name, {request.session, {channel.peer_address, channel.local_address, channel.dialect}});
    if (const NtStatus status = enter_open(client, open); status != NtStatus::SUCCESS) {
        open.pipe->close();
        client.opens().remove(open);
        request.open = nullptr;
        return status;
    }
    request.tcon->open_count++;

    smb::CreateResponse response;
    response.info = times_and_sizes();
    response.file_id = id_of(open);
    smb::CreateResponseContexts answers;
    if (contexts.query_maximal_access) answers.maximal_access = smb::MaximalAccess{NtStatus::SUCCESS, all_rights};
    response.encode(request.out(), answers);
    return NtStatus::SUCCESS;
}

NtStatus read_pipe(Request& request, const smb::ReadRequest& read) {
    if (request.connection().channel().dialect >= 0x0302 && (read.flags & smb::read_flags::unbuffered) != 0)
        return NtStatus::INVALID_PARAMETER;
    if ((request.open->pipe_access & access::file_read_data) == 0) return NtStatus::ACCESS_DENIED;
    return request.pipe_read.start(false, read.length, read.minimum_count);
}

NtStatus write_pipe(Request& request, const smb::WriteRequest& write) {
    constexpr uint32_t unfit = smb::write_flags::write_through | smb::write_flags::write_unbuffered;
    if (request.connection().is_smb3() && (write.flags & unfit) != 0) return NtStatus::INVALID_PARAMETER;
    if ((request.open->pipe_access & access::file_write_data) == 0) return NtStatus::ACCESS_DENIED;
    const NtStatus status = request.open->pipe->write(write.data);
    if (status == NtStatus::SUCCESS) smb::WriteResponse{static_cast<uint32_t>(write.data.size())}.encode(request.out());
    return status;
}

NtStatus pipe_ioctl(Request& request, const smb::IoctlRequest& ioctl) {
    switch (ioctl.ctl_code) {
        case smb::ControlCode::pipe_peek: return peek_pipe(request, ioctl);
        case smb::ControlCode::pipe_transceive: break;
        default: return NtStatus::INVALID_DEVICE_REQUEST;
    }
    constexpr uint32_t both = access::file_read_data | access::file_write_data;
    if ((request.open->pipe_access & both) != both) return NtStatus::ACCESS_DENIED;
    xsrv::Pipe& pipe = *request.open->pipe;
    if (const NtStatus status = transceive_possible(pipe); status != NtStatus::SUCCESS) return status;
    if (const NtStatus status = pipe.write(ioctl.input); status != NtStatus::SUCCESS) return status;
    return request.pipe_read.start(true, ioctl.max_output_response, 0);
}

// A pipe has as many instances as are asked for, so there is never one to wait for.
NtStatus wait_for_pipe(Request& request, const smb::IoctlRequest& ioctl) {
    Client& client = request.connection().client();
    const auto wait = smb::PipeWaitRequest::decode(ioctl.input);
    std::string& name = client.path_scratch();
    if (!request.tcon->is_ipc || !wait.ok() || !pipe_name(wait->name, name) || !client.services().has(name))
        return NtStatus::OBJECT_NAME_NOT_FOUND;
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, smb::FileId::related());
    smb::IoctlResponse::finish(request.out());
    return NtStatus::SUCCESS;
}

NtStatus query_pipe_info(Request& request, const smb::QueryInfoRequest& info) {
    using Class = smb::FileInformationClass;
    const xsrv::Pipe& pipe = *request.open->pipe;
    const size_t limit = info.output_buffer_length;
    if (info.info_type != smb::InfoType::file)
        return info.info_type > smb::InfoType::quota ? NtStatus::INVALID_PARAMETER : NtStatus::NOT_SUPPORTED;
    switch (static_cast<Class>(info.info_class)) {
        case Class::pipe:
            return append(request, limit,
                          smb::FilePipeInformation{pipe.message_mode ? smb::FilePipeInformation::message_mode : 0,
                                                   pipe.blocking ? 0 : smb::FilePipeInformation::complete_operation});
        case Class::pipe_local: return append(request, limit, local_information(pipe));
        case Class::pipe_remote: return append(request, limit, smb::FilePipeRemoteInformation{});
        case Class::basic: {
            smb::FileBasicInformation basic;
            basic.file_attributes = smb::file_attribute::normal;
            return append(request, limit, basic);
        }
        case Class::standard: {
            // It goes when it is closed, which is what "delete pending" says of it.
            return append(request, limit, smb::FileStandardInformation{pipe_allocation, pipe.readable_bytes(), 1, true, false});
        }
        case Class::internal: return append(request, limit, smb::FileInternalInformation{request.open->persistent_id});
        case Class::ea: return append(request, limit, smb::FileEaInformation{0});
        case Class::access: return append(request, limit, smb::FileAccessInformation{request.open->pipe_access});
        case Class::position: return append(request, limit, smb::FilePositionInformation{0});
        case Class::mode: return append(request, limit, smb::FileModeInformation{0});
        case Class::alignment: return append(request, limit, smb::FileAlignmentInformation{0});
        case Class::network_open: return append(request, limit, smb::FileNetworkOpenInformation{times_and_sizes()});
        case Class::attribute_tag: return append(request, limit, smb::FileAttributeTagInformation{smb::file_attribute::normal, 0});
        default: return NtStatus::INVALID_PARAMETER;
    }
}

// MS-FSCC 2.4.37
NtStatus set_pipe_info(Request& request, const smb::SetInfoRequest& info) {
    if (info.info_type != smb::InfoType::file)
        return info.info_type > smb::InfoType::quota ? NtStatus::INVALID_PARAMETER : NtStatus::NOT_SUPPORTED;
    if (static_cast<smb::FileInformationClass>(info.info_class) != smb::FileInformationClass::pipe) return NtStatus::INVALID_PARAMETER;
    const auto mode = smb::FilePipeInformation::decode(info.buffer);
    if (!mode.ok()) return mode.error();
    xsrv::Pipe& pipe = *request.open->pipe;
    if (mode->read_mode > smb::FilePipeInformation::message_mode || mode->completion_mode > smb::FilePipeInformation::complete_operation)
        return NtStatus::INVALID_PARAMETER;
    const bool message_mode = mode->read_mode == smb::FilePipeInformation::message_mode;
    if (message_mode && !pipe.message_mode) return NtStatus::INVALID_PARAMETER;
    pipe.message_mode = message_mode;
    pipe.blocking = mode->completion_mode == smb::FilePipeInformation::queue_operation;
    smb::SetInfoResponse{}.encode(request.out());
    return NtStatus::SUCCESS;
}

NtStatus PipeRead::start(bool transceive, size_t length, size_t minimum) {
    transceive_ = transceive;
    length_ = length;
    minimum_ = minimum;
    pipe_ = request_.open->pipe;
    const NtStatus status = attempt();
    if (status == NtStatus::PIPE_EMPTY && pipe_->blocking) return wait();
    pipe_ = nullptr;
    return status;
}

NtStatus PipeRead::wait() {
    if (!pipe_->wait(*this)) return NtStatus::INSUFFICIENT_RESOURCES;
    request_.abandon = [](Request& request) { request.pipe_read.abandon(); };
    request_.interim_at_once = true;
    return NtStatus::PENDING;
}

// Reads into the response. PIPE_EMPTY and PIPE_BROKEN leave it without a body.
NtStatus PipeRead::attempt() {
    if (pipe_->readable_messages() == 0) return pipe_->ended() ? NtStatus::PIPE_BROKEN : NtStatus::PIPE_EMPTY;
    ByteWriter& writer = request_.out();
    if (transceive_) {
        smb::IoctlResponse::begin(writer, smb::ControlCode::pipe_transceive, id_of(*request_.open));
    } else {
        smb::ReadResponse::encode_fixed(writer, 0);
    }
    Buffer& out = writer.buffer();
    const size_t room = std::min(length_, pipe_->readable_bytes());
    const auto got = pipe_->read(out.extend(room));
    ATOLL_ASSERT(got.ok());
    out.resize(out.size() - (room - got->bytes));
    if (transceive_) {
        smb::IoctlResponse::finish(writer);
    } else {
        if (got->bytes < minimum_ && !got->more) return NtStatus::END_OF_FILE;
        constexpr size_t length_offset = smb::header_size + 4;  // DataLength (MS-SMB2 2.2.20)
        writer.patch_u32(length_offset, static_cast<uint32_t>(got->bytes));
    }
    request_.keep_body = true;
    return got->more ? NtStatus::BUFFER_OVERFLOW : NtStatus::SUCCESS;
}

void PipeRead::pipe_readable() {
    const NtStatus status = attempt();
    if (status == NtStatus::PIPE_EMPTY && pipe_->wait(*this)) return;
    pipe_ = nullptr;
    request_.complete(status);
}

void PipeRead::abandon() {
    const auto pipe = std::exchange(pipe_, nullptr);
    pipe->forget(*this);
    request_.complete(NtStatus::CANCELLED);
}

}  // namespace Atoll::smb2

// atoll.pipe: named pipes on IPC$.
#include "base/utf.h"
#include "libcli/client/file.h"
#include "libcli/smb/ioctl.h"
#include "torture/rpc_client.h"

namespace Atoll::torture {
namespace {

using client::Pipe;
using smb::FileInformationClass;

Buffer bind_request(uint32_t call_id = 1) {
    Buffer out;
    rpc::BindPdu bind;
    bind.max_xmit_fragment = bind.max_receive_fragment = 4280;
    bind.contexts = {{0, srvsvc_syntax(), {rpc::ndr_syntax}}};
    rpc::PduHeader header;
    header.type = rpc::PduType::bind;
    header.call_id = call_id;
    bind.encode(out, header);
    return out;
}

// A call whose answer is small: NetprNameValidate.
Buffer call_request(uint32_t call_id) {
    srvsvc::NetprNameValidate::In in;
    in.Name = "share";
    in.NameType = 9;
    Buffer stub, out;
    encode(in, stub);
    rpc::RequestPdu request;
    request.opnum = srvsvc::NetprNameValidate::opnum;
    request.stub = stub;
    rpc::PduHeader header;
    header.call_id = call_id;
    request.encode(out, header);
    return out;
}

Result<Pipe, NtStatus> bound_pipe(Ipc& ipc) {
    auto pipe = Pipe::open(ipc.tree, "srvsvc");
    if (!pipe) return pipe;
    Buffer answer;
    if (const NtStatus status = pipe->transceive(bind_request(), 4280, answer); status != NtStatus::SUCCESS) return status;
    return pipe;
}

NtStatus open_status(Ipc& ipc, std::string_view name) {
    auto pipe = Pipe::open(ipc.tree, name);
    return pipe ? pipe->close() : pipe.error();
}

void names(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    CHECK_STATUS(t, open_status(*ipc, "srvsvc"), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*ipc, "SrvSvc"), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*ipc, "wkssvc"), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*ipc, "no such pipe"), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, open_status(*ipc, "srvsvc2"), NtStatus::OBJECT_NAME_NOT_FOUND);
    // MS-SMB2 3.3.5.9: names are verified in an implementation-specific manner, and no component of a path is empty.
    CHECK_STATUS_ONE_OF(t, open_status(*ipc, "\\srvsvc"), NtStatus::INVALID_PARAMETER, NtStatus::OBJECT_NAME_NOT_FOUND);
}

void messages(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    CHECK_STATUS(t, pipe->write(call_request(2)), NtStatus::SUCCESS);
    CHECK_STATUS(t, pipe->write(call_request(3)), NtStatus::SUCCESS);
    for (uint32_t call_id : {2U, 3U}) {
        Buffer got;
        CHECK_STATUS(t, pipe->read(4280, got), NtStatus::SUCCESS);
        const auto pdu = rpc::Pdu::decode(got);
        CHECK(t, pdu && pdu->header.call_id == call_id, "no answer to call {} in {} bytes", call_id, got.size());
    }
    CHECK_STATUS(t, pipe->close(), NtStatus::SUCCESS);
}

void overflow(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    Buffer got;
    CHECK_STATUS(t, pipe->transceive(call_request(2), 10, got), NtStatus::BUFFER_OVERFLOW);
    CHECK(t, got.size() == 10, "{} bytes", got.size());
    CHECK_STATUS(t, pipe->read(7, got), NtStatus::BUFFER_OVERFLOW);
    CHECK_STATUS(t, pipe->read(4280, got), NtStatus::SUCCESS);
    CHECK(t, rpc::Pdu::decode(got).has_value(), "the parts, {} bytes, are no whole", got.size());
}

void transceive_with_unread(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    CHECK_STATUS(t, pipe->write(call_request(2)), NtStatus::SUCCESS);
    Buffer got;
    CHECK_STATUS(t, pipe->transceive(call_request(3), 4280, got), NtStatus::PIPE_BUSY);
    CHECK_STATUS(t, pipe->read(4280, got), NtStatus::SUCCESS);
    got.clear();
    CHECK_STATUS(t, pipe->transceive(call_request(3), 4280, got), NtStatus::SUCCESS);
}

void read_waits(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    const auto exchange = pipe->start_read(4280);
    CHECK(t, ipc->connection().wait_until([&] { return exchange->interim(); }, std::chrono::seconds(5)), "no interim response");
    CHECK(t, !exchange->done(), "a read of an empty pipe gives {}", to_string(exchange->status()));
    CHECK_STATUS(t, pipe->write(call_request(2)), NtStatus::SUCCESS);
    CHECK_STATUS(t, ipc->connection().wait(exchange), NtStatus::SUCCESS);
    REQUIRE(t, response, exchange->decode<smb::ReadResponse>());
    CHECK(t, rpc::Pdu::decode(response->data).has_value(), "{} bytes that are no PDU", response->data.size());
}

void read_cancelled(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    const auto exchange = pipe->start_read(4280);
    CHECK(t, ipc->connection().wait_until([&] { return exchange->interim(); }, std::chrono::seconds(5)), "no interim response");
    ipc->connection().cancel(ipc->client->session.get(), exchange);
    CHECK_STATUS(t, ipc->connection().wait(exchange), NtStatus::CANCELLED);
    Buffer got;
    CHECK_STATUS(t, pipe->transceive(call_request(2), 4280, got), NtStatus::SUCCESS);
}

void close_under_read(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    const auto exchange = pipe->start_read(4280);
    CHECK(t, ipc->connection().wait_until([&] { return exchange->interim(); }, std::chrono::seconds(5)), "no interim response");
    CHECK_STATUS(t, pipe->close(), NtStatus::SUCCESS);
    CHECK_STATUS_ONE_OF(t, ipc->connection().wait(exchange), NtStatus::PIPE_BROKEN, NtStatus::CANCELLED, NtStatus::FILE_CLOSED,
                        NtStatus::PIPE_DISCONNECTED);
    CHECK_STATUS(t, pipe->close(), NtStatus::FILE_CLOSED);
    CHECK(t, t.server_alive(), "the server is gone");
}

void disconnect_under_read(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    const auto exchange = pipe->start_read(4280);
    CHECK(t, ipc->connection().wait_until([&] { return exchange->interim(); }, std::chrono::seconds(5)), "no interim response");
    CHECK_STATUS(t, ipc->tree.disconnect(), NtStatus::SUCCESS);
    CHECK(t, ipc->connection().wait(exchange) != NtStatus::SUCCESS, "a read outlives its tree connect");
    CHECK(t, t.server_alive(), "the server is gone");
}

void broken(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, Pipe::open(ipc->tree, "srvsvc"));
    Buffer got;
    // A request where nothing is bound: a fault, and then no more.
    CHECK_STATUS(t, pipe->transceive(call_request(1), 4280, got), NtStatus::SUCCESS);
    const auto pdu = rpc::Pdu::decode(got);
    CHECK(t, pdu && pdu->header.type == rpc::PduType::fault, "no fault in {} bytes", got.size());
    const NtStatus status = pipe->write(bind_request());
    CHECK_STATUS_ONE_OF(t, status, NtStatus::PIPE_DISCONNECTED, NtStatus::PIPE_BROKEN);
    CHECK_STATUS_ONE_OF(t, pipe->read(4280, got), NtStatus::PIPE_BROKEN, NtStatus::PIPE_DISCONNECTED);
}

NtStatus ioctl(Pipe& pipe, smb::ControlCode code, Bytes input, uint32_t room, Buffer& out) {
    smb::IoctlRequest request;
    request.ctl_code = code;
    request.file_id = code == smb::ControlCode::pipe_wait ? smb::FileId::related() : pipe.id();
    request.input = input;
    request.max_output_response = room;
    request.flags = smb::ioctl_flags::is_fsctl;
    const auto exchange = pipe.tree().start(smb::Command::ioctl, request);
    const NtStatus status = pipe.tree().connection().wait(exchange);
    if (is_error(status)) return status;
    const auto response = smb::IoctlResponse::decode(exchange->message());
    if (!response) return response.error();
    out.assign(response->output);
    return status;
}

void peek(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, bound_pipe(*ipc));
    Buffer out;
    const auto code = smb::ControlCode::pipe_peek;
    CHECK_STATUS(t, ioctl(*pipe, code, {}, 1024, out), NtStatus::SUCCESS);
    REQUIRE(t, empty, smb::PipePeekResponse::decode(out));
    CHECK(t, empty->state == 3 && empty->read_data_available == 0 && empty->number_of_messages == 0, "an empty pipe holds {} bytes",
          empty->read_data_available);
    CHECK_STATUS(t, pipe->write(call_request(2)), NtStatus::SUCCESS);
    CHECK_STATUS(t, ioctl(*pipe, code, {}, 20, out), NtStatus::BUFFER_OVERFLOW);
    REQUIRE(t, full, smb::PipePeekResponse::decode(out));
    CHECK(t, full->number_of_messages == 1 && full->data.size() == 4, "{} messages, {} bytes", full->number_of_messages, full->data.size());
    const uint32_t length = full->message_length;
    Buffer got;
    CHECK_STATUS(t, pipe->read(4280, got), NtStatus::SUCCESS);
    CHECK(t, got.size() == length, "{} bytes read, {} announced", got.size(), length);
}

void wait(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, pipe, Pipe::open(ipc->tree, "srvsvc"));
    const auto wait_for = [&](const char* name) {
        Buffer utf16, input, out;
        if (!append_utf16le(utf16, name)) return NtStatus::INVALID_PARAMETER;
        ByteWriter writer(input);
        smb::PipeWaitRequest{0, false, utf16}.encode(writer);
        return ioctl(*pipe, smb::ControlCode::pipe_wait, input, 0, out);
    };
    CHECK_STATUS(t, wait_for("srvsvc"), NtStatus::SUCCESS);
    CHECK_STATUS(t, wait_for("no such pipe"), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void not_for_files(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    smb::IoctlRequest request;
    request.ctl_code = smb::ControlCode::pipe_transceive;
    request.file_id = f->id();
    request.max_output_response = 1024;
    request.flags = smb::ioctl_flags::is_fsctl;
    CHECK_STATUS(t, c->status_of(smb::Command::ioctl, request), NtStatus::NOT_SUPPORTED);
}

void information(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, file, client::File::open(ipc->tree, "srvsvc"));
    REQUIRE(t, standard, file->query<smb::FileStandardInformation>(FileInformationClass::standard));
    CHECK(t, !standard->directory && standard->number_of_links == 1, "{} links", standard->number_of_links);
    REQUIRE(t, mode, file->query<smb::FilePipeInformation>(FileInformationClass::pipe));
    CHECK(t, mode->read_mode == smb::FilePipeInformation::message_mode, "read mode {}", mode->read_mode);
    REQUIRE(t, local, file->query<smb::FilePipeLocalInformation>(FileInformationClass::pipe_local));
    CHECK(t, local->named_pipe_type == 1 && local->named_pipe_state == 3 && local->named_pipe_end == 0, "state {}",
          local->named_pipe_state);
    CHECK_STATUS(t, file->set(FileInformationClass::pipe, smb::FilePipeInformation{0, 1}), NtStatus::SUCCESS);
    // MS-FSCC 2.4.37: byte mode is for good.
    CHECK_STATUS(t, file->set(FileInformationClass::pipe, smb::FilePipeInformation{1, 0}), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, file->set(FileInformationClass::pipe, smb::FilePipeInformation{7, 0}), NtStatus::INVALID_PARAMETER);
    Buffer got;
    CHECK_STATUS(t, file->read(0, 100, got), NtStatus::PIPE_EMPTY);  // it is not blocking any more
}

void compound(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    client::OpenOptions options;
    options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    client::Compound frame(ipc->connection());
    const auto created = ipc->tree.add(frame, smb::Command::create, client::CreateCall("srvsvc", options));
    client::RequestOptions related;
    related.related = true;
    const Buffer bind = bind_request();
    smb::IoctlRequest transceive;
    transceive.ctl_code = smb::ControlCode::pipe_transceive;
    transceive.file_id = smb::FileId::related();
    transceive.input = bind;
    transceive.max_output_response = 4280;
    transceive.flags = smb::ioctl_flags::is_fsctl;
    const auto bound = ipc->tree.add(frame, smb::Command::ioctl, transceive, related);
    const auto closed = ipc->tree.add(frame, smb::Command::close, smb::CloseRequest{0, smb::FileId::related()}, related);
    frame.send();
    CHECK_STATUS(t, ipc->connection().wait(created), NtStatus::SUCCESS);
    CHECK_STATUS(t, ipc->connection().wait(bound), NtStatus::SUCCESS);
    CHECK_STATUS(t, ipc->connection().wait(closed), NtStatus::SUCCESS);
    REQUIRE(t, response, bound->decode<smb::IoctlResponse>());
    const auto pdu = rpc::Pdu::decode(response->output);
    CHECK(t, pdu && pdu->header.type == rpc::PduType::bind_ack, "no bind_ack in {} bytes", response->output.size());
}

void wrong_commands(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, file, client::File::open(ipc->tree, "srvsvc"));
    std::vector<client::DirectoryItem> items;
    CHECK(t, is_error(file->query_directory(FileInformationClass::id_both_directory, 0, "*", 4096, items)), "a pipe is listed");
    CHECK(t, is_error(file->set_delete(true)), "a pipe is deleted");
    CHECK(t, is_error(file->rename("other", false)), "a pipe is renamed");
    CHECK_STATUS(t, file->flush(), NtStatus::SUCCESS);
    Buffer out;
    CHECK(t, is_error(file->query(smb::InfoType::filesystem, 1, out)), "a pipe has a volume");
    CHECK_STATUS(t, file->close(), NtStatus::SUCCESS);
    CHECK(t, t.server_alive(), "the server is gone");
}

constexpr TestCase tests[] = {
    {"names", "MS-SMB2 3.3.5.9", names},
    {"messages", "MS-SMB2 3.3.5.12", messages},
    {"overflow", "MS-SMB2 3.3.5.15.3, MS-FSCC 2.3.48", overflow},
    {"transceive_with_unread", "MS-FSCC 2.3.48", transceive_with_unread},
    {"read_waits", "MS-SMB2 3.3.5.12", read_waits},
    {"read_cancelled", "MS-SMB2 3.3.5.16", read_cancelled},
    {"close_under_read", "MS-SMB2 3.3.5.10", close_under_read},
    {"disconnect_under_read", "MS-SMB2 3.3.5.8", disconnect_under_read},
    {"broken", "MS-RPCE 3.3.3.5.7", broken},
    {"peek", "MS-SMB2 3.3.5.15.4, MS-FSCC 2.3.46", peek},
    {"wait", "MS-SMB2 3.3.5.15.10", wait},
    {"not_for_files", "MS-SMB2 3.3.5.15.3", not_for_files},
    {"information", "MS-FSCC 2.4.37, 2.4.38", information},
    {"compound", "MS-SMB2 3.3.5.2.7.2", compound},
    {"wrong_commands", "MS-SMB2 3.3.5.18, 3.3.5.21", wrong_commands},
};

}  // namespace

const Suite pipe_suite{"atoll.pipe", tests};

}  // namespace Atoll::torture

#include "libcli/client/pipe.h"

#include "libcli/client/file.h"
#include "libcli/smb/ioctl.h"

namespace Atoll::client {
namespace {

constexpr uint32_t one_message = 65536;  // no PDU is larger

// BUFFER_OVERFLOW, a warning, is a success with more to come.
bool is_data(NtStatus status) { return status == NtStatus::SUCCESS || status == NtStatus::BUFFER_OVERFLOW; }

}  // namespace

Result<Pipe, NtStatus> Pipe::open(Tree& tree, std::string_view name) {
    OpenOptions options;
    options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    auto file = File::open(tree, name, options);
    if (!file) return file.failure();
    return Pipe(tree, file->id());
}

NtStatus Pipe::write(Bytes message) {
    smb::WriteRequest request;
    request.file_id = id_;
    request.data = message;
    RequestOptions options;
    options.payload = static_cast<uint32_t>(message.size());
    return tree_->connection().wait(tree_->start(smb::Command::write, request, options));
}

ExchangePtr Pipe::start_read(uint32_t length) {
    smb::ReadRequest request;
    request.length = length;
    request.file_id = id_;
    RequestOptions options;
    options.payload = length;
    return tree_->start(smb::Command::read, request, options);
}

NtStatus Pipe::read(uint32_t length, Buffer& out) {
    const ExchangePtr exchange = start_read(length);
    const NtStatus status = tree_->connection().wait(exchange);
    if (!is_data(status)) return status;
    const auto response = smb::ReadResponse::decode(exchange->message());
    if (!response) return response.error();
    out.append(response->data);
    return status;
}

NtStatus Pipe::transceive(Bytes message, uint32_t length, Buffer& out) {
    smb::IoctlRequest request;
    request.ctl_code = smb::ControlCode::pipe_transceive;
    request.file_id = id_;
    request.input = message;
    request.max_output_response = length;
    request.flags = smb::ioctl_flags::is_fsctl;
    RequestOptions options;
    options.payload = std::max(length, static_cast<uint32_t>(message.size()));
    const ExchangePtr exchange = tree_->start(smb::Command::ioctl, request, options);
    const NtStatus status = tree_->connection().wait(exchange);
    if (!is_data(status)) return status;
    const auto response = smb::IoctlResponse::decode(exchange->message());
    if (!response) return response.error();
    out.append(response->output);
    return status;
}

NtStatus Pipe::close() { return tree_->connection().wait(tree_->start(smb::Command::close, smb::CloseRequest{0, id_})); }

NtStatus RpcClient::bind(const std::vector<rpc::ContextElement>& contexts) {
    Buffer request, answer;
    rpc_.encode_bind(contexts, request);
    const NtStatus status = pipe_.transceive(request, one_message, answer);
    return status == NtStatus::SUCCESS ? rpc_.take_bind_answer(answer) : status;
}

NtStatus RpcClient::bind(const rpc::SyntaxId& interface, const rpc::SyntaxId& transfer_syntax) {
    const NtStatus status = bind({{0, interface, {transfer_syntax}}});
    if (status != NtStatus::SUCCESS) return status;
    const auto& answers = rpc_.bind_answer().answers;
    const bool accepted = answers.size() == 1 && answers[0].result == rpc::ContextResult::acceptance;
    return accepted ? status : NtStatus::RPC_NT_UNSUPPORTED_TRANS_SYN;
}

Result<rpc::Fault, NtStatus> RpcClient::call(uint16_t opnum, Bytes stub, uint16_t context) {
    Buffer request;
    std::vector<size_t> sizes;
    rpc_.encode_request(context, opnum, stub, request, sizes);
    // All fragments but the last are written; the last one's answer comes with it.
    Bytes rest = request;
    for (size_t i = 0; i + 1 < sizes.size(); i++) {
        if (const NtStatus status = pipe_.write(rest.first(sizes[i])); status != NtStatus::SUCCESS) return status;
        rest = rest.subspan(sizes[i]);
    }
    Buffer answer;
    if (const NtStatus status = pipe_.transceive(rest, one_message, answer); !is_data(status)) return status;
    if (const NtStatus status = receive_answer(answer); status != NtStatus::SUCCESS) return status;
    return rpc_.fault();
}

NtStatus RpcClient::receive_answer(Buffer& first) {
    for (;;) {
        const auto complete = rpc_.take_response(first);
        if (!complete) return complete.error();
        if (*complete) return NtStatus::SUCCESS;
        first.clear();
        if (const NtStatus status = pipe_.read(one_message, first); !is_data(status)) return status;
    }
}

}  // namespace Atoll::client

// A named pipe of a server's IPC$, and RPC calls over it (MS-RPCE 2.1.1.2). The blocking form; see Connection::wait.
#pragma once

#include <string_view>

#include "libcli/client/tree.h"
#include "libcli/rpc/client.h"

namespace Atoll::client {

class Pipe {
 public:
    // `name` without backslashes: "srvsvc". The tree is IPC$ and must outlive the pipe.
    static Result<Pipe, NtStatus> open(Tree& tree, std::string_view name);
    [[nodiscard]] const smb::FileId& id() const { return id_; }
    Tree& tree() { return *tree_; }

    // One message, as a whole.
    NtStatus write(Bytes message);
    // Appends at most `length` bytes of one message. BUFFER_OVERFLOW: there is more of it. Waits if there is none.
    NtStatus read(uint32_t length, Buffer& out);
    // FSCTL_PIPE_TRANSCEIVE: writes one message and appends the first `length` bytes of the next; statuses as read().
    NtStatus transceive(Bytes message, uint32_t length, Buffer& out);
    // The request of read(), for who does not wait for its answer here.
    ExchangePtr start_read(uint32_t length);
    NtStatus close();

 private:
    Pipe(Tree& tree, const smb::FileId& id) : tree_(&tree), id_(id) {}

    Tree* tree_;
    smb::FileId id_;
};

// One interface over one pipe.
class RpcClient {
 public:
    explicit RpcClient(Pipe pipe) : pipe_(pipe) {}
    Pipe& pipe() { return pipe_; }
    rpc::ClientConnection& connection() { return rpc_; }

    // Offers the contexts; the answers are in connection().bind_answer().
    NtStatus bind(const std::vector<rpc::ContextElement>& contexts);
    // Offers the interface with one transfer syntax as context 0. RPC_NT_UNSUPPORTED_TRANS_SYN: it was rejected.
    NtStatus bind(const rpc::SyntaxId& interface, const rpc::SyntaxId& transfer_syntax = rpc::ndr_syntax);

    // Calls `opnum`: the fault, or none and the answer's stub in connection().stub(). An NtStatus: no answer that could be understood.
    Result<rpc::Fault, NtStatus> call(uint16_t opnum, Bytes stub, uint16_t context = 0);

 private:
    NtStatus receive_answer(Buffer& first);

    Pipe pipe_;
    rpc::ClientConnection rpc_;
};

}  // namespace Atoll::client

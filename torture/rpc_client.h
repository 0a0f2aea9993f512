// A client with IPC$ connected, for the suites of pipes and RPC.
#pragma once

#include "idl/ndr.h"
#include "libcli/client/pipe.h"
#include "libcli/interfaces/srvsvc.idl.h"
#include "torture/test.h"

namespace Atoll::torture {

struct Ipc {
    std::unique_ptr<Client> client;  // whose tree is the target's share
    client::Tree tree;
    explicit Ipc(std::unique_ptr<Client> c) : client(std::move(c)), tree(*client->session) {}
    [[nodiscard]] client::Connection& connection() const { return *client->connection; }
};

// Null, and the test failed, if there is no IPC$.
inline std::unique_ptr<Ipc> connect_ipc(Test& t) {
    auto c = t.client();
    if (!c) return nullptr;
    auto ipc = std::make_unique<Ipc>(std::move(c));
    const NtStatus status = ipc->tree.connect("\\\\" + t.target.host + "\\IPC$");
    if (status == NtStatus::SUCCESS) return ipc;
    t.fail("IPC$: " + to_string(status));
    return nullptr;
}

inline rpc::SyntaxId srvsvc_syntax() {
    const idl::InterfaceType& type = srvsvc::srvsvc_interface();
    return {type.uuid, type.version_major, type.version_minor};
}

// Calls F: its [out] parameters, or why there are none. A fault is RPC_NT_CALL_FAILED.
template <class F>
Result<typename F::Out, NtStatus> call(client::RpcClient& rpc, const typename F::In& in, idl::Syntax syntax = idl::Syntax::ndr) {
    Buffer stub;
    encode(in, stub, syntax);
    const auto fault = rpc.call(F::opnum, stub);
    if (!fault) return fault.failure();
    if (*fault != rpc::Fault::none) return NtStatus::RPC_NT_CALL_FAILED;
    typename F::Out out;
    if (!decode(rpc.connection().stub(), out, in, idl::StubFormat{syntax, false}).ok()) return NtStatus::RPC_NT_BAD_STUB_DATA;
    return out;
}

}  // namespace Atoll::torture

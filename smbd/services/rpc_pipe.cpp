#include "smbd/services/rpc_pipe.h"

namespace Atoll::services {
namespace {

std::vector<rpc::Interface*> pointers(const std::vector<std::unique_ptr<rpc::Interface>>& interfaces) {
    std::vector<rpc::Interface*> out;
    for (const auto& interface : interfaces) out.push_back(interface.get());
    return out;
}

}  // namespace

RpcPipe::RpcPipe(std::vector<std::unique_ptr<rpc::Interface>> interfaces, rpc::Associations& associations, std::string address)
    : interfaces_(std::move(interfaces)),
      connection_(pointers(interfaces_), associations, {std::move(address)}, [this](Bytes pdu) { pipe_->send(pdu); }) {}

void RpcPipe::receive(xsrv::Pipe& pipe, Bytes message) {
    pipe_ = &pipe;
    connection_.receive(message);
    pipe_ = nullptr;
    if (connection_.ended()) pipe.end();
}

}  // namespace Atoll::services

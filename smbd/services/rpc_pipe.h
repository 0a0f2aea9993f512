// A pipe on which RPC is spoken.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libcli/rpc/server.h"
#include "smbd/xsrv/pipe.h"

namespace Atoll::services {

class RpcPipe final : public xsrv::PipeService {
 public:
    // `address` is the secondary address of bind_ack.
    RpcPipe(std::vector<std::unique_ptr<rpc::Interface>> interfaces, rpc::Associations& associations, std::string address);

    void receive(xsrv::Pipe& pipe, Bytes message) override;

 private:
    std::vector<std::unique_ptr<rpc::Interface>> interfaces_;
    xsrv::Pipe* pipe_ = nullptr;  // during receive()
    rpc::ServerConnection connection_;
};

}  // namespace Atoll::services

// Messages of the cluster, of nodes and of clients, and the view in the register, as anybody may have sent or left them.
#include "ctdb/protocol/client.idl.h"
#include "ctdb/protocol/cluster.idl.h"
#include "ctdb/protocol/node.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    idl::fuzz_records(protocol::cluster_records(), {data, size});
    idl::fuzz_records(protocol::node_records(), {data, size});
    idl::fuzz_records(protocol::client_records(), {data, size});
    return 0;
}

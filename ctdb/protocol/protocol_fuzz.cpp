// Messages of the cluster and the view in the register, as anybody may have sent or left them.
#include "ctdb/protocol/cluster.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    idl::fuzz_records(protocol::cluster_records(), {data, size});
    return 0;
}

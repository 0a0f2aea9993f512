// Every function of every interface of this room, in NDR and NDR64: the first byte chooses the interface.
#include "libcli/interfaces/interfaces.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const auto all = interfaces::all_interfaces();
    if (size > 0) idl::fuzz_interface(*all[data[0] % all.size()], Bytes(data + 1, size - 1));
    return 0;
}

// Every record of the smbXsrv databases, as another process may have left it.
#include "smbd/xsrv/xsrv.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    idl::fuzz_records(xsrv::xsrv_records(), {data, size});
    return 0;
}

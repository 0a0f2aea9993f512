// Every record of the smbXsrv databases, of locking.tdb and of brlock.tdb, as another process may have left it.
#include "smbd/fsa/brlock.idl.h"
#include "smbd/xsrv/xsrv.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    idl::fuzz_records(xsrv::xsrv_records(), {data, size});
    idl::fuzz_records(fsa::locking_records(), {data, size});
    idl::fuzz_records(fsa::brlock_records(), {data, size});
    return 0;
}

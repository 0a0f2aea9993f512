// Records of the lmdb account database.
#include "smbd/accounts/account.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Atoll::idl::fuzz_records(Atoll::accounts::account_records(), {data, size});
    return 0;
}

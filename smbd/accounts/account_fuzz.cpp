// Records of the lmdb account database, and what is noted of accounts.
#include "smbd/accounts/account.idl.h"
#include "smbd/accounts/activity.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Atoll::idl::fuzz_records(Atoll::accounts::account_records(), {data, size});
    Atoll::idl::fuzz_records(Atoll::accounts::activity_records(), {data, size});
    return 0;
}

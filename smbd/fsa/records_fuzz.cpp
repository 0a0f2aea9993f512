// Every record of locking, brlock, leases, notify_index and object_ids, and what processes tell each other of changes, as another may have
// left it.
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/fsa/object_ids.idl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    for (const auto types :
         {fsa::locking_records(), fsa::brlock_records(), fsa::leases_records(), fsa::notify_records(), fsa::object_ids_records()})
        idl::fuzz_records(types, {data, size});
    return 0;
}

// An account record: whatever decodes is encoded to the same bytes.
#include <algorithm>

#include "base/assert.h"
#include "smbd/accounts/tdbsam.h"

using namespace Atoll;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    accounts::Account account;
    if (!accounts::decode_tdbsam(Bytes(data, size), account)) return 0;
    Buffer out;
    accounts::encode_tdbsam(account, out);
    ATOLL_ASSERT(out.size() == size && std::equal(data, data + size, out.data()));
    return 0;
}

#include "libcli/smb/preauth_hash.h"

#include "base/assert.h"
#include "libcli/smb/evp.h"

namespace Atoll::smb {

void extend_preauth_hash(PreauthHash& value, Bytes message) {
    // Made once per thread: NEGOTIATE and SESSION_SETUP come in numbers when many clients connect.
    thread_local const evp::DigestContext digest(EVP_MD_CTX_new());
    ATOLL_ASSERT(digest && EVP_DigestInit_ex2(digest.get(), evp::algorithms().sha512, nullptr) == 1);
    ATOLL_ASSERT(EVP_DigestUpdate(digest.get(), value.data(), value.size()) == 1 &&
                 EVP_DigestUpdate(digest.get(), message.data(), message.size()) == 1);
    unsigned written = 0;
    ATOLL_ASSERT(EVP_DigestFinal_ex(digest.get(), value.data(), &written) == 1 && written == value.size());
}

}  // namespace Atoll::smb

// Self-relative security descriptors from clients, and the records of security.idl.
#include "libcli/security/security.idl.h"
#include "libcli/security/security_descriptor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const Bytes input(data, size);
    idl::fuzz_records(security::security_records(), input);
    security::SecurityDescriptor value, again;
    if (!security::decode(input, value)) return 0;
    ATOLL_ASSERT(!security::to_sddl(value).empty() || (!value.owner && !value.group && !value.dacl && !value.sacl));
    Buffer out;
    security::encode(value, out);
    ATOLL_ASSERT(out.size() == security::encoded_size(value));
    ATOLL_ASSERT(security::decode(out, again).ok() && again == value);
    return 0;
}

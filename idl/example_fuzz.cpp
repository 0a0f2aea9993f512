// All records, pointer structures and functions of example.idl.
#include "idl/example.idl.h"
#include "idl/level.h"

namespace Atoll::idl {

Level newest_known_level() { return 3; }

}  // namespace Atoll::idl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    const Bytes input(data, size);
    idl::fuzz_records(idl_example::example_records(), input);
    idl::fuzz_interface(idl_example::example_interface(), input);
    idl_example::odd odd;
    if (decode(input, odd)) {
        Buffer copy;
        encode(odd, copy);
        ATOLL_ASSERT(decode(copy, odd).ok());
    }
    idl_example::nested value, again;
    if (decode(input, value)) {
        Buffer copy;
        encode(value, copy);
        ATOLL_ASSERT(decode(copy, again).ok() && again == value);
        ATOLL_ASSERT(!print(value).empty());
    }
    return 0;
}

// Keys and values of every database, as a damaged or foreign file may have them.
#include "tools/dbdump/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    if (size < 2) return 0;
    const auto schemas = dbdump::all_schemas();
    const size_t which = data[0] % (schemas.size() + 1);
    const dbdump::Schema& schema = which < schemas.size() ? schemas[which] : dbdump::schema_of("");
    const Bytes rest(data + 2, size - 2);
    const size_t key_size = data[1] < rest.size() ? data[1] : rest.size();
    const Bytes key = rest.first(key_size), value = rest.subspan(key_size);
    ATOLL_ASSERT(!dbdump::describe_key(schema, key, dbdump::Form::json).empty());
    const auto text = schema.describe(key, value, dbdump::Form::text);
    const auto json = schema.describe(key, value, dbdump::Form::json);
    ATOLL_ASSERT(text.ok() == json.ok());
    return 0;
}

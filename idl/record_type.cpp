#include "idl/record_type.h"

namespace Atoll::idl {

const RecordType* find_record_type(std::span<const RecordType> types, Bytes record) {
    if (record.size() < 4) return nullptr;
    const uint16_t tag = load_le<uint16_t>(record.data() + 2);
    for (const RecordType& type : types) {
        if (type.tag == tag) return &type;
    }
    return nullptr;
}

void fuzz_records(std::span<const RecordType> types, Bytes input) {
    if (input.size() < 4) return;
    Buffer record;
    record.assign(input);
    for (const RecordType& type : types) {
        store_le<uint16_t>(record.data() + 2, type.tag);
        const auto text = type.to_text(record);
        const auto json = type.to_json(record);
        ATOLL_ASSERT(text.ok() == json.ok());
        ATOLL_ASSERT(type.round_trips(record));
    }
}

}  // namespace Atoll::idl

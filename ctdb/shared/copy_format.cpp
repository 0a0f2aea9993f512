#include "ctdb/shared/copy_format.h"

#include "base/bytes.h"

namespace Atoll::ctdb {
namespace {

constexpr uint8_t dmaster_bit = 1;
constexpr uint8_t wanted_bit = 2;
constexpr uint8_t delegated_bit = 4;

}  // namespace

bool read_copy_head(Bytes stored, CopyHead& head) {
    if (stored.size() < copy_head_size || stored.size() - copy_head_size > protocol::MAX_VALUE) return false;
    ByteReader reader(stored);
    head.rsn = reader.u64();
    head.sequence = reader.u64();
    head.holder = reader.u64();
    const uint8_t bits = reader.u8();
    head.dmaster = (bits & dmaster_bit) != 0;
    head.wanted = (bits & wanted_bit) != 0;
    head.delegated = (bits & delegated_bit) != 0;
    return (bits & ~(dmaster_bit | wanted_bit | delegated_bit)) == 0;
}

bool read_copy(Bytes stored, Copy& copy) {
    if (!read_copy_head(stored, copy)) return false;
    const Bytes value = value_of_copy(stored);
    copy.value.assign(value.begin(), value.end());
    return true;
}

void write_copy(const CopyHead& head, Bytes value, Buffer& out) {
    out.clear();
    ByteWriter writer(out);
    writer.u64(head.rsn);
    writer.u64(head.sequence);
    writer.u64(head.holder);
    writer.u8(
        static_cast<uint8_t>((head.dmaster ? dmaster_bit : 0) | (head.wanted ? wanted_bit : 0) | (head.delegated ? delegated_bit : 0)));
    writer.bytes(value);
}

}  // namespace Atoll::ctdb

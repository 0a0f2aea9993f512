#include "smbd/fsa/leases.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "idl/level.h"

namespace Atoll::fsa {

namespace {

using Key = std::array<uint8_t, 32>;

Key key_of(const lease_id& id) {
    Key key;
    std::copy(id.client.bytes.begin(), id.client.bytes.end(), key.begin());
    std::copy(id.key.bytes.begin(), id.key.bytes.end(), key.begin() + 16);
    return key;
}

}  // namespace

const lease_record* LeaseTable::find(const lease_id& id) {
    if (database_ == nullptr) return nullptr;
    bool good = false;
    const auto read = database_->parse(key_of(id), [&](Bytes value) {
        const auto decoded = decode(value, record_);
        good = decoded.ok();
        if (!good) log_error("leases: {}", decoded.error().message());
    });
    if (!read) log_error("leases: {}", read.error().message());
    return good ? &record_ : nullptr;
}

Result<void, NtStatus> LeaseTable::put(const lease_record& record) {
    encoded_.clear();
    encode(record, encoded_, idl::written_level());
    const auto stored = database_->store(key_of(record.id), encoded_);
    if (stored) return {};
    log_error("leases: {}", stored.error().message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

std::vector<lease_record> LeaseTable::all() {
    std::vector<lease_record> found;
    if (database_ == nullptr) return found;
    const auto visited = database_->traverse([&](Bytes, Bytes value) {
        if (decode(value, record_)) found.push_back(record_);
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("leases: {}", visited.error().message());
    return found;
}

void LeaseTable::remove(const lease_id& id) {
    if (database_ == nullptr) return;
    if (const auto removed = database_->remove(key_of(id)); !removed) log_error("leases: {}", removed.error().message());
}

}  // namespace Atoll::fsa

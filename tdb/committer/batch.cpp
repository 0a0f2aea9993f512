#include "tdb/committer/batch.h"

#include "tdb/committer/packet.h"

namespace Atoll::committer {

namespace {

constexpr size_t batch_overhead = 64, change_overhead = 96;  // at most, of the encoding

}  // namespace

void Batch::add(change_kind kind, std::string_view database, Bytes key, Bytes value) {
    const bool has_key = kind != change_kind::WIPE;
    if ((key.empty() && has_key) || key.size() > MAX_KEY || value.size() > MAX_VALUE || record_.changes.size() == MAX_CHANGES) {
        too_large_ = true;
        return;
    }
    change added;
    added.kind = kind;
    added.database = database;
    added.key.assign(key.begin(), key.end());
    added.value.assign(value.begin(), value.end());
    bytes_ += change_overhead + database.size() + key.size() + value.size();
    record_.changes.push_back(std::move(added));
}

bool Batch::is_sendable() const { return !empty() && !too_large_ && size() <= max_batch_bytes; }

size_t Batch::size() const { return batch_overhead + bytes_; }

}  // namespace Atoll::committer

#include "smbd/xsrv/outliving.h"

#include <algorithm>

#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/share_modes.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {

namespace {

// Kept for its capacity: this is asked with each store.
template <class Record, class Test>
bool says(Bytes value, Test test) {
    static Record record;
    return !value.empty() && decode(value, record) && test(record);
}

}  // namespace

bool open_outlives_node(Bytes value) {
    return says<open_global>(value, [](const open_global& record) { return record.durable.has_value(); });
}

bool entries_outlive_node(Bytes value) {
    return says<fsa::locking_record>(
        value, [](const fsa::locking_record& record) { return std::ranges::any_of(record.share_modes, fsa::outlives_process); });
}

bool locks_outlive_node(Bytes value) {
    const auto outlives = [](const fsa::lock_holder& holder) { return holder.durable_open != 0 && holder.locks > 0; };
    return says<fsa::brlock_record>(value, [&](const fsa::brlock_record& record) { return std::ranges::any_of(record.holders, outlives); });
}

bool index_outlives_node(Bytes value) { return !value.empty(); }

}  // namespace Atoll::xsrv

// Stores that hold nothing, for tests of what does not look at records.
#pragma once

#include "ctdb/core/persistent_store.h"
#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb {

class NoRecords final : public RecordStore {
 public:
    [[nodiscard]] Slot slot_of(const RecordKey&) const override { return 0; }
    bool read(const RecordKey&, Copy&) const override { return false; }
    void write(const RecordKey&, const Copy&) override {}
    bool remove(const RecordKey&, const Copy&) override { return false; }
    void each(Slot, const std::function<void(const RecordKey&, const Copy&)>&) const override {}
    void clear() override {}
};

class NoDatabases final : public PersistentStore {
 public:
    std::vector<holding> holdings() const override { return {}; }
    Writes last_writes(DatabaseId) const override { return {}; }
    void each(DatabaseId, const std::function<void(const protocol::record_write&)>&) const override {}
};

}  // namespace Atoll::ctdb

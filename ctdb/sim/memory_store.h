// A node's records, with a note of those that changed.
#pragma once

#include <map>
#include <vector>

#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb::sim {

class MemoryStore final : public RecordStore {
 public:
    explicit MemoryStore(uint32_t slots) : slots_(slots) {}

    bool read(const RecordKey& key, Copy& copy) const override {
        const auto& slot = of(key);
        const auto found = slot.find(key);
        if (found != slot.end()) copy = found->second;
        return found != slot.end();
    }
    void write(const RecordKey& key, const Copy& copy) override {
        slots_[slot_of(key, static_cast<uint32_t>(slots_.size()))][key] = copy;
        changed_.push_back(key);
    }
    // Now and then a client was quicker.
    bool replace(const RecordKey& key, const Copy&, const Copy& next) override {
        if (++replaced_ % 16 == 0) return false;
        write(key, next);
        return true;
    }
    void each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const override {
        for (const auto& [key, copy] : slots_[slot]) visit(key, copy);
    }
    void clear() override {
        for (auto& slot : slots_) slot.clear();
    }

    [[nodiscard]] const Copy* find(const RecordKey& key) const {
        const auto& slot = of(key);
        const auto found = slot.find(key);
        return found != slot.end() ? &found->second : nullptr;
    }
    // Records written since the last call.
    std::vector<RecordKey> take_changed() { return std::exchange(changed_, {}); }

 private:
    using Records = std::map<RecordKey, Copy, KeyLess>;
    [[nodiscard]] const Records& of(const RecordKey& key) const { return slots_[slot_of(key, static_cast<uint32_t>(slots_.size()))]; }

    std::vector<Records> slots_;
    std::vector<RecordKey> changed_;
    uint64_t replaced_ = 0;
};

}  // namespace Atoll::ctdb::sim

// A node's records, with a note of those that changed.
#pragma once

#include <map>
#include <vector>

#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb::sim {

class MemoryStore final : public RecordStore {
 public:
    explicit MemoryStore(uint32_t slots) : slots_(slots) {}

    // Of database 2 the keys carry their slot.
    [[nodiscard]] Slot slot_of(const RecordKey& key) const override {
        const auto slots = static_cast<uint32_t>(slots_.size());
        return key.database == 2 ? slot_in_key(key.database, key.key, slots) : ctdb::slot_of(key.database, key.key, slots);
    }
    bool read(const RecordKey& key, Copy& copy) const override {
        const auto& slot = of(key);
        const auto found = slot.find(key);
        if (found != slot.end()) copy = found->second;
        return found != slot.end();
    }
    void write(const RecordKey& key, const Copy& copy) override {
        slots_[slot_of(key)][key] = copy;
        changed_.push_back(key);
    }
    // Now and then a client was quicker.
    bool replace(const RecordKey& key, const Copy&, const Copy& next) override {
        if (++replaced_ % 16 == 0) return false;
        write(key, next);
        return true;
    }
    bool remove(const RecordKey& key, const Copy& seen) override {
        auto& slot = slots_[slot_of(key)];
        const auto found = slot.find(key);
        if (found == slot.end() || found->second != seen || ++replaced_ % 16 == 0) return false;
        slot.erase(found);
        removed_.emplace_back(key, seen);
        return true;
    }
    void each(Slot slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const override {
        for (const auto& [key, copy] : slots_[slot]) visit(key, copy);
    }
    void clear() override {
        for (auto& slot : slots_) slot.clear();
    }

    // Copies of all may be read elsewhere; those of database 1 stick.
    [[nodiscard]] bool lends(const RecordKey&) const override { return true; }
    [[nodiscard]] bool sticks(const RecordKey& key) const override { return key.database == 1; }

    [[nodiscard]] const Copy* find(const RecordKey& key) const {
        const auto& slot = of(key);
        const auto found = slot.find(key);
        return found != slot.end() ? &found->second : nullptr;
    }
    // Records written since the last call.
    std::vector<std::pair<RecordKey, Copy>> take_removed() { return std::exchange(removed_, {}); }
    std::vector<RecordKey> take_changed() { return std::exchange(changed_, {}); }

 private:
    using Records = std::map<RecordKey, Copy, KeyLess>;
    [[nodiscard]] const Records& of(const RecordKey& key) const { return slots_[slot_of(key)]; }

    std::vector<Records> slots_;
    std::vector<RecordKey> changed_;
    std::vector<std::pair<RecordKey, Copy>> removed_;
    uint64_t replaced_ = 0;
};

}  // namespace Atoll::ctdb::sim

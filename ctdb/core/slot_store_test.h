// What several tests of the core stand in: the records of one slot, and who is a member.
#pragma once

#include <map>

#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb {

class SlotStore final : public RecordStore {
 public:
    [[nodiscard]] Slot slot_of(const RecordKey&) const override { return 0; }
    bool read(const RecordKey& key, Copy& copy) const override {
        const auto found = copies.find(key);
        if (found != copies.end()) copy = found->second;
        return found != copies.end();
    }
    void write(const RecordKey& key, const Copy& copy) override { copies[key] = copy; }
    bool remove(const RecordKey& key, const Copy&) override { return copies.erase(key) > 0; }
    void each(Slot, const std::function<void(const RecordKey&, const Copy&)>& visit) const override {
        for (const auto& [key, copy] : copies) visit(key, copy);
    }
    void clear() override { copies.clear(); }
    [[nodiscard]] bool lends(const RecordKey&) const override { return true; }
    [[nodiscard]] bool sticks(const RecordKey&) const override { return true; }

    std::map<RecordKey, Copy, KeyLess> copies;
};

// Nodes from 0 on; the session of each is its number and ten.
inline std::vector<protocol::member> members_of_test(Pnn count) {
    std::vector<protocol::member> members(count);
    for (Pnn pnn = 0; pnn < count; pnn++) {
        members[pnn].pnn = pnn;
        members[pnn].session = 10 + pnn;
    }
    return members;
}

}  // namespace Atoll::ctdb

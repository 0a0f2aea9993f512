// Sticky records (ctdb-tunables(7), StickyPindown): one that too many nodes want at once moves all the time and is of use to nobody. Its
// lmaster counts moves, and has it stay for a moment where it comes to; its dmaster keeps it there, for all clients of the node.
#pragma once

#include <map>
#include <vector>

#include "ctdb/core/context.h"

namespace Atoll::ctdb {

class StickyRecords {
 public:
    explicit StickyRecords(Context& context) : context_(context) {}

    // As lmaster: the record goes to another node, behind which `others_wait` or not. True: it is to stay there for a while.
    bool moved(const RecordKey& key, bool others_wait);

    // As dmaster.
    void pin(const RecordKey& key);
    [[nodiscard]] bool pinned(const RecordKey& key) const { return pins_.contains(key); }
    // Those whose time is over.
    std::vector<RecordKey> unpin();
    void went(const RecordKey& key) { pins_.erase(key); }
    void freeze(Slot slot);

    void tick();
    void session_ended() { moving_.clear(), pins_.clear(); }

 private:
    struct Moving {
        uint32_t moves = 0;  // one upon the other, each to a node behind which another waited
        Time last = 0;
        Time sticky_until = 0;
    };

    Context& context_;
    std::map<RecordKey, Moving, KeyLess> moving_;
    std::map<RecordKey, Time, KeyLess> pins_;  // until then they stay
    Time forgot_ = 0;
};

}  // namespace Atoll::ctdb

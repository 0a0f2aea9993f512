// The virtual clock: what happens when, in an order that only the seed decides.
#pragma once

#include <cstdint>
#include <functional>
#include <algorithm>
#include <utility>
#include <vector>

#include "ctdb/core/types.h"

namespace Atoll::ctdb::sim {

class Schedule {
 public:
    using Step = std::function<void()>;

    [[nodiscard]] Time now() const { return now_; }
    void after(Time delay, Step step) {
        queue_.push_back({now_ + delay, next_++, std::move(step)}), std::push_heap(queue_.begin(), queue_.end(), Later());
    }
    // Makes the next step happen. There is always one: every node ticks.
    void advance() {
        std::pop_heap(queue_.begin(), queue_.end(), Later());
        Item item = std::move(queue_.back());
        queue_.pop_back();
        now_ = item.at;
        item.step();
    }

 private:
    struct Item {
        Time at;
        uint64_t order;
        Step step;
    };
    struct Later {
        bool operator()(const Item& a, const Item& b) const { return a.at != b.at ? a.at > b.at : a.order > b.order; }
    };

    Time now_ = 0;
    uint64_t next_ = 0;
    std::vector<Item> queue_;
};

}  // namespace Atoll::ctdb::sim

// The cluster lock and its register, as a cluster file system provides them: one holder, who may lose it without being told; only the
// holder's writes reach the register.
#pragma once

#include <optional>

#include "ctdb/core/types.h"

namespace Atoll::ctdb::sim {

class LockService {
 public:
    struct Holder {
        Pnn pnn = no_node;
        uint64_t incarnation = 0;
        bool operator==(const Holder&) const = default;
    };

    // The term, or 0: somebody has it.
    Term take(Holder holder) {
        if (holder_) return 0;
        holder_ = holder;
        return ++term_;
    }
    [[nodiscard]] bool held(Holder holder, Term term) const { return holder_ == holder && term_ == term; }
    void release(Holder holder) {
        if (holder_ == holder) holder_.reset();
    }
    bool write(Holder holder, Term term, const protocol::view& view) {
        if (!held(holder, term)) return false;
        stored_ = view;
        return true;
    }
    [[nodiscard]] const std::optional<protocol::view>& stored() const { return stored_; }
    [[nodiscard]] const std::optional<Holder>& holder() const { return holder_; }

 private:
    std::optional<Holder> holder_;
    Term term_ = 0;
    std::optional<protocol::view> stored_;
};

}  // namespace Atoll::ctdb::sim

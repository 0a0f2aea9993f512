// Records without a value are removed everywhere, in small steps: a slot at a time, while everything goes on. A node gives back to the
// lmaster what it has of them; the lmaster first has those that may have copies put the removal in the place of what is older, then drop it, so that no
// loss of nodes in between brings an older value back; then it forgets the record. A record that never left its lmaster costs no message.
#pragma once

#include <map>
#include <set>

#include "ctdb/core/holder.h"
#include "ctdb/core/locator.h"
#include "ctdb/core/mirrors.h"

namespace Atoll::ctdb {

class Vacuum {
 public:
    Vacuum(Context& context, SlotTransport& transport, Locator& locator, Holder& holder, Mirrors& mirrors)
        : context_(context), transport_(transport), locator_(locator), holder_(holder), mirrors_(mirrors) {}

    void tick();
    // The lmaster asks.
    void forget(Pnn from, const protocol::forget& forget);
    void forgotten(Pnn from, const protocol::forgotten& forgotten);

    void view_accepted() { keys_.clear(); }
    void session_ended() { keys_.clear(); }

 private:
    size_t look_at(Slot slot);
    [[nodiscard]] bool raise(const RecordKey& key, Copy& copy);
    void ask(bool older);
    void finish();
    void give_up_used();
    [[nodiscard]] bool forget_copy(const protocol::removed_record& removed, bool older);

    Context& context_;
    SlotTransport& transport_;
    Locator& locator_;
    Holder& holder_;
    Mirrors& mirrors_;
    Slot next_ = 0;
    Slot slot_ = 0;          // of a round: one at a time
    std::map<RecordKey, Copy, KeyLess> keys_;  // as they are if nobody has used them since; none: no round is under way
    uint64_t asked_ = 0;  // the number of the last question to the members
    bool older_ = false;
    std::set<Pnn> having_;   // who may have copies
    std::set<Pnn> missing_;  // who of them has not answered
};

}  // namespace Atoll::ctdb

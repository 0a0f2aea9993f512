// The lmaster: for each slot that the view gives this node, who has each record (the dmaster), who waits for it, and the slot's recovery.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "ctdb/core/context.h"
#include "ctdb/core/sticky_records.h"

namespace Atoll::ctdb {

// Sends to a member, this node among them.
class SlotTransport {
 public:
    virtual ~SlotTransport() = default;
    virtual void send(Pnn to, protocol::slot_message message) = 0;

    template <class Body>
    void send_body(Pnn to, Body body) {
        protocol::slot_message message;
        message.body.value = std::move(body);
        message.kind = static_cast<protocol::slot_kind>(message.body.value.index());
        send(to, std::move(message));
    }
};

class Locator {
 public:
    Locator(Context& context, SlotTransport& transport, StickyRecords& sticky)
        : context_(context), transport_(transport), sticky_(sticky) {}

    void view_accepted(const protocol::view& former);
    void session_ended() { slots_.clear(), uncollected_.clear(); }
    // At the end of each event: begins to recover slots, of those that are to be. They are recovered some at a time, so that no event takes
    // long, however many records there are; those that wait are used meanwhile, under their former epoch.
    void recover_more();
    // recover_more() would begin some: an event at once is welcome.
    [[nodiscard]] bool has_more() const { return !uncollected_.empty() && recovering() < context_.config.recovers_at_once; }
    void want(Pnn from, const protocol::want& want);
    void read_want(Pnn from, const protocol::read_want& want);
    void yielded(Pnn from, protocol::yield& yield);
    void offered(Pnn from, protocol::offer& offer);

    // Of a record that this node has, as lmaster and dmaster: it has no value, and nobody has it locked or waits for it.
    [[nodiscard]] bool is_unused(const RecordKey& key, Copy& copy) const;
    // Other members that may have copies of it.
    [[nodiscard]] std::set<Pnn> copies_of(const RecordKey& key) const;
    // There is no such record any more. False: it is used after all.
    bool forget(const RecordKey& key);

    // None of its slots is being recovered.
    [[nodiscard]] bool settled() const { return collecting_ == 0; }

 private:
    struct Entry {
        Pnn dmaster = no_node;
        bool recalling = false;
        std::vector<Pnn> copies;  // other nodes that may have one, each once
        std::vector<Pnn> queue;   // who waits, in the order of their asking
    };
    // The best copy, and whoever has one: mostly the one member that offered it, so nothing is allocated for that one.
    struct Offerer {
        Pnn pnn = no_node;
        bool claims = false;  // it says that it is dmaster
    };
    struct Best {
        protocol::copy copy;  // without its key
        Pnn from = no_node;
        Offerer first;
        std::vector<Offerer> others;
    };
    struct Located {
        Epoch epoch = 0;
        bool collecting = false;
        std::set<Pnn> missing;  // who has not offered everything yet
        std::map<RecordKey, Best, KeyLess> best;
        std::map<RecordKey, Entry, KeyLess> records;
        std::set<RecordKey, KeyLess> waited;  // those that have a queue
        std::map<Pnn, size_t> held;           // so many records of each dmaster
    };

    Located* serving(const RecordKey& key, Epoch epoch);
    void refuse(Pnn from, const RecordKey& key);
    [[nodiscard]] bool must_recover(const Located& located, const protocol::view& former) const;
    void collect(Slot slot);
    [[nodiscard]] size_t recovering() const { return collecting_ - uncollected_.size(); }
    void forget_waiters(Located& located, const protocol::view& former);
    void complete(Slot slot, Located& located);
    [[nodiscard]] bool newer(const protocol::copy& one, const protocol::copy& other) const;
    void keep(const RecordKey& key, protocol::copy& offered);
    void settle(Located& located, const RecordKey& key, Entry& entry, Best& best, std::map<Pnn, std::vector<RecordKey>>& lost);
    void settle_winner(Located& located, Entry& entry, const RecordKey& key, Best& best);
    void reopen(Slot slot, const Located& located, Pnn pnn, const std::vector<RecordKey>& lost);
    Entry& entry_of(Located& located, const RecordKey& key);
    void note_copy(Entry& entry, Pnn pnn) const;
    void set_dmaster(Located& located, Entry& entry, Pnn pnn);
    void next(const RecordKey& key, Located& located, Entry& entry);
    [[nodiscard]] const Entry* find(const RecordKey& key) const;
    [[nodiscard]] bool may_hold(Pnn pnn) const;
    [[nodiscard]] bool goes_on(Pnn pnn, const protocol::view& former) const;

    Context& context_;
    SlotTransport& transport_;
    StickyRecords& sticky_;
    std::map<Slot, Located> slots_;
    size_t collecting_ = 0;         // slots to be recovered
    std::deque<Slot> uncollected_;  // those of them of which nobody has been asked
};

}  // namespace Atoll::ctdb

// A node's own side of the records: what its clients wait for, what it gives back, what it offers in a recovery.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "ctdb/core/delegations.h"
#include "ctdb/core/locator.h"
#include "ctdb/core/mirrors.h"
#include "ctdb/core/sticky_records.h"

namespace Atoll::ctdb {

class Holder {
 public:
    Holder(Context& context, SlotTransport& transport, Mirrors& mirrors, Delegations& delegations, StickyRecords& sticky)
        : context_(context), transport_(transport), mirrors_(mirrors), delegations_(delegations), sticky_(sticky) {}

    void client_wants(Client client, const RecordKey& key);
    void client_released(const RecordKey& key);
    void client_gone(Client client);

    void refused(Pnn from, const protocol::refuse& refuse);
    void recalled(Pnn from, const protocol::recall& recall);
    // A record without a value that nobody here uses.
    void give_back_unasked(const RecordKey& key);
    [[nodiscard]] bool is_waited_for(const RecordKey& key) const { return waiting_.contains(key) || recalled_.contains(key); }
    void given(Pnn from, protocol::give& give);
    // The lmaster says who would read a record that is here.
    void asked_to_lend(Pnn from, const protocol::delegate& delegate);
    void revoked(Pnn from, const protocol::revoked& revoked);
    void recover(Pnn from, const protocol::recover& recover);
    void recovered(Pnn from, const protocol::recovered& recovered);

    void view_accepted(const protocol::view& former);
    void session_ended();
    // The node may serve again: clients that wait for records which are here get them.
    void lease_revived();
    void tick();

    [[nodiscard]] bool frozen() const { return !frozen_.empty(); }

 private:
    struct Waiting {
        std::deque<Client> clients;
        bool asked = false;  // the lmaster has been, and has not refused
        Time refused_at = 0;
    };

    [[nodiscard]] Slot slot_of_key(const RecordKey& key) const { return context_.slot_of(key); }
    [[nodiscard]] SlotGate& gate_of(const RecordKey& key) { return context_.shared.gates[slot_of_key(key)]; }
    void serve(const RecordKey& key);
    // False: the record has changed meanwhile, and nothing has been done.
    bool serve_as_it_is(const RecordKey& key);
    bool serve_free(const RecordKey& key, Copy& copy);
    [[nodiscard]] bool leaves(const RecordKey& key) const { return recalled_.contains(key) && !sticky_.pinned(key); }
    [[nodiscard]] bool clients_wait_for(const RecordKey& key) const;
    void ask(const RecordKey& key, Waiting& waiting);
    bool grant(const RecordKey& key, Copy& copy);
    bool give_back(const RecordKey& key, Copy& copy);
    void serve_slot(Slot slot);
    void note_mirrors(Slot slot, Pnn locator);
    // What this node has of a frozen slot, in one walk through it.
    struct SlotCopies {
        std::vector<protocol::copy> copies;
        std::vector<RecordKey> delegated;  // of those that are read elsewhere, or are such copies
        bool held = false;                 // by a client: `copies` lacks some
    };
    [[nodiscard]] SlotCopies copies_of(Slot slot) const;
    void offer_when_free(Slot slot);
    void offer(Slot slot, std::vector<protocol::copy>& copies);

    Context& context_;
    SlotTransport& transport_;
    Mirrors& mirrors_;
    Delegations& delegations_;
    StickyRecords& sticky_;
    std::map<RecordKey, Waiting, KeyLess> waiting_;
    std::set<RecordKey, KeyLess> recalled_;
    std::set<Slot> frozen_;                                 // recovering: offered, or to be offered
    std::set<Slot> unoffered_;                              // of those, where a client still holds a record
    std::map<Slot, std::pair<Pnn, Epoch>> early_recovers_;  // of views that are still to come
};

}  // namespace Atoll::ctdb

// Read-only delegations: copies of a record that other members read while its dmaster stays where it is. Nobody locks, changes or moves the
// record before each of them has given its copy up, or the session that had it has ended. Here is what the dmaster does, which lends, and
// what a reader does. A slot's delegations end when it is recovered. A mirrored record has none, nor has one without a value.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "ctdb/core/locator.h"

namespace Atoll::ctdb {

class Delegations {
 public:
    Delegations(Context& context, SlotTransport& transport) : context_(context), transport_(transport) {}

    // A reader's node.
    void client_reads(Client client, const RecordKey& key);
    void client_gone(Client client);
    void refused(const RecordKey& key) { answer(key, false); }
    void came(Pnn from, protocol::delegation& delegation);
    void give_up(Pnn from, const protocol::revoke& revoke);
    void tick();

    // The dmaster's. True: the record can be lent, when it is free.
    bool asked(Pnn from, const protocol::delegate& delegate);
    [[nodiscard]] bool asked_for(const RecordKey& key) const;
    // A copy to each that asks, of a record that nobody has locked; while others still give theirs up they wait for that. False: it has
    // changed meanwhile, or those who asked were refused: look again.
    bool lend(const RecordKey& key, const Copy& copy);
    // True: nobody reads copies any more. False: they have been told to give them up.
    bool revoke(const RecordKey& key);
    // True: that was the last of them.
    bool revoked(Pnn from, const protocol::revoked& revoked);
    // It is another's: who asked has to ask for it.
    void went(const RecordKey& key);
    // Some record waits until copies of it have been given up.
    [[nodiscard]] bool revoking() const { return !revoking_.empty(); }

    // The slot's gate is closed. Of those of its copies that end with it end_copies() is told then.
    void freeze(Slot slot);
    [[nodiscard]] bool ends(const Copy& copy) const;
    void end_copies(const std::vector<RecordKey>& keys);
    // Records that nobody reads any more.
    std::vector<RecordKey> view_accepted();
    void session_ended();

 private:
    struct Reading {
        std::vector<Client> clients;
        Time since = 0;
    };
    struct Lent {
        std::map<Pnn, Session> readers;
        std::set<Pnn> asking;
    };

    void answer(const RecordKey& key, bool readable);
    void refuse(Pnn reader, const RecordKey& key);
    [[nodiscard]] bool may_be_lent(const RecordKey& key, const Copy& copy) const;
    void clear(const RecordKey& key);
    void finish(const RecordKey& key);

    Context& context_;
    SlotTransport& transport_;
    std::map<RecordKey, Reading, KeyLess> reading_;  // of this node, until they are answered
    std::map<RecordKey, Lent, KeyLess> lent_;        // of which this node is the dmaster
    std::set<RecordKey, KeyLess> revoking_;          // of those
};

}  // namespace Atoll::ctdb

// Mirrored records: a store counts when a second member has the same copy, so the loss of any one node loses none. Here is what their
// dmaster does, who sends a copy to its mirror, and what the mirror does. A record is mirrored once it was stored with a sequence.
#pragma once

#include <map>
#include <set>

#include "ctdb/core/locator.h"

namespace Atoll::ctdb {

class Mirrors {
 public:
    Mirrors(Context& context, SlotTransport& transport) : context_(context), transport_(transport) {}

    // The client that holds the record has stored it, and waits.
    void stored(Client client, const RecordKey& key);
    void client_gone(Client client);
    // Perhaps by a client that ended before its store had a mirror.
    void released(const RecordKey& key);

    // This node is the record's dmaster now, and `other` has the same copy; this node itself or no_node: nobody has.
    void came(const RecordKey& key, const Copy& copy, Pnn other);
    void went(const RecordKey& key);

    // As the mirror of another node.
    void keep(Pnn from, protocol::mirror& mirror);
    void kept(Pnn from, const protocol::mirrored& mirrored);
    // Whether a copy that this node has sent may be on its way still.
    [[nodiscard]] bool on_their_way(const RecordKey& key) const;

    void view_accepted(const protocol::view& former);
    void session_ended();

 private:
    // A session of another member; none: no_node.
    struct Place {
        Pnn pnn = no_node;
        Session session = 0;
    };
    // A mirrored record of which this node is the dmaster.
    struct Entry {
        uint64_t rsn = 0;
        uint64_t safe = 0;  // the newest sequence that another member has
        Place at;           // that member
        Place sent;         // to whom the newest copy went, if the answer is still to come
        uint64_t sequence = 0;
        Client waiting = 0;  // for that answer
    };

    [[nodiscard]] bool there(const Place& place) const;
    [[nodiscard]] Place place_of(Pnn pnn) const;
    [[nodiscard]] Place mirror_of(const RecordKey& key) const;
    void send(const RecordKey& key, Entry& entry, const Copy& copy);
    void answer(const RecordKey& key, Entry& entry);
    void forget_answered(Pnn from, const RecordKey& key);
    void secure(const RecordKey& key);
    void secure_more();

    Context& context_;
    SlotTransport& transport_;
    std::map<RecordKey, Entry, KeyLess> entries_;
    std::map<RecordKey, std::map<Pnn, size_t>, KeyLess> sent_;  // so many copies that are not answered
    std::set<RecordKey, KeyLess> unsafe_;   // without a second copy, and nobody waits
    std::set<RecordKey, KeyLess> securing_;  // of those that had none, sent: limits::max_mirrored_anew at once
};

}  // namespace Atoll::ctdb

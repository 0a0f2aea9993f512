// The transactions of this node's own clients, until they are answered.
#pragma once

#include <map>

#include "ctdb/core/locator.h"
#include "ctdb/core/persistent_store.h"

namespace Atoll::ctdb {

class PersistentSubmitter {
 public:
    PersistentSubmitter(Context& context, SlotTransport& transport, const PersistentStore& store)
        : context_(context), transport_(transport), store_(store) {}

    void client_commits(Client client, DatabaseId database, int64_t base, Writes writes);
    void transacted(const protocol::transacted& transacted);
    void view_accepted();
    void session_ended();
    // The databases are open, and what this node's disk has is decided.
    void opened();
    void kept(const holding& held);
    void lost(const TransactionId& id);

 private:
    struct Waiting {
        DatabaseId database = 0;
        int64_t base = protocol::ANY_SEQUENCE;
        Writes writes;
        TransactionId id;    // under which it was sent last; number 0: never
        bool asked = false;  // under this epoch
        uint64_t kept = 0;   // as which this node's disk has it; 0: it has not
    };

    [[nodiscard]] bool is_open(DatabaseId database) const {
        return open_ && (!without_synced(context_.view) || store_.replicated(database));
    }
    void send(Waiting& waiting);
    void done(Client client, protocol::transaction_result result, uint64_t seqnum);

    Context& context_;
    SlotTransport& transport_;
    const PersistentStore& store_;
    std::map<Client, Waiting> waiting_;
    uint64_t last_number_ = 0;
    bool open_ = false;
    Epoch epoch_ = 0;
};

// Writes in parts that fit into messages. `send(first, count, last)` is called at least once.
template <class Send>
void in_parts(const Writes& writes, size_t most, size_t most_bytes, const Send& send) {
    size_t first = 0;
    do {
        size_t count = 0, bytes = 0;
        while (first + count < writes.size() && count < most && bytes < most_bytes) {
            bytes += writes[first + count].key.size() + writes[first + count].value.size();
            count++;
        }
        send(first, count, first + count == writes.size());
        first += count;
    } while (first < writes.size());
}

// The part of `writes` as a message's own.
inline Writes part_of(const Writes& writes, size_t first, size_t count) {
    const auto begin = writes.begin() + static_cast<std::ptrdiff_t>(first);
    return Writes(begin, begin + static_cast<std::ptrdiff_t>(count));
}

}  // namespace Atoll::ctdb

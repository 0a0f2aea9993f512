// A member's copies of the persistent databases: what its disk has, what it writes there, and whether clients may read.
#pragma once

#include <map>
#include <optional>

#include "ctdb/core/locator.h"
#include "ctdb/core/membership.h"
#include "ctdb/core/persistent_store.h"

namespace Atoll::ctdb {

class PersistentReplica {
 public:
    // `kept`: the disk has this transaction now; `lost`: it has it no more. Of any node's clients.
    struct Observer {
        std::function<void(const holding&)> kept;
        std::function<void(const TransactionId&)> lost;
        // The disk does not take what the others have: the node has to leave. Said until its session has ended; while it has to stay, because
        // only it has all of some database, the disk is tried again.
        std::function<void()> unfit;
    };

    PersistentReplica(Context& context, SlotTransport& transport, const PersistentStore& store, Observer observer);

    void view_accepted();
    void session_ended();
    void prepare(Pnn from, protocol::prepare& prepare);
    void decided(Pnn from, const protocol::decided& decided);
    void bring(Pnn from, const protocol::bring& bring);
    void catch_up(protocol::catch_up& part);
    void opened(const protocol::opened& opened);
    void written(uint64_t ticket, bool ok);
    void tick();

    // The databases are open to this session.
    [[nodiscard]] bool open() const { return open_; }
    // A client may read the database now, and sees all that is committed.
    [[nodiscard]] bool readable(DatabaseId database, Time now) const;
    // 0: nothing was ever written to it.
    [[nodiscard]] uint64_t sequence(DatabaseId database) const;
    [[nodiscard]] bool writing() const { return !tickets_.empty(); }
    [[nodiscard]] const std::map<DatabaseId, holding>& holdings() const { return holdings_; }

 private:
    enum class Purpose { prepare, drop, catch_up };
    struct Ticket {
        Purpose purpose = Purpose::prepare;
        Epoch epoch = 0;
        holding after;
    };
    // Of a transaction, or of what brings this member up to date: the parts that have come.
    struct Incoming {
        Writes writes;
        size_t bytes = 0;
    };

    [[nodiscard]] bool from_coordinator(Pnn from, Epoch epoch) const;
    [[nodiscard]] holding held(DatabaseId database) const;
    void note_epoch(holding& held) const;
    [[nodiscard]] bool busy(DatabaseId database) const;
    static void take(Incoming& incoming, Writes& writes);
    void report();
    void write(PersistentWrite kind, Purpose purpose, const holding& after, Writes writes);
    void finished(const Ticket& ticket, bool ok);
    [[nodiscard]] bool comes_already(const holding& target) const;
    void try_again();

    Context& context_;
    SlotTransport& transport_;
    const PersistentStore& store_;
    const Observer observer_;
    std::map<DatabaseId, holding> holdings_;    // as on the disk
    std::map<DatabaseId, uint64_t> undecided_;  // the sequence number of a last transaction that may still be dropped
    std::map<DatabaseId, Incoming> incoming_;
    std::map<uint64_t, Ticket> tickets_;  // writes under way
    uint64_t last_ticket_ = 0;
    Epoch epoch_ = 0;
    bool open_ = false;
    bool report_due_ = false;
    bool unfit_ = false;
    Time refused_ = 0;               // when the disk last did not take something
    std::vector<holding> undropped_;  // it did not drop the transactions behind these
};

}  // namespace Atoll::ctdb

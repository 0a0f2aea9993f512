// A cluster of one process under a virtual clock: cores, the network between them, the cluster lock, clients, and faults, all from one
// seed.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ctdb/sim/checker.h"
#include "ctdb/sim/faults.h"
#include "ctdb/sim/lock_service.h"
#include "ctdb/sim/random.h"
#include "ctdb/sim/schedule.h"
#include "ctdb/sim/transaction_checker.h"

namespace Atoll::ctdb::sim {

struct Outcome {
    std::optional<std::string> violation;  // the first broken invariant, with the virtual time
    bool stalled = false;                  // it is that something that should have come right after the faults did not
    uint64_t steps = 0;
    uint64_t delivered = 0;   // messages
    uint64_t of_records = 0;  // of those, to and fro about single records
    uint64_t of_recoveries = 0;
    uint64_t changes = 0;       // of records, by clients
    uint64_t reads = 0;         // by clients that only read
    uint64_t transactions = 0;  // that were committed
    Time virtual_time = 0;
    uint32_t nodes = 0;
    uint64_t digest = 0;  // of everything that was delivered: the same seed gives the same
    FaultTable faults;
    Transitions transitions;
};

// Of a cluster without faults.
struct Cost {
    uint32_t nodes = 0;
    uint64_t records = 0;
    double idle_messages = 0;        // of a node in a second in which nothing happens
    double messages_per_change = 0;  // of a record that is anywhere
    Time recovery_time = 0;          // from the end of a ctdbd until all of the others go on
    uint64_t recovery_messages = 0;
    double recovery_processor = 0;  // seconds of a processor for it and each node, with what the simulator itself takes
    std::string violation;
};

class World {
 public:
    explicit World(const Options& options);
    Outcome run();
    Cost measure();

 private:
    void choose();
    // Life of a host
    void start(Host& host);
    uint32_t choose_level(Host& host);
    void crash(Host& host, bool supervised);
    void tick(Host& host, uint64_t incarnation);
    void deliver(Host& host, uint64_t incarnation, Event event);
    void handle(Host& host, Event event);
    void perform(Host& host, const Action& action);
    void offer_addresses(Host& host);
    void take_address(Host& host, AddressId address);
    void wake(Host& host);
    void trace(const Host& host, const char* what, const std::string& detail) const;

    // Network
    void transmit(const protocol::message& message);
    void arrive(Pnn to, const std::shared_ptr<Buffer>& bytes, Pnn from);
    void count_message_fault(Fault fault, Pnn to);

    // Cluster lock
    using LockStep = std::function<void(World&, Host&)>;
    void ask_lock(Host& host, LockStep step);
    void lock_step(Host& host, uint64_t incarnation, const LockStep& step);
    void take_lock(Host& host);
    void write_register(Host& host, const WriteRegister& write);
    [[nodiscard]] const std::optional<protocol::view>& register_content() const { return by_majority_ ? chosen_ : lock_.stored(); }

    // Votes, where there is none
    void write_ballot(Host& host, const WriteBallot& write);
    void finish_ballot(Host& host, bool ok);
    void end_ballots(Host& host);
    void note_copy(const protocol::register_copy& copy);

    // Clients
    void start_workers(Host& host);
    [[nodiscard]] bool all_settled() const;
    [[nodiscard]] bool at_rest() const;
    [[nodiscard]] uint64_t changes() const;
    void advance_until(const std::function<bool()>& condition);
    void schedule_worker(Host& host, size_t worker, Time delay, void (World::*step)(Host&, size_t));
    void begin(Host& host, size_t worker);
    [[nodiscard]] const RecordKey* choose_record(const Host& host);
    void lock_record(Host& host, size_t worker);
    void release(Host& host, size_t worker);
    void finish(Host& host, size_t worker);
    void granted(Host& host, const GrantRecord& grant);
    void mirrored(Host& host, const RecordMirrored& mirrored);
    void end_clients(Host& host);
    void kill_client(Host& host, size_t worker);
    bool clear_holder(Host& host, const RecordKey& key, Client client);
    [[nodiscard]] NodeLease lease_seen(const Host& host) const;

    // Readers
    void start_readers(Host& host);
    void schedule_reader(Host& host, size_t reader, Time delay, void (World::*step)(Host&, size_t));
    void begin_read(Host& host, size_t reader);
    bool read_record(Host& host, const RecordKey& key);
    void read_again(Host& host, size_t reader);
    void finish_read(Host& host, size_t reader);
    void answered(Host& host, const RecordReadable& answer);
    void kill_reader(Host& host, size_t reader);

    // Transactions
    void start_writers(Host& host);
    void schedule_writer(Host& host, size_t writer);
    void begin_transaction(Host& host, size_t writer);
    void transaction_done(Host& host, const TransactionDone& done);
    void watch_replicas();
    void write_persistent(Host& host, const WritePersistent& write);
    void end_disk(Host& host);
    void observe(Host& host);
    void note(const Host& host, const std::optional<std::string>& wrong);
    [[nodiscard]] bool readable(const Host& host, DatabaseId database) const;

    // Faults
    void schedule_fault();
    [[nodiscard]] bool is_rare(Phase phase) const;
    void watch_for_phase(Host& host);
    [[nodiscard]] Fault rarest_in(Phase phase);
    void inject();
    void met(Fault fault, const Host& host);
    void strike(Fault fault, Host& host);
    void strike_network(Fault fault, Host& host);
    void strike_flags(Host& host);
    void strike_policy(Host& host);
    void strike_listing(Host& host);
    [[nodiscard]] std::vector<Pnn> listed() const;
    void read_list(Host& host);
    void change_list(Pnn unlisted);
    void suspend(Host& host, bool whole_machine);
    void cut_lock(Host& struck);
    void block(Pnn from, Pnn to, Time duration);
    [[nodiscard]] Time some_time();

    // The end
    void calm();
    [[nodiscard]] std::string unsettled() const;
    void check_progress();

    Options options_;
    Random random_;
    Schedule schedule_;
    Hosts hosts_;
    std::vector<RecordKey> keys_;
    Checker checker_;
    TransactionChecker transactions_;
    std::set<std::pair<Pnn, Session>> keepers_;  // of what was answered of the replicated database up to kept_floor_
    uint64_t kept_floor_ = 0;
    uint64_t last_stamp_ = 0;
    LockService lock_;
    bool by_majority_ = false;
    std::optional<protocol::view> chosen_;  // what the register is then: a majority's disks have it
    Outcome outcome_;
    std::vector<std::vector<uint32_t>> blocked_;   // [from][to], by so many faults
    std::vector<std::vector<Time>> last_arrival_;  // [from][to]
    uint64_t loss_ = 0, late_ = 0, doubled_ = 0;   // messages of a million
    enum class Work { mixed, fill, none } work_ = Work::mixed;
    size_t filled_ = 0;        // records that clients have begun to fill
    bool stays_down_ = false;  // who crashes
    Time think_ = 0;
    Time reader_think_ = 0;
    Time writer_think_ = 0;
    Time fault_interval_ = 0;
    bool lies_in_wait_ = false;  // a fault, for a phase that few have met
    bool springing_ = false;     // it has found one
    Time blacked_out_ = 0;
    Pnn unlisted_ = no_node;  // who is not in the list of nodes
    bool calm_ = false;
};

}  // namespace Atoll::ctdb::sim

// The cluster part of grants (docs/grants.md): per file what each node has, and who waits for what. A database that all nodes share, of
// rank `open`, in which a record is locked on one node at a time. Each function is one locked step on one record.
//
// The rule that makes it safe: what a node has stands in the record before the node uses it, and goes from it after the node has given it
// up. Only the node itself adds to its entry. Others take away what its agent said that it has given up, and only while the entry has the
// stamp that it said: it has another one after each time that the node took something.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "tdb/database.h"
#include "tdb/function_ref.h"
#include "tdb/grants/rights.h"

namespace Atoll::grants {

struct NodeSession {
    uint32_t node = 0;
    uint64_t session = 0;  // 0: it does not serve
    bool operator==(const NodeSession&) const = default;
};

// What this process knows of the nodes.
class Nodes {
 public:
    virtual ~Nodes() = default;
    [[nodiscard]] virtual NodeSession self() const = 0;
    // True only if it is certain that nothing of that session serves any more.
    [[nodiscard]] virtual bool ended(const NodeSession& who) const = 0;
};

// Faults that a test plants, to show that it would notice.
enum class Planted : uint8_t {
    none,
    ignores_others,        // takes what is in another's way
    keeps_over_deletion,   // others keep what they have open of a file that is being deleted
    answers_before_break,  // a recall is answered before what rests on it has ended
    trusts_old_answers,    // what a node said counts though it has taken something since
    buries_the_living,     // a node that is not heard counts as one whose session has ended
    ignores_mark,          // opens what is to be deleted while others have it open
    ignores_turn,          // takes what somebody else waits for: unfair, and nothing worse
    count
};

struct Gone {  // said by a node's agent
    NodeSession who;
    rights what;
    uint64_t stamp = 0;
};

// What a step has found.
struct Found {
    bool taken = false;
    std::vector<node_share> in_the_way;  // of others, and only what is
    std::vector<uint32_t> ahead;         // nodes that wait for what excludes it, and came first
    std::vector<node_want> next;         // of other nodes, whose turn it is now
    rights held;                         // by this node, after the step
};

class HomeRecords {
 public:
    using Stamps = std::function<uint64_t()>;  // never gives one twice
    HomeRecords(tdb::Database& database, const Nodes& nodes, Stamps stamps, Planted planted = Planted::none)
        : database_(database), nodes_(nodes), stamps_(std::move(stamps)), planted_(planted) {}

    // Takes it if it is in nobody's way, and nobody's turn comes first; `enter` is called with the record held. Asks nobody, writes nothing
    // else.
    using Enter = tdb::FunctionRef<Result<void>(uint64_t stamp)>;
    Result<bool> take(Bytes file, const rights& wanted, Enter enter);

    // The same for the agent: what is not taken waits in the record as `number` from then on. Wants of this node that are not among `live`
    // are struck out: they are a former agent's.
    Result<Found> try_to_take(Bytes file, const rights& wanted, uint64_t number, std::span<const uint64_t> live, const Gone* gone,
                              Enter enter);
    // This node waits only for `live` any more.
    Result<Found> keep_waiting(Bytes file, std::span<const uint64_t> live);
    // This node has nothing of `lost` any more but what `left` gives, which is called with the record held.
    using Left = tdb::FunctionRef<Result<rights>()>;
    Result<rights> give_up(Bytes file, const rights& lost, Left left);

    // nullopt: there is none. One of a file that no node has anything of is none either.
    Result<void> set_mark(Bytes file, const std::optional<deletion_mark>& mark);
    Result<std::optional<deletion_mark>> mark_of(Bytes file);

 private:
    Result<tdb::LockedRecord> lock(Bytes file);
    Result<void> write(tdb::LockedRecord& record);
    void forget(const Gone& gone);
    void drop_wants(std::span<const uint64_t> live);
    bool drop_ended();
    void drop_idle_mark();
    [[nodiscard]] rights excluded(const rights& wanted, const rights& theirs) const;
    [[nodiscard]] bool conflicts_before(size_t end, const NodeSession& who, const rights& wanted) const;
    [[nodiscard]] size_t place_of(uint64_t number) const;
    void look(const rights& wanted, uint64_t number, Found& found) const;
    void find_next(Found& found) const;
    Result<bool> add(tdb::LockedRecord& record, const rights& wanted, uint64_t number, Enter enter);
    node_share& own_entry();

    tdb::Database& database_;
    const Nodes& nodes_;
    Stamps stamps_;
    const Planted planted_;
    file_grants record_;  // of the file that was locked last
    Buffer encoded_;
};

}  // namespace Atoll::grants

// The node part of grants (docs/grants.md): which rights to a file the node has, in a database that its processes share, and the way to the
// cluster part, which has to be asked for others. What the node has it keeps until it is recalled, so that an open which adds nothing costs
// one look into shared memory and no message. On a single node there is no cluster part, and nothing of this is made.
//
// Main thread only. The database is node-local, of rank `index`: need() and the like are called while no record of that rank or a higher
// one is held, nor any of the cluster part's.
#pragma once

#include <optional>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "tdb/database.h"
#include "tdb/grants/rights.h"

namespace Atoll::grants {

// The cluster part, as one process of this node sees it. What it asks of the node it asks by Recalls::recall() and hears of by gave().
class Home {
 public:
    virtual ~Home() = default;
    // This node's, for which all that it holds counts. 0: the node does not serve, and has nothing.
    [[nodiscard]] virtual uint64_t session() const = 0;
    // Takes for this node what is in no other's way: calls `enter` with the stamp of its entry, while no other node can take anything.
    // False: it has to be asked for.
    using Enter = tdb::FunctionRef<Result<void>(uint64_t stamp)>;
    virtual Result<bool> take(Bytes file, const rights& wanted, Enter enter) = 0;
    // Answered later, by NodeGrants::granted() or refused() in some process of this node.
    virtual void ask(Bytes file, const rights& wanted) = 0;
    // Of `lost`, which was recalled, the node has nothing any more but `kept`, which its opens still use. `stamp`: as NodeGrants::granted()
    // was told it last; 0: not known.
    virtual void gave(Bytes file, const rights& lost, const rights& kept, uint64_t stamp) = 0;
    // The mark that the file is to be deleted. While it is in force no node takes `opens`, unless nobody else has the file open any more.
    virtual Result<void> set_mark(Bytes file, const std::optional<deletion_mark>& mark) = 0;
    virtual Result<std::optional<deletion_mark>> mark_of(Bytes file) = 0;
};

// Whoever uses grants.
class Recalls {
 public:
    virtual ~Recalls() = default;
    // Another node wants `lost`: what rests on it is ended, and give_up() called. With `opens` the file may have been marked: what is open
    // of it here is marked too, before give_up().
    virtual void recall(Bytes file, const rights& lost) = 0;
    // The agent has got `deletion`: no other node has the file open. If it is marked, and nobody here has it open either, it goes.
    virtual void may_delete(Bytes file) = 0;
};

enum class Answer : uint8_t { here, wait, refused };

// What one who waits remembers between two calls of need(); 0: he has not asked yet.
using Question = uint64_t;

class NodeGrants {
 public:
    using Clock = NtTime (*)();
    NodeGrants(tdb::Database& held, Home& home, Clock now = NtTime::now) : held_(held), home_(home), now_(now) {}

    // Whether the node has all of it. One look.
    Result<bool> has(Bytes file, const rights& wanted);
    // The same, by whoever has just begun to use it: from now on it may be recalled again.
    Result<bool> uses(Bytes file, const rights& wanted);
    // Takes it if it is in nobody's way. Asks nobody.
    Result<bool> take(Bytes file, const rights& wanted);
    // The same, but what is missing is asked for, unless somebody has asked already. `wait`: `arm` has been called with the file's record
    // held, to watch it; it changes when the answer comes. `refused`: since he began to ask, another node has said that it keeps what
    // excludes it.
    using Arm = tdb::FunctionRef<Result<void>(const tdb::LockedRecord& record)>;
    Result<Answer> need(Bytes file, const rights& wanted, Question& question, Arm arm);

    // --- For the cluster part: answers, of which repeated ones do no harm.
    // Within Home::take() only. `awaited`: somebody has asked, and gets some time to use it before it can be recalled.
    Result<void> granted(Bytes file, const rights& given, uint64_t stamp, bool awaited);
    Result<void> refused(Bytes file, const rights& wanted);
    // What is asked for and not answered; whoever was to answer may have died.
    Result<rights> unanswered(Bytes file);
    Result<rights> held(Bytes file);

    // As of Home.
    Result<void> set_mark(Bytes file, const std::optional<deletion_mark>& mark) { return home_.set_mark(file, mark); }
    Result<std::optional<deletion_mark>> mark_of(Bytes file) { return home_.mark_of(file); }

    // Nobody here uses it any more, and whoever wants to asks again. The home hears of that when another node wants it.
    Result<void> lay_down(Bytes file, const rights& unused);

    // --- For Recalls, in this order: from take_back() on nobody here begins to use `lost`; then what rests on it is ended; then give_up()
    // says which of it is still used, and tells the home.
    // `wait`: it has been granted just now, `arm` has been called, and until `until` at most nothing is taken back.
    Result<Answer> take_back(Bytes file, const rights& lost, NtTime& until, Arm arm);
    Result<void> give_up(Bytes file, const rights& lost, const rights& kept);

 private:
    Result<tdb::LockedRecord> lock(Bytes file);
    Result<void> write(tdb::LockedRecord& record);
    bool read(Bytes value);
    [[nodiscard]] NtTime in_milliseconds(uint64_t milliseconds) const { return {now_().ticks + milliseconds * 10'000}; }

    tdb::Database& held_;
    Home& home_;
    const Clock now_;
    node_grants record_;  // of the file that was locked last
    Buffer encoded_;
};

}  // namespace Atoll::grants

// The node part of grants (docs/design.md, "Grants"): which rights to a file the node has, in a database that its processes share, and the
// way to the cluster part, which has to be asked for others. What the node has it keeps until it is recalled, so that an open which adds
// nothing costs one look into shared memory and no message. On a single node there is no cluster part, and nothing of this is made.
//
// Main thread only. The database is node-local, of rank `index`: need() and the like are called while no record of a higher rank is held.
#pragma once

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "tdb/database.h"
#include "tdb/grants/rights.h"

namespace Atoll::grants {

// The cluster part. It answers later, from the loop, never from within a call: by NodeGrants::granted() or refused() in some process of
// this node. It asks for what this node has by Recalls::recall(), in some process of it, and hears of the end by recalled().
class Home {
 public:
    virtual ~Home() = default;
    virtual void ask(Bytes file, const rights& wanted) = 0;
    // What was recalled is not the node's any more, but for `kept`, which its opens still use.
    virtual void recalled(Bytes file, const rights& lost, const rights& kept) = 0;
};

// Whoever uses grants.
class Recalls {
 public:
    virtual ~Recalls() = default;
    // Another node wants `lost`: what rests on it is ended, and give_up() called.
    virtual void recall(Bytes file, const rights& lost) = 0;
};

enum class Answer : uint8_t { here, wait, refused };

class NodeGrants {
 public:
    NodeGrants(tdb::Database& held, Home& home) : held_(held), home_(home) {}

    // Whether the node has all of it. One look.
    Result<bool> has(Bytes file, const rights& wanted);
    // The same, but what is missing is asked for, unless somebody has asked already. `wait`: `arm` has been called with the file's record
    // held, to watch it; it changes when the answer comes. `refused`: another node keeps what excludes it.
    using Arm = tdb::FunctionRef<Result<void>(const tdb::LockedRecord& record)>;
    Result<Answer> need(Bytes file, const rights& wanted, Arm arm);

    // --- For the cluster part: answers, of which repeated ones do no harm.
    Result<void> granted(Bytes file, const rights& given);
    Result<void> refused(Bytes file, const rights& wanted);

    // --- For Recalls, in this order: from take_back() on nobody here begins to use `lost`; then what rests on it is ended; then give_up()
    // says which of it is still used, and tells the home.
    Result<void> take_back(Bytes file, const rights& lost);
    Result<void> give_up(Bytes file, const rights& lost, const rights& kept);

 private:
    Result<tdb::LockedRecord> lock(Bytes file);
    Result<void> write(tdb::LockedRecord& record);

    tdb::Database& held_;
    Home& home_;
    node_grants record_;  // of the file that was locked last
    Buffer encoded_;
};

}  // namespace Atoll::grants

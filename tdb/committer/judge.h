// Whether a batch may be made, as its conditions say.
#pragma once

#include <string>

#include "base/result.h"
#include "tdb/committer/committer.idl.h"
#include "tdb/database.h"

namespace Atoll::committer {

// What there is, before the batch.
class Standing {
 public:
    // A database that batches may name.
    virtual bool has(const std::string& database) = 0;
    // False: no such record. Of a database that has() knows.
    virtual Result<bool> look(const std::string& database, Bytes key, tdb::Parser parser) = 0;

 protected:
    ~Standing() = default;
};

// `reply` becomes COMMITTED, or says why the batch may not be made, and which of its changes is about that.
void judge(const batch& request, Standing& standing, answer& reply);

bool is_condition(change_kind kind);     // of these, some also change something
bool changes_something(change_kind kind);
bool changes_something(const batch& request);

void reply_with(answer& reply, outcome result, std::string text);
void reply_with(answer& reply, const Error& error);

}  // namespace Atoll::committer

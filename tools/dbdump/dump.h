// Prints databases, whatever store they are in.
#pragma once

#include <string>

#include "base/result.h"
#include "tools/dbdump/schema.h"

namespace Atoll::dbdump {

struct Options {
    std::string path = {};
    std::string schema = {};    // name of the database whose format it has; empty: by its own name
    std::string database = {};  // of an LMDB file only this one; empty: all
    Form form = Form::text;
};

struct Outcome {
    std::string text;         // what is to be printed
    uint64_t records = 0;     // in it
    uint64_t unreadable = 0;  // of them: printed as bytes, with the reason
};

// A database that is in use may be dumped: each record is as it is at some moment, not all at one. Code::corrupt: neither a TDB file nor an
// LMDB one, or damaged.
Result<Outcome> dump(const Options& options);

}  // namespace Atoll::dbdump

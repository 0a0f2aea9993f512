// An LMDB file that has lost its end. Whoever reads what is not there through LMDB's map ends with SIGBUS, so this is found out before.
#pragma once

#include <string>

struct MDB_env;

namespace Atoll::tdb {

// True: the file at `path`, which `environment` has just opened, ends before something that its last commit uses. That it ends before the
// last page that the commit counts may be in order: LMDB does not write a page that was taken and given back in one transaction. Then
// everything is read once, in a child process, which may die of it.
bool is_cut_short(MDB_env* environment, const std::string& path);

}  // namespace Atoll::tdb

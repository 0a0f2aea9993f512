// The index of directories' names that the processes of a server share (vfs/name_index.h).
#pragma once

namespace Atoll::fsa {

// Makes it, for all processes that are forked from the calling one after this.
void share_names();
// For a process that looks up no names: it can then do the others' index no harm.
void give_up_names();

}  // namespace Atoll::fsa

#include "smbd/fsa/name_sharing.h"

#include "vfs/name_index.h"

namespace Atoll::fsa {

void share_names() { (void)vfs::NameIndex::of_process(); }

void give_up_names() { vfs::NameIndex::of_process().give_up(); }

}  // namespace Atoll::fsa

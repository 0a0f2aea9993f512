// Leases on directories (MS-SMB2 3.3.5.9.11): who holds one caches the directory's listing, names and information alike, and is told when
// somebody else changes it (MS-FSA 2.1.4.12 with PARENT_OBJECT). Nobody waits for that.
//
// Whoever makes, removes or renames a name, or changes what a listing tells of a file, says so here, after the change. A change through an
// open whose parent lease is the directory's breaks nothing: its client knows (MS-FSA 2.1.4.12.2). With no leases and no other nodes it
// costs nothing, else one look into shared memory for either beside finding out which directory it is.
//
// What programs on the machine change is outside the promise, as it is for other leases without `kernel oplocks`. Main thread only.
#pragma once

#include <string>
#include <string_view>

#include "smbd/fsa/grants.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/share_root.h"

namespace Atoll::fsa {

class OpenFile;

class DirectoryLeases {
 public:
    DirectoryLeases(OplockTable& oplocks, Grants& node) : oplocks_(oplocks), node_(node) {}

    // `through`: the open that changes it; null: there is none, and everybody is told. `directory` and its `stat`; the latter may be old.
    void children_changed(ShareRoot& share, const vfs::File& directory, const vfs::Stat& stat, const OpenFile* through);
    // Of `name`, from the share's root, '/' between components: its directory. Nothing for the root, whose directory is not the share's.
    void child_changed(ShareRoot& share, std::string_view name, const OpenFile* through);

 private:
    OplockTable& oplocks_;
    Grants& node_;
    std::string path_;  // scratch
};

}  // namespace Atoll::fsa

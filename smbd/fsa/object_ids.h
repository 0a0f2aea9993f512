// The index of object ids: that no two files of a volume have the same (MS-FSA 2.1.5.10.35). It stands in a database that outlives the
// server, and says of each id which file it was given to, by a handle that outlives renames. That file is looked at before anybody is told
// that the id is taken: whoever deletes, restores or copies files beside the server need not tell it.
//
// Where the file system has no handles, or the server may not use them, ids are not compared. Main thread only; for what clients seldom
// ask.
#pragma once

#include "smbd/fsa/fsa.h"
#include "smbd/fsa/object_ids.idl.h"
#include "tdb/function_ref.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

class ObjectIds {
 public:
    explicit ObjectIds(const FileSystemParams& params) : params_(params) {}

    // Calls `give`, which makes `id` the file's, unless another file of the volume has it: DUPLICATE_NAME.
    using Give = tdb::FunctionRef<Result<void, NtStatus>()>;
    Result<void, NtStatus> claim(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id, Give give);
    // The file has it, perhaps from before there was an index.
    void note(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id);
    // The file has it no more.
    void forget(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id);

 private:
    tdb::Database* index();
    bool read(tdb::Database& index, Bytes key);
    bool is_taken(vfs::Vfs& vfs, Bytes id);
    [[nodiscard]] bool is_owner() const;

    const FileSystemParams& params_;
    object_id_owner owner_;
    Buffer handle_, encoded_;
};

}  // namespace Atoll::fsa

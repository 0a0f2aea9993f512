// An open file or directory of a client, and whole-file operations on top of it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcli/client/tree.h"
#include "libcli/smb/file_io.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/query.h"

namespace Atoll::client {

// What a CREATE asks for, with the name in UTF-8 (backslashes, relative to the share).
struct OpenOptions {
    uint32_t access = smb::access_mask::file_generic_read;
    uint32_t attributes = 0;
    uint32_t share = smb::file_share::all;
    smb::CreateDisposition disposition = smb::CreateDisposition::open;
    uint32_t options = 0;
    smb::OplockLevel oplock = smb::OplockLevel::none;
    smb::CreateContexts contexts = {};

    static OpenOptions read() { return {}; }
    static OpenOptions write();                 // generic read, write and delete; overwrite_if
    static OpenOptions directory(bool create);  // open, or open_if
};

// A CREATE request with its contexts, for Tree::start and Tree::add.
struct CreateCall {
    smb::CreateRequest request;
    smb::CreateContexts contexts = {};
    Buffer name;
    // `name` is not checked: invalid UTF-8 gives OBJECT_NAME_INVALID from File::open, and an assertion here.
    CreateCall(std::string_view utf8_name, const OpenOptions& options);
    void encode(ByteWriter& out) const { request.encode(out, contexts); }
};

struct DirectoryItem {
    std::string name;
    smb::FileTimesAndSizes info;
    uint64_t file_id = 0;
};

// Which LOCK of an open this is, so that the server knows it when it comes again (MS-SMB2 2.2.26): index 1 to 64, number modulo 16.
// Index 0: none.
struct LockSequence {
    uint32_t index = 0;
    uint8_t number = 0;
};

class File {
 public:
    // The blocking calls; each also has its request in libcli/smb for Tree::start.
    static Result<File, NtStatus> open(Tree& tree, std::string_view name, const OpenOptions& options = {});
    File(Tree& tree, const smb::CreateResponse& response) : tree_(&tree), id_(response.file_id), created_(response) {
        created_.contexts = {};
    }

    [[nodiscard]] const smb::FileId& id() const { return id_; }
    [[nodiscard]] const smb::CreateResponse& created() const { return created_; }            // without its contexts
    [[nodiscard]] const smb::CreateResponseContexts& contexts() const { return contexts_; }  // their views are empty
    Tree& tree() { return *tree_; }

    // Up to `length` bytes (at most the server's max read size) appended to `out`; END_OF_FILE at the end.
    NtStatus read(uint64_t offset, uint32_t length, Buffer& out);
    // Bytes written, which may be fewer.
    Result<uint32_t, NtStatus> write(uint64_t offset, Bytes data, uint32_t flags = 0);
    ExchangePtr start_read(uint64_t offset, uint32_t length);
    ExchangePtr start_write(uint64_t offset, Bytes data, uint32_t flags = 0);
    // One LOCK request; `flags` are smb::lock_flags. Without fail_immediately it may wait.
    ExchangePtr start_lock(std::span<const smb::LockElement> elements, LockSequence sequence = {});
    NtStatus lock(uint64_t offset, uint64_t length, uint32_t flags, LockSequence sequence = {});
    NtStatus unlock(uint64_t offset, uint64_t length, LockSequence sequence = {});
    NtStatus flush();
    NtStatus close();
    Result<smb::CloseResponse, NtStatus> close_with_attributes();

    // QUERY_INFO; the bytes are appended to `out`. BUFFER_OVERFLOW is a success with a part of the information.
    NtStatus query(smb::InfoType type, uint8_t info_class, Buffer& out, uint32_t max_size = 65536, uint32_t additional = 0);
    NtStatus set(smb::InfoType type, uint8_t info_class, Bytes information, uint32_t additional = 0);
    template <class T>
    Result<T, NtStatus> query(smb::FileInformationClass c) {
        kept_.clear();
        const NtStatus status = query(smb::InfoType::file, static_cast<uint8_t>(c), kept_);
        if (is_error(status)) return status;
        return T::decode(kept_);
    }
    template <class T>
    Result<T, NtStatus> query(smb::FsInformationClass c) {
        kept_.clear();
        const NtStatus status = query(smb::InfoType::filesystem, static_cast<uint8_t>(c), kept_);
        if (is_error(status)) return status;
        return T::decode(kept_);
    }
    template <class T>
    NtStatus set(smb::FileInformationClass c, const T& information) {
        Buffer bytes;
        ByteWriter out(bytes);
        information.encode(out);
        return set(smb::InfoType::file, static_cast<uint8_t>(c), bytes);
    }
    NtStatus set_delete(bool on);
    NtStatus rename(std::string_view new_name, bool replace);

    // One QUERY_DIRECTORY: entries are appended; NO_MORE_FILES at the end, NO_SUCH_FILE if nothing matches.
    NtStatus query_directory(smb::FileInformationClass c, uint8_t flags, std::string_view pattern, uint32_t max_size,
                             std::vector<DirectoryItem>& out);
    // All of the directory, "." and ".." included.
    Result<std::vector<DirectoryItem>, NtStatus> list(std::string_view pattern = "*");

 private:
    Tree* tree_;
    smb::FileId id_;
    smb::CreateResponse created_;
    smb::CreateResponseContexts contexts_;
    Buffer kept_;
};

// Whole operations by name.
NtStatus make_directory(Tree& tree, std::string_view name);
NtStatus remove(Tree& tree, std::string_view name);       // file or empty directory
NtStatus remove_tree(Tree& tree, std::string_view name);  // with all below it; SUCCESS if it is not there
NtStatus put(Tree& tree, std::string_view name, Bytes content);
NtStatus get(Tree& tree, std::string_view name, Buffer& out);

}  // namespace Atoll::client

// Names a stream of a file across processes and nodes (docs/design.md, "State"): the key of share modes, locks and leases.
#pragma once

#include <compare>
#include <cstdint>

namespace Atoll::fsa {

struct FileId {
    // Of `generation`, which no file system's fills: directories' opens are kept elsewhere than files' (FileSystemParams::directories), and
    // a key says what it is of.
    static constexpr uint64_t of_directory = uint64_t{1} << 63;

    uint64_t volume = 0, inode = 0, generation = 0;
    uint64_t stream = 0;  // 0: the unnamed one, or a directory; else a hash of the stream's name, whatever its case
    [[nodiscard]] FileId of_file() const { return {volume, inode, generation, 0}; }
    [[nodiscard]] bool is_directory() const { return (generation & of_directory) != 0; }  // or a stream of one
    auto operator<=>(const FileId&) const = default;
};

}  // namespace Atoll::fsa

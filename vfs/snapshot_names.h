// How the directories of snapshots are named (vfs_shadow_copy2(8): shadow:format, sscanf, localtime, snapprefix, delimiter).
#pragma once

#include <regex.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vfs/vfs.h"

namespace Atoll::vfs {

class SnapshotNames {
 public:
    explicit SnapshotNames(const Options& options);
    ~SnapshotNames();
    SnapshotNames(const SnapshotNames&) = delete;
    SnapshotNames& operator=(const SnapshotNames&) = delete;

    // Seconds since 1970, more than 0; nullopt for what names no snapshot.
    [[nodiscard]] std::optional<int64_t> time_of(std::string_view name) const;
    // With `shadow:snapprefix` several names may have one time: then nullopt, and it has to be looked for.
    [[nodiscard]] std::optional<std::string> name_of(int64_t time) const;

 private:
    [[nodiscard]] std::optional<int64_t> parse(const std::string& text) const;
    [[nodiscard]] std::string print(int64_t time) const;

    std::string format_;
    std::string before_, after_;  // what stands around the number, with `shadow:sscanf`
    std::string delimiter_;
    regex_t prefix_{};
    bool has_prefix_ = false, is_number_ = false, is_local_ = false;
};

}  // namespace Atoll::vfs

// The vote of a node whose cluster has no cluster lock (ctdb/core/voter.h), in a file of its state directory.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ctdb/core/types.h"

namespace Atoll::ctdb {

class Votes {
 public:
    // Waits until no former ctdbd, nor its supervisor, writes it any more. Code::busy: one goes on.
    static Result<Votes> open(const std::string& state_directory, Pnn me);

    [[nodiscard]] const std::optional<protocol::ballot>& found() const { return found_; }
    // Durable when it returns.
    Result<void> write(const protocol::ballot& ballot) const;

 private:
    Votes(std::string path, UniqueFd lock, std::optional<protocol::ballot> found)
        : path_(std::move(path)), lock_(std::move(lock)), found_(std::move(found)) {}

    std::string path_;
    UniqueFd lock_;  // and of all processes that are forked with it
    std::optional<protocol::ballot> found_;
};

}  // namespace Atoll::ctdb

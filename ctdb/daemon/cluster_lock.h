// The cluster lock and its register, as the supervisor uses them: every call may wait for the cluster's storage.
//
// The lock is a POSIX lock on the file of `cluster lock`, or what the command behind "!" holds (it writes 0 when it has the lock, 1 when
// somebody else has, and lets go when it is told to end or its parent is gone).
//
// The register is a set of files, PATH.PNN, of which each node writes its own; the one with the highest term, and in it the highest view,
// counts. So what a former holder writes too late, having stood still since it lost the lock, changes nothing.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ctdb/core/types.h"
#include "ctdb/protocol/node.idl.h"

namespace Atoll::ctdb {

class ClusterLock {
 public:
    ClusterLock(std::string lock, std::string register_path, Pnn me)
        : lock_(std::move(lock)), register_(std::move(register_path)), me_(me) {}
    ~ClusterLock() { release(); }
    ClusterLock(const ClusterLock&) = delete;
    ClusterLock& operator=(const ClusterLock&) = delete;

    // The register as the new holder finds it, with the term that it has from now on. Code::busy: somebody else has the lock.
    Result<protocol::lock_register> take();
    // Ours still, for sure.
    [[nodiscard]] bool held();
    void release();
    // Durable when it returns. Code::dead: the lock is not ours any more.
    Result<void> write(const protocol::view& view);

    [[nodiscard]] bool holding() const { return term_ != 0; }
    [[nodiscard]] Term term() const { return term_; }

 private:
    Result<void> take_file();
    Result<void> take_by_helper();
    [[nodiscard]] bool file_held();
    [[nodiscard]] bool helper_held();
    [[nodiscard]] Result<protocol::lock_register> read_register() const;
    Result<void> write_own(const protocol::lock_register& content);

    const std::string lock_;
    const std::string register_;
    const Pnn me_;
    Term term_ = 0;
    UniqueFd file_;
    pid_t helper_ = 0;
};

}  // namespace Atoll::ctdb

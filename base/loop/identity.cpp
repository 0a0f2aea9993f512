#include "base/loop/identity.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "base/assert.h"

namespace Atoll::loop {

namespace {

struct Start {
    bool privileged;
    Identity identity;  // whom the process acts as when it serves nobody
};

Identity read_identity() {
    Identity identity{geteuid(), getegid(), {}};
    const int count = getgroups(0, nullptr);
    ATOLL_ASSERT(count >= 0);
    identity.groups.resize(static_cast<size_t>(count));
    ATOLL_ASSERT(getgroups(count, identity.groups.data()) == count);
    return identity;
}

Start read_start() {
    uid_t real = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    ATOLL_ASSERT(getresuid(&real, &effective, &saved) == 0);
    return {real == 0 && effective == 0 && saved == 0, read_identity()};
}

const Start& start() {
    static const Start value = read_start();
    return value;
}

// A thread begins with the credentials that its maker had at that moment.
Identity& thread_identity() {
    thread_local Identity identity = read_identity();
    return identity;
}

void must(long result) { ATOLL_ASSERT(result == 0); }

// Groups can be set only with CAP_SETGID in effect, that is as effective root; so the way from one user to another leads over root.
void switch_to(const Identity& identity) {
    constexpr uid_t keep = static_cast<uid_t>(-1);
    Identity& now = thread_identity();
    if (now.uid != 0) must(syscall(SYS_setresuid, keep, 0, keep));
    if (now.groups != identity.groups) must(syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()));
    if (now.gid != identity.gid) must(syscall(SYS_setresgid, keep, identity.gid, keep));
    if (identity.uid != 0) must(syscall(SYS_setresuid, keep, identity.uid, keep));
    now = identity;
}

}  // namespace

bool is_privileged() { return start().privileged; }

bool is_admitted(const Identity& identity) { return start().privileged || identity.uid == start().identity.uid; }

bool take_identity(const Identity& identity) {
    // start() is read before anything is switched, here or in the first thread that asks.
    if (!start().privileged) return identity.uid == start().identity.uid;
    if (identity != thread_identity()) switch_to(identity);
    return true;
}

void take_root() { ATOLL_ASSERT(take_identity(start().identity)); }

const Identity& current_identity() { return thread_identity(); }

RootScope::RootScope() {
    if (!start().privileged || thread_identity().uid == 0) return;
    former_ = thread_identity();
    switched_ = true;
    take_root();
}

RootScope::~RootScope() {
    if (switched_) ATOLL_ASSERT(take_identity(former_));
}

}  // namespace Atoll::loop

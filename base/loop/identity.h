// Who a thread acts as. Linux keeps credentials per thread; smbd uses that: each thread takes the identity of the user it serves.
//
// Only the effective ids and the supplementary groups change, by raw system calls (the C library's wrappers change every thread). Real
// and saved ids stay 0, so that no user can signal the process and root can be taken back. While the effective uid is not 0 the kernel
// has emptied the effective capability set: file access is checked as the user's own.
//
// Each thread remembers the identity that it took last and makes system calls only when another is asked for.
//
// A process that was not started as root is unprivileged: identities are then not switched, and only the uid that started it is admitted.
#pragma once

#include <sys/types.h>

#include <vector>

namespace Atoll::loop {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // supplementary; the primary gid need not be among them

    bool operator==(const Identity&) const = default;
};

// True if this process can take the identity of any user: its real, effective and saved uid were 0 when first asked.
bool is_privileged();
// Whether take_identity can succeed: any identity when privileged, else only the uid that started the process.
bool is_admitted(const Identity& identity);

// The calling thread acts as `identity` from now on. False, with nothing changed, if it is not admitted. That the kernel refuses an
// admitted identity is asserted not to happen: going on would mean acting as somebody else.
[[nodiscard]] bool take_identity(const Identity& identity);
// The calling thread acts as root again (as the invoking user, when unprivileged).
void take_root();
// The identity that the calling thread has now.
const Identity& current_identity();

// Root inside the scope, the thread's former identity after it. Each use says in a comment why root is needed. Scopes nest.
class RootScope {
 public:
    RootScope();
    ~RootScope();
    RootScope(const RootScope&) = delete;
    RootScope& operator=(const RootScope&) = delete;

 private:
    Identity former_;
    bool switched_ = false;
};

}  // namespace Atoll::loop

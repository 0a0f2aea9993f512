#include "ctdb/daemon/votes.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/buffer.h"
#include "base/file.h"
#include "base/time.h"
#include "ctdb/daemon/files.h"
#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

constexpr useconds_t look_again_us = 10'000;

Result<UniqueFd> lock_alone(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, path, "cannot create");
    const Monotonic deadline = monotonic_now() + limits::votes_patience;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, path, "cannot lock it");
        if (monotonic_now() > deadline) return fail(Code::busy, path, "a former ctdbd has not ended");
        ::usleep(look_again_us);
    }
    return fd;
}

Result<std::optional<protocol::ballot>> read_ballot(const std::string& path) {
    const auto text = read_file(path, limits::max_register_file);
    if (!text && text.error().code == Code::not_found) return std::optional<protocol::ballot>();
    if (!text) return text.failure();
    auto ballot = idl::decode<protocol::ballot>(as_bytes(*text));
    if (!ballot) return fail(ballot.error().code, path, ballot.error().message());
    return std::optional(std::move(*ballot));
}

}  // namespace

Result<Votes> Votes::open(const std::string& state_directory, Pnn me) {
    const std::string path = state_directory + "/votes." + std::to_string(me);
    auto lock = lock_alone(path + ".lock");
    if (!lock) return lock.failure();
    auto found = read_ballot(path);
    if (!found) return found.failure();
    return Votes(path, std::move(*lock), std::move(*found));
}

Result<void> Votes::write(const protocol::ballot& ballot) const {
    Buffer bytes;
    encode(ballot, bytes, idl::first_level);
    return replace_file(path_, as_text(bytes));
}

}  // namespace Atoll::ctdb

#include "base/loop/socket_path.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/loop/identity.h"

namespace Atoll::loop {

namespace {

constexpr int backlog = 128;

struct Place {
    UniqueFd directory;
    UniqueFd socket;
    std::string name;
    sockaddr_un address{};
};

Result<Place> open_place(const std::string& path) {
    const size_t slash = path.rfind('/');
    ATOLL_ASSERT(slash != path.npos);
    Place place;
    place.name = path.substr(slash + 1);
    place.directory.reset(open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!place.directory) return fail_errno(errno, path, "cannot open its directory");
    place.socket.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!place.socket) return fail_errno(errno, path, "cannot make a socket");
    const std::string by_descriptor = fmt::format("/proc/self/fd/{}/{}", place.directory.get(), place.name);
    ATOLL_ASSERT(by_descriptor.size() < sizeof place.address.sun_path);
    place.address.sun_family = AF_UNIX;
    std::memcpy(place.address.sun_path, by_descriptor.data(), by_descriptor.size());
    return place;
}

}  // namespace

Result<UniqueFd> listen_on_path(const std::string& path) {
    const RootScope root;  // the directory is root's
    auto place = open_place(path);
    if (!place) return place.failure();
    (void)unlinkat(place->directory.get(), place->name.c_str(), 0);
    const mode_t former = umask(0177);
    const int bound = bind(place->socket.get(), reinterpret_cast<const sockaddr*>(&place->address), sizeof place->address);
    const int error = errno;
    umask(former);
    if (bound != 0) return fail_errno(error, path, "cannot bind a socket");
    if (listen(place->socket.get(), backlog) != 0) return fail_errno(errno, path, "cannot listen");
    return std::move(place->socket);
}

Result<UniqueFd> connect_to_path(const std::string& path) {
    const RootScope root;  // the socket is root's alone
    auto place = open_place(path);
    if (!place) return place.failure();
    if (connect(place->socket.get(), reinterpret_cast<const sockaddr*>(&place->address), sizeof place->address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED) return fail(Code::dead, path, "nobody listens there");
        return fail_errno(errno, path, "cannot connect");
    }
    return std::move(place->socket);
}

}  // namespace Atoll::loop

#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace Atoll::inline base {

Result<std::string> read_file(const std::string& path, size_t most) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd) return fail_errno(errno, path, "cannot open");
    std::string text;
    char block[16384];
    for (;;) {
        const ssize_t n = ::read(fd.get(), block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, path, "cannot read");
        if (n == 0) return text;
        text.append(block, static_cast<size_t>(n));
        if (text.size() > most) return fail(Code::no_space, path, "file is too large");
    }
}

Result<void> sync_directory_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string directory = slash == path.npos ? "." : path.substr(0, slash + 1);
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return fail_errno(errno, directory, "cannot sync the directory");
    return {};
}

}  // namespace Atoll::inline base

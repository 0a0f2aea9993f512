#include "tools/smbcontrol/destination.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/unique_fd.h"

namespace Atoll::smbcontrol {

namespace {

std::optional<pid_t> number_in(std::string_view text) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) return std::nullopt;
    return pid;
}

Result<std::vector<messaging::ServerId>> nobody(std::string_view name) {
    return fail(Code::not_found, {}, fmt::format("Can't find pid for destination '{}'", name));
}

}  // namespace

std::optional<pid_t> running_server(const conf::GlobalConf& conf) {
    const UniqueFd fd(::open((conf.pid_directory + "/smbd.pid").c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return std::nullopt;
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;  // a dead server left it
    char text[32];
    const ssize_t size = ::read(fd.get(), text, sizeof text);
    if (size <= 0) return std::nullopt;
    const std::string_view line(text, static_cast<size_t>(size));
    return number_in(line.substr(0, line.find('\n')));
}

Result<std::vector<messaging::ServerId>> find_destination(std::string_view name, const conf::GlobalConf& conf,
                                                          const messaging::MessageSocket& mailbox) {
    std::optional<pid_t> wanted;
    if (name == "smbd") {
        wanted = running_server(conf);
    } else if (name != "all") {
        wanted = number_in(name);
    }
    if (!wanted && name != "all") return nobody(name);
    std::vector<messaging::ServerId> found = mailbox.processes();
    std::erase_if(found, [&](const messaging::ServerId& id) {
        if (id.process_class() == messaging::ProcessClass::tool || !mailbox.exists(id)) return true;
        return wanted && id.pid != static_cast<uint64_t>(*wanted);
    });
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
    if (found.empty() && name == "smbd") return nobody(name);
    return found;
}

}  // namespace Atoll::smbcontrol

#include "smbd/server/start.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "conf/durability_report.h"
#include "smbd/accounts/authority.h"

namespace Atoll::server {

namespace {

Result<void> need_directory(const char* parameter, const std::string& path, mode_t mode) {
    std::error_code error;
    const bool there = std::filesystem::is_directory(path, error);
    if (!there) {
        const std::string parent = std::filesystem::path(path).parent_path();
        std::filesystem::create_directories(parent, error);
        if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail_errno(errno, path, fmt::format("cannot make the {}", parameter));
    }
    if (access(path.c_str(), R_OK | W_OK | X_OK) != 0)
        return fail_errno(errno, path, fmt::format("the {} cannot be written to", parameter));
    return {};
}

Result<void> need_directories(const conf::GlobalConf& conf) {
    const struct {
        const char* parameter;
        const std::string& path;
        mode_t mode;
    } wanted[] = {{"lock directory", conf.lock_directory, 0755},
                  {"state directory", conf.state_directory, 0755},
                  {"cache directory", conf.cache_directory, 0755},
                  {"private dir", conf.private_dir, 0700},
                  {"pid directory", conf.pid_directory, 0755}};
    for (const auto& [parameter, path, mode] : wanted) {
        if (auto made = need_directory(parameter, path, mode); !made) return made;
    }
    return {};
}

void report_missing_paths(const conf::Configuration& configuration) {
    for (const auto& share : configuration.shares()) {
        if (share->path.empty() || conf::has_macros(share->path) || !share->available) continue;
        struct stat st;
        const bool there = stat(share->path.c_str(), &st) == 0;
        if (there && S_ISDIR(st.st_mode)) continue;
        log_warning("share '{}': path {}: {}", share->name, share->path, strerror(there ? ENOTDIR : errno));
    }
}

}  // namespace

Result<void> check_start(const std::shared_ptr<const conf::Configuration>& configuration) {
    if (auto made = need_directories(configuration->global()); !made) return made;
    if (auto authority = accounts::Authority::open(configuration); !authority) return authority.failure();
    report_missing_paths(*configuration);
    return {};
}

void report_durability(const conf::Configuration& configuration) {
    for (const auto& share : configuration.shares()) {
        if (!conf::has_durability(*share)) continue;
        const bool refused = share->continuous_availability && !conf::lines_against_persistent(*share).empty();
        log_at(refused ? LogLevel::warning : LogLevel::notice, "{}", conf::describe_durability(*share));
    }
}

PidFile::PidFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)), owner_(getpid()) {}

PidFile::~PidFile() {
    if (fd_ && owner_ == getpid()) unlink(path_.c_str());
}

Result<PidFile> PidFile::create(const conf::GlobalConf& conf) {
    std::string path = conf.pid_directory + "/smbd.pid";
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return fail_errno(errno, path, "cannot make the pid file");
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(fd.get(), F_SETLK, &lock) != 0) {
        (void)fcntl(fd.get(), F_GETLK, &lock);
        return fail(Code::exists, path, fmt::format("smbd is running already, as process {}", lock.l_pid));
    }
    const std::string text = fmt::format("{}\n", getpid());
    const auto size = static_cast<ssize_t>(text.size());  // at no time is the file empty
    if (pwrite(fd.get(), text.data(), text.size(), 0) != size || ftruncate(fd.get(), size) != 0) {
        return fail_errno(errno, path, "cannot write the pid file");
    }
    return PidFile(std::move(path), std::move(fd));
}

Result<Guid> server_guid(const conf::GlobalConf& conf) {
    const std::string path = conf.state_directory + "/server_guid";
    const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return fail_errno(errno, path, "cannot open");
    char text[64];
    const ssize_t n = read(fd.get(), text, sizeof text);
    if (n < 0) return fail_errno(errno, path, "cannot read");
    if (n >= 36) {
        if (const auto guid = parse_guid({text, 36})) return *guid;
        return fail(Code::corrupt, path, "holds no GUID");
    }
    const Guid guid = Guid::random();
    const std::string line = to_string(guid) + "\n";
    if (pwrite(fd.get(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) return fail_errno(errno, path, "cannot write");
    return guid;
}

}  // namespace Atoll::server

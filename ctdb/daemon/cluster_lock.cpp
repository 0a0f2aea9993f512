#include "ctdb/daemon/cluster_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/file.h"
#include "base/buffer.h"
#include "base/log.h"
#include "ctdb/daemon/files.h"
#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

bool set_lock(int fd) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    whole.l_len = 1;
    int set = 0;
    do set = ::fcntl(fd, F_SETLK, &whole);
    while (set != 0 && errno == EINTR);
    return set == 0;
}

std::vector<std::string> words_of(const std::string& text) {
    std::vector<std::string> words;
    for (size_t at = text.find_first_not_of(" \t"); at != text.npos;) {
        const size_t end = text.find_first_of(" \t", at);
        words.push_back(text.substr(at, end - at));
        at = end == text.npos ? end : text.find_first_not_of(" \t", end);
    }
    return words;
}

// In the child: `out` is its standard output. Does not return.
[[noreturn]] void become_helper(const std::vector<std::string>& words, int out) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(ignored, SIG_DFL);
    if (::dup2(out, STDOUT_FILENO) == STDOUT_FILENO) ::execv(arguments[0], arguments.data());
    ::_exit(127);
}

std::pair<Term, ViewId> rank_of(const protocol::lock_register& content) { return {content.term, content.last ? content.last->id : 0}; }

}  // namespace

Result<protocol::lock_register> ClusterLock::take() {
    if (term_ != 0) release();
    if (auto taken = lock_[0] == '!' ? take_by_helper() : take_file(); !taken) return taken.failure();
    auto content = read_register();
    if (content) {
        content->term++;
        term_ = content->term;
        if (auto written = write_own(*content); !written) content = written.failure();
    }
    if (content && !held()) content = fail(Code::busy, lock_, "was lost at once");
    if (!content) release();
    return content;
}

Result<void> ClusterLock::take_file() {
    file_.reset(::open(lock_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file_) return fail_errno(errno, lock_, "cannot open the cluster lock");
    if (set_lock(file_.get())) return {};
    const int error = errno;
    file_.reset();
    if (error == EAGAIN || error == EACCES) return fail(Code::busy, lock_, "another node has the lock");
    return fail_errno(error, lock_, "cannot lock it");
}

Result<void> ClusterLock::take_by_helper() {
    const std::vector<std::string> words = words_of(lock_.substr(1));
    int ends[2];
    if (words.empty() || ::pipe2(ends, O_CLOEXEC) != 0) return fail(Code::io, lock_, "cannot start the helper");
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    helper_ = ::fork();
    if (helper_ == 0) become_helper(words, out.get());
    if (helper_ < 0) return fail_errno(errno, lock_, "cannot start the helper");
    out.reset();
    pollfd readable{in.get(), POLLIN, 0};
    const int wait = static_cast<int>(std::chrono::milliseconds(limits::helper_time).count());
    char code = 0;
    const bool said = ::poll(&readable, 1, wait) == 1 && ::read(in.get(), &code, 1) == 1;
    if (said && code == '0') return {};
    if (said && code == '1') return fail(Code::busy, lock_, "another node has the lock");
    return fail(Code::io, lock_, said ? "the helper reports an error" : "the helper says nothing");
}

bool ClusterLock::file_held() {
    struct stat ours {
    }, named{};
    if (!file_ || !set_lock(file_.get())) return false;
    return ::fstat(file_.get(), &ours) == 0 && ::stat(lock_.c_str(), &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

bool ClusterLock::helper_held() {
    if (helper_ <= 0 || ::waitpid(helper_, nullptr, WNOHANG) == 0) return helper_ > 0;
    helper_ = 0;
    return false;
}

// A lock that was lost and found again, and that somebody else had meanwhile, has another term.
bool ClusterLock::held() {
    if (term_ == 0 || !(lock_[0] == '!' ? helper_held() : file_held())) return false;
    const auto content = read_register();
    return content && content->term == term_;
}

void ClusterLock::release() {
    term_ = 0;
    file_.reset();
    if (helper_ <= 0) return;
    ::kill(helper_, SIGTERM);
    int status = 0;
    for (int tries = 0; ::waitpid(helper_, &status, WNOHANG) == 0; tries++) {
        if (tries == 100) ::kill(helper_, SIGKILL);
        ::usleep(10000);
    }
    helper_ = 0;
}

Result<void> ClusterLock::write(const protocol::view& view) {
    if (!held()) return fail(Code::dead, lock_, "the lock is not ours any more");
    if (auto written = write_own({term_, view}); !written) return written;
    if (!held()) return fail(Code::dead, lock_, "the lock is not ours any more");
    return {};
}

Result<protocol::lock_register> ClusterLock::read_register() const {
    const size_t slash = register_.rfind('/');
    const std::string directory = slash == register_.npos ? "." : register_.substr(0, slash + 1);
    const std::string start = register_.substr(slash == register_.npos ? 0 : slash + 1) + ".";
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), ::closedir);
    if (!entries) return fail_errno(errno, directory, "cannot read the directory of the cluster register");
    protocol::lock_register highest;
    while (const dirent* entry = ::readdir(entries.get())) {
        const std::string name = entry->d_name;
        if (name.rfind(start, 0) != 0 || name.find_first_not_of("0123456789", start.size()) != name.npos) continue;
        auto text = read_file(directory + (slash == register_.npos ? "/" : "") + name, limits::max_register_file);
        if (!text) return text.failure();
        auto content = idl::decode<protocol::lock_register>(as_bytes(*text));
        if (!content) return fail(content.error().code, directory + name, content.error().message());
        if (content->last && content->last->level > idl::newest_known_level())
            return fail(Code::unsupported, directory + name, "the cluster writes at format level " + std::to_string(content->last->level));
        if (rank_of(*content) > rank_of(highest)) highest = std::move(*content);
    }
    return highest;
}

Result<void> ClusterLock::write_own(const protocol::lock_register& content) {
    Buffer bytes;
    encode(content, bytes, content.last ? content.last->level : idl::first_level);
    return replace_file(register_ + "." + std::to_string(me_), as_text(bytes));
}

}  // namespace Atoll::ctdb

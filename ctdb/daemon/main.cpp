// ctdbd: see docs/cluster.md, "The daemon".
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "base/loop/loop.h"
#include "base/loop/signals.h"
#include "ctdb/daemon/daemon.h"
#include "ctdb/daemon/end_of_service.h"
#include "ctdb/daemon/files.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/daemon/supervisor.h"

namespace Atoll::ctdb {
namespace {

int complain(const std::string& text) {
    std::fprintf(stderr, "ctdbd: %s\n", text.c_str());
    return EXIT_FAILURE;
}

// What the child says to the parent that waits for it: nothing when all is well, else why not.
void tell_parent(UniqueFd& parent, const std::string& text) {
    if (parent) (void)!::write(parent.get(), text.c_str(), text.size() + 1);
    parent.reset();
}

// In the parent: ends with the exit status that says how the child has started.
[[noreturn]] void await_child(int child) {
    std::string said;
    char block[256];
    for (ssize_t n = 0; (n = ::read(child, block, sizeof block)) > 0;) said.append(block, static_cast<size_t>(n));
    if (said.size() > 1) complain(said.c_str());
    ::_exit(said.size() == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

bool detach(UniqueFd& parent) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    const UniqueFd in(ends[0]);
    parent.reset(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child > 0) {
        parent.reset();
        await_child(in.get());
    }
    ::setsid();
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) (void)::dup2(null.get(), standard);
    return true;
}

// So that keepalives go out on a machine whose processors are all busy. Where it is not allowed the daemon runs as others do.
void run_before_others() {
    sched_param parameter{};
    parameter.sched_priority = 1;
    if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) != 0)
        log_notice("no real-time scheduling: {}", std::strerror(errno));
}

// For the connections of all processes of the node's servers.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = limits::max_daemon_clients + limits::other_descriptors;
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(wanted, limit.rlim_max));
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) log_notice("no more than {} descriptors can be open, not {}", limit.rlim_cur, wanted);
}

// The supervisor would keep the parent waiting.
Result<UniqueFd> start_supervisor(const Settings& settings, Fence fence, UniqueFd& parent, std::optional<Votes>& votes) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail_errno(errno, "supervisor", "cannot make its socket");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno(errno, "supervisor", "cannot fork");
    if (child > 0) return ours;
    ours.reset();
    parent.reset();
    run_supervisor(settings, fence, std::move(theirs), std::move(votes));
}

Result<std::optional<Votes>> open_votes(Settings& settings) {
    if (!settings.by_majority()) return std::optional<Votes>();
    auto votes = Votes::open(settings.conf.state_directory, settings.me);
    if (!votes) return votes.failure();
    settings.ballot = votes->found();
    log_notice("no cluster lock: whoever leads has the votes of {} of the {} nodes, and with fewer nobody serves",
               settings.nodes.size() / 2 + 1, settings.nodes.size());
    return std::optional(std::move(*votes));
}

// It hears of ctdbd's end by the other end of a pipe that only ctdbd has.
Result<UniqueFd> start_guard(Fence fence, UniqueFd& parent, const UniqueFd& supervisor) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "guard", "cannot make its pipe");
    UniqueFd theirs(ends[0]), ours(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fail_errno(errno, "guard", "cannot fork");
    if (child > 0) return ours;
    ours.reset();
    parent.reset();
    ::close(supervisor.get());
    run_address_guard(fence, theirs.get());
}

Result<void> run(Settings& settings, UniqueFd& parent) {
    if (auto made = make_directories(settings.paths.run); !made) return made;
    if (auto made = make_directories(settings.conf.volatile_directory); !made) return made;
    auto pid_file = claim_pid_file(settings.paths.pid_file);
    if (!pid_file) return pid_file.failure();
    auto votes = open_votes(settings);
    if (!votes) return votes.failure();
    auto fence = Fence::make();
    if (!fence) return fence.failure();
    auto supervisor = start_supervisor(settings, *fence, parent, *votes);
    if (!supervisor) return supervisor.failure();
    const auto guard = start_guard(*fence, parent, *supervisor);
    if (!guard) return guard.failure();
    auto databases = RecordDatabases::open(settings.conf.volatile_directory, settings.me, settings.conf.tdb_mutexes);
    if (!databases) return databases.failure();
    if (auto made = make_directories(settings.conf.persistent_directory); !made) return made;
    auto persistent = PersistentDatabases::open(settings.conf.persistent_directory, settings.conf.volatile_directory, settings.me);
    if (!persistent) return persistent.failure();
    // Of a former daemon whose supervisor was killed too.
    if (!end_service(settings.paths.shared_memory(), limits::ending_time))
        return fail(Code::busy, "ctdbd", "a process that served with a former one has not ended");
    auto memory = SharedMemory::create(settings.paths.shared_memory(), settings.incarnation);
    if (!memory) return memory.failure();
    if (settings.conf.realtime_scheduling) run_before_others();
    raise_descriptor_limit();
    loop::Loop loop;
    Daemon daemon(loop, settings, *fence, std::move(*supervisor), std::move(*databases), std::move(*persistent), std::move(*memory));
    const loop::Signals signals(loop, {SIGTERM, SIGINT}, [&](int) { daemon.shut_down(); });
    if (auto started = daemon.start(); !started) return started;
    log_notice("ctdbd of node {} at {}, pid {}, incarnation {}", settings.me, settings.address, ::getpid(), settings.incarnation);
    tell_parent(parent, "");
    loop.run();
    ::unlink(settings.paths.pid_file.c_str());
    if (daemon.failed()) return fail(Code::dead, "ctdbd", "the node could not go on");
    return {};
}

int run_ctdbd(bool interactive) {
    auto settings = load_settings(conf::ctdb_paths());
    if (!settings) return complain(settings.error().message());
    ::signal(SIGPIPE, SIG_IGN);
    UniqueFd parent;
    if (!interactive && !detach(parent)) return complain("cannot run in the background");
    log_set_level(settings->conf.log_level);
    log_set_process("ctdbd");
    auto done = interactive ? Result<void>() : log_open({settings->conf.log_file});
    if (done) done = run(*settings, parent);
    if (done) return EXIT_SUCCESS;
    log_error("{}", done.error().message());
    tell_parent(parent, done.error().message());
    return EXIT_FAILURE;
}

}  // namespace
}  // namespace Atoll::ctdb

int main(int count, char** arguments) {
    bool interactive = false;
    for (int index = 1; index < count; index++) {
        const std::string argument = arguments[index];
        if (argument == "-i" || argument == "--interactive") {
            interactive = true;
        } else {
            const bool help = argument == "-?" || argument == "--help";
            std::fprintf(
                help ? stdout : stderr,
                "Usage: ctdbd [OPTION...]\n  -i, --interactive   stay in the foreground and log to standard error\n  -?, --help          "
                "show this\n");
            return help ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    return Atoll::ctdb::run_ctdbd(interactive);
}

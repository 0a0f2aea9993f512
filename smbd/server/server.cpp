#include "smbd/server/server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "smbd/server/listener.h"
#include "smbd/server/start.h"

namespace Atoll::server {

namespace {

constexpr const char* default_log_directory = "/var/log/atoll";

int report(const Error& error) {
    std::fprintf(stderr, "smbd: %s\n", error.message().c_str());
    return 1;
}

std::string log_file_of(const Options& options, const conf::GlobalConf& conf) {
    if (options.log_to_stderr) return {};
    if (!conf.log_file.empty()) {
        conf::MacroValues macros;
        macros.client_name = "smbd";  // the processes share one file
        return conf::expand_macros(conf.log_file, macros);
    }
    return (options.log_directory.empty() ? std::string(default_log_directory) : options.log_directory) + "/log.smbd";
}

Result<void> open_log(const Options& options, const conf::GlobalConf& conf) {
    log_set_process("smbd");
    log_set_level(conf.log_level_number);
    LogTarget target;
    target.file = log_file_of(options, conf);
    target.max_size_kib = conf.max_log_size_kib;
    if (!target.file.empty()) {
        std::error_code ignored;
        std::filesystem::create_directories(std::filesystem::path(target.file).parent_path(), ignored);
    }
    return log_open(target);
}

conf::LoadOptions load_options(const Options& options) {
    conf::LoadOptions load;
    // A daemon works in "/".
    std::error_code error;
    load.file = std::filesystem::absolute(options.config_file, error);
    if (error) load.file = options.config_file;
    load.overrides = options.overrides;
    if (options.debug_level) load.overrides.emplace_back("log level", std::to_string(*options.debug_level));
    return load;
}

void report_warnings(const conf::Configuration& configuration) {
    for (const Error& warning : configuration.warnings()) log_warning("{}", warning.message());
}

// As many descriptors as `max open files` and connections may need, if the system lets us.
void raise_descriptor_limit(const conf::GlobalConf& conf) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const rlim_t wanted = std::max<rlim_t>(conf.max_open_files, limits::max_preauth_connections) + limits::spare_descriptors;
    if (limit.rlim_cur >= wanted) return;
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) log_notice("no more than {} files can be open in one process, not {}", limit.rlim_cur, wanted);
}

Result<void> get_sockets(const Options& options, ListenerStart& start) {
    if (options.predecessor >= 0) {
        auto predecessor = Predecessor::meet(options.predecessor);
        if (!predecessor) return predecessor.failure();
        start.sockets = predecessor->take_sockets();
        start.predecessor.emplace(std::move(predecessor).value());
        return {};
    }
    const conf::GlobalConf& conf = start.configuration->global();
    auto sockets = listen_on(conf, options.ports.empty() ? conf.smb_ports : options.ports);
    if (!sockets) return sockets.failure();
    start.sockets = std::move(sockets).value();
    return {};
}

Program program_of(const Options& options, const conf::LoadOptions& load) {
    Options again = options;
    again.config_file = load.file;
    if (!again.log_directory.empty()) again.log_directory = std::filesystem::absolute(again.log_directory);
    return {own_program_path(), successor_arguments(again)};
}

Result<ListenerStart> prepare(const Options& options) {
    ListenerStart start;
    start.load_options = load_options(options);
    start.program = program_of(options, start.load_options);
    auto loaded = conf::load(start.load_options);
    if (!loaded) return loaded.failure();
    start.configuration = std::move(loaded).value();
    const conf::GlobalConf& conf = start.configuration->global();
    if (auto opened = open_log(options, conf); !opened) return opened.failure();
    if (auto checked = check_start(start.configuration); !checked) return checked.failure();
    auto node = find_cluster_node(conf);
    if (!node) return node.failure();
    start.cluster = std::move(*node);
    if (auto got = get_sockets(options, start); !got) return got.failure();
    auto guid = start.cluster ? cluster_server_guid(*start.cluster) : server_guid(conf);
    if (!guid) return guid.failure();
    start.server_guid = *guid;
    report_warnings(*start.configuration);
    report_durability(*start.configuration);
    raise_descriptor_limit(conf);
    return start;
}

// What a daemon keeps of where it was started: nothing on standard input, no messages where nobody reads them, no working directory.
void leave_terminal(bool keep_stderr) {
    (void)!chdir("/");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    (void)dup2(null, STDIN_FILENO);
    if (!keep_stderr) {
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
    }
    close(null);
}

int serve(const Options& options, int ready_fd) {
    auto prepared = prepare(options);
    if (!prepared) return report(prepared.error());
    if (!prepared->predecessor) {
        auto pid_file = PidFile::create(prepared->configuration->global());
        if (!pid_file) return report(pid_file.error());
        prepared->pid_file.emplace(std::move(pid_file).value());
    }
    auto listener = Listener::start(std::move(prepared).value());
    if (!listener) return report(listener.error());
    if (auto taken = (*listener)->take_over(); !taken) return report(taken.error());
    if (ready_fd >= 0) {
        (void)!write(ready_fd, "", 1);
        close(ready_fd);
        leave_terminal(options.log_to_stderr);
    }
    (*listener)->run();
    return 0;
}

// The process that was started waits until the daemon serves, so that its exit status tells whether it does.
int serve_as_daemon(const Options& options) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) return report(fail_errno(errno, "smbd", "cannot make a pipe").value());
    const pid_t daemon = fork();
    if (daemon < 0) return report(fail_errno(errno, "smbd", "cannot fork").value());
    if (daemon == 0) {
        close(ready[0]);
        setsid();
        return serve(options, ready[1]);
    }
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) == 1) return 0;
    int status = 0;
    waitpid(daemon, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : 1;
}

}  // namespace

int run_server(const Options& options) {
    umask(0022);
    (void)loop::is_privileged();  // who the process is before it takes anybody's identity
    if (options.mode == Options::Mode::daemon) return serve_as_daemon(options);
    if (options.process_group) (void)setpgid(0, 0);
    return serve(options, -1);
}

}  // namespace Atoll::server

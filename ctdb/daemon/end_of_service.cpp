#include "ctdb/daemon/end_of_service.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "ctdb/shared/shared_memory.h"

namespace Atoll::ctdb {
namespace {

bool has_ended(int process, Monotonic deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
        pollfd ended{process, POLLIN, 0};
        const int ready = ::poll(&ended, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
        if (ready >= 0 || errno != EINTR) return ready > 0;
    }
}

}  // namespace

bool end_service(const std::string& shared_memory, std::chrono::milliseconds in_time) {
    const auto memory = SharedMemory::take_over(shared_memory);
    if (!memory) return memory.error().code == Code::not_found;
    memory->lease() = NodeLease();
    const Monotonic deadline = monotonic_now() + in_time;
    std::vector<UniqueFd> processes;
    for (ProcessPlace& place : memory->places()) {
        const auto pid = static_cast<pid_t>(place.pid.value());
        if (pid <= 0) continue;
        place.pid = 0;
        UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!process) continue;
        ::kill(pid, SIGKILL);
        processes.push_back(std::move(process));
    }
    if (!processes.empty()) log_notice("{} processes that used the cluster's databases are ended", processes.size());
    bool all = true;
    for (const UniqueFd& process : processes) all = has_ended(process.get(), deadline) && all;
    return all;
}

}  // namespace Atoll::ctdb

#include "torture/server_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/unique_fd.h"

namespace Atoll::torture {
namespace {

// The number behind the last colon of "0100007F:1F90".
unsigned port_of(const std::string& address) {
    const size_t colon = address.rfind(':');
    return colon == std::string::npos ? 0 : static_cast<unsigned>(std::stoul(address.substr(colon + 1), nullptr, 16));
}

// "socket:[INODE]" of the end at `here` of the connection from `there`; empty: there is none.
std::string socket_between(unsigned here, unsigned there) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream file(table);
        std::string line;
        std::getline(file, line);
        while (std::getline(file, line)) {
            std::istringstream fields(line);
            std::string number, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
            fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
            if (port_of(local) == here && port_of(remote) == there && inode != "0") return "socket:[" + inode + "]";
        }
    }
    return {};
}

// Of our server, those that a connection begins at: the leader of its session accepts it, and preauth keeps a duplicate until its client's
// process says that it has it.
bool passes_on(const std::string& pid, const std::string& session) {
    return pid == session || process_file(pid, "comm").ends_with("preauth\n");
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

bool holds(const std::string& pid, const std::string& wanted) {
    const std::string path = "/proc/" + pid + "/fd";
    const Directory directory(::opendir(path.c_str()), ::closedir);
    while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
        char target[64];
        const ssize_t n = ::readlink((path + "/" + entry->d_name).c_str(), target, sizeof target);
        if (n > 0 && wanted == std::string_view(target, static_cast<size_t>(n))) return true;
    }
    return false;
}

}  // namespace

std::string process_file(const std::string& pid, const char* name) {
    const UniqueFd file(::open(("/proc/" + pid + "/" + name).c_str(), O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : -1;
    return n > 0 ? std::string(text, static_cast<size_t>(n)) : std::string();
}

bool is_of_session(const std::string& pid, const std::string& session) {
    const std::string text = process_file(pid, "stat");
    const size_t paren = text.rfind(')');
    if (paren == std::string::npos) return false;
    std::istringstream fields(text.substr(paren + 1));
    std::string state, parent, group, sid;
    fields >> state >> parent >> group >> sid;
    return sid == session && state != "Z";
}

size_t kill_server_process(const Test& t, uint16_t local_port) {
    const std::string session = t.target.option("server_session"), wanted = socket_between(t.target.port, local_port);
    if (session.empty() || wanted.empty()) return 0;
    size_t killed = 0;
    const Directory proc(::opendir("/proc"), ::closedir);
    while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
        const std::string pid = entry->d_name;
        if (pid[0] < '1' || pid[0] > '9' || !is_of_session(pid, session) || passes_on(pid, session) || !holds(pid, wanted)) continue;
        if (::kill(static_cast<pid_t>(std::stol(pid)), SIGKILL) == 0) killed++;
    }
    return killed;
}

}  // namespace Atoll::torture

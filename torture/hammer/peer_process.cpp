#include "torture/hammer/peer_process.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/limits.h"

namespace Atoll::hammer {

namespace {

namespace fs = std::filesystem;

// proc(5), /proc/net/tcp: the inode of the socket that has these ports, or "".
std::string inode_of(uint16_t local, uint16_t remote) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        std::ifstream in(table);
        std::string line;
        std::getline(in, line);
        while (std::getline(in, line)) {
            std::istringstream words(line);
            std::string slot, from, to, inode;
            words >> slot >> from >> to;
            for (int i = 0; i < 7; i++) words >> inode;
            const auto port = [](const std::string& address) { return std::stoul(address.substr(address.rfind(':') + 1), nullptr, 16); };
            if (port(from) == local && port(to) == remote && inode != "0") return inode;
        }
    }
    return {};
}

bool has_open(const fs::path& process, const std::string& target) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(process / "fd", error)) {
        if (fs::read_symlink(entry.path(), error) == target) return true;
    }
    return false;
}

}  // namespace

std::optional<pid_t> peer_process(uint16_t server_port, uint16_t client_port) {
    const std::string inode = inode_of(server_port, client_port);
    if (inode.empty()) return std::nullopt;
    std::optional<pid_t> youngest;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const auto process = static_cast<pid_t>(std::stol(name));
        if (has_open(entry.path(), "socket:[" + inode + "]") && (!youngest || process > *youngest)) youngest = process;
    }
    return youngest;
}

}  // namespace Atoll::hammer

// Two daemons, each of its own node, for tests.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "ctdb/client/cluster_database.h"

namespace Atoll::ctdb {

inline bool await_that(const std::function<bool()>& condition, int milliseconds = 15000) {
    for (int waited = 0; waited < milliseconds; waited += 10) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

class TwoNodes {
 public:
    TwoNodes() {
        if (::mkdtemp(top_.data()) == nullptr) std::abort();
        const int number = ::getpid();
        for (int pnn = 0; pnn < 2; pnn++)
            addresses_.push_back("127." + std::to_string(1 + number / 250 % 250) + "." + std::to_string(1 + number % 250) + "." +
                                 std::to_string(1 + pnn));
        for (int pnn = 0; pnn < 2; pnn++) start(pnn);
    }
    ~TwoNodes() {
        // Their supervisors too, which would end this process: it has used the nodes' records.
        for (const pid_t group : groups_) ::kill(-group, SIGKILL);
        for (int pnn = 0; pnn < 2; pnn++) end(pnn, SIGKILL);
        std::error_code ignored;
        std::filesystem::remove_all(top_, ignored);
    }

    [[nodiscard]] std::string base(int pnn) const { return top_ + "/n" + std::to_string(pnn); }
    [[nodiscard]] std::string socket(int pnn) const { return base(pnn) + "/run/ctdbd.socket"; }
    [[nodiscard]] pid_t daemon(int pnn) const { return daemons_[pnn]; }

    void start(int pnn) {
        const std::string at = base(pnn);
        std::filesystem::create_directories(at + "/run");
        std::ofstream(at + "/nodes") << addresses_[0] << "\n" << addresses_[1] << "\n";
        std::ofstream(at + "/ctdb.conf") << "[cluster]\n node address = " << addresses_[static_cast<size_t>(pnn)]
                                         << "\n cluster lock = " << top_
                                         << "/lock\n[legacy]\n realtime scheduling = false\n[logging]\n log level = NOTICE\n";
        daemons_[pnn] = ::fork();
        if (daemons_[pnn] != 0) {
            ::setpgid(daemons_[pnn], daemons_[pnn]);
            return groups_.push_back(daemons_[pnn]);
        }
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setenv("CTDB_BASE", at.c_str(), 1);
        if (::freopen((at + "/log").c_str(), "a", stderr) == nullptr || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) ::_exit(1);
        ::execl(CTDBD, "ctdbd", "-i", nullptr);
        ::_exit(1);
    }
    void end(int pnn, int signal) {
        if (daemons_[pnn] <= 0) return;
        ::kill(daemons_[pnn], signal);
        ::waitpid(daemons_[pnn], nullptr, 0);
        daemons_[pnn] = 0;
    }
    // All of it at once, as if the machine had lost its power.
    void kill(int pnn) {
        ::kill(-daemons_[pnn], SIGKILL);
        end(pnn, SIGKILL);
    }
    // Whether the node runs, and hears so many.
    [[nodiscard]] bool runs(int pnn, size_t heard) const {
        auto connection = DaemonConnection::connect(socket(pnn));
        protocol::request request;
        request.node = no_node;
        request.op = protocol::operation::STATE;
        if (!connection) return false;
        const auto reply = connection->call(request, std::chrono::milliseconds(500));
        if (!reply || !reply->state || reply->state->runs != protocol::run_state::RUNNING || reply->state->recovering) return false;
        size_t connected = 0;
        for (const auto& node : reply->state->nodes) connected += node.connected ? 1 : 0;
        return connected == heard && (heard == 1 || reply->state->locators.size() == heard);
    }

 private:
    std::string top_ = testing::TempDir() + "atoll_two_nodes.XXXXXX";
    std::vector<std::string> addresses_;
    pid_t daemons_[2] = {0, 0};
    std::vector<pid_t> groups_;
};

}  // namespace Atoll::ctdb

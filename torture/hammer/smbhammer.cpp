// smbhammer: several clients at once on the same files of one share, a model that knows what each may see, and the server's processes
// killed meanwhile. Prints what was done and every answer that cannot be right. docs/testing.md, "The hammer".
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <deque>

#include "base/unique_fd.h"
#include "torture/hammer/client.h"

namespace Atoll::hammer {
namespace {

// Somebody on the server's own machine who makes and removes files in the watched tree.
class LocalProgram {
 public:
    explicit LocalProgram(World& world) : world_(world), directory_(world.options.local_path + "/hammer/watched/") {}

    void step() {
        if (world_.options.local_path.empty() || !world_.chance(0.2)) return;
        if (names_.size() < 4) return make();
        const std::string name = names_.front();
        names_.pop_front();
        const Moment asked = world_.tick();
        if (::unlink((directory_ + name).c_str()) != 0) return;  // somebody has it open, which is no reason: it is gone
        world_.count("local files removed");
        world_.changed(name, Notices::Kind::removed, asked);
    }
    void finish() {
        for (const std::string& name : names_) {
            const Moment asked = world_.tick();
            if (::unlink((directory_ + name).c_str()) == 0) world_.changed(name, Notices::Kind::removed, asked);
        }
        names_.clear();
    }

 private:
    void make() {
        const std::string name = "local" + std::to_string(world_.next_name++);
        const Moment asked = world_.tick();
        const UniqueFd file(::open((directory_ + name).c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666));
        if (!file) return world_.fault("the local path does not lead to the share");
        world_.count("local files made");
        world_.changed(name, Notices::Kind::added, asked);
        names_.push_back(name);
    }

    World& world_;
    std::string directory_;
    std::deque<std::string> names_;
};

class Hammer {
 public:
    explicit Hammer(const Options& options) : world_(options), local_(world_) {}

    bool run() {
        if (!prepare()) return false;
        const Monotonic end = monotonic_now() + std::chrono::seconds(world_.options.seconds);
        next_kill_ = monotonic_now();
        while (monotonic_now() < end && world_.faults < max_faults) {
            turn();
            for (auto& client : clients_) client->step();
            local_.step();
            kill_now_and_then();
        }
        finish();
        return world_.faults == 0;
    }
    void report() const {
        for (const auto& [what, times] : world_.counts) std::printf("%10llu %s\n", static_cast<unsigned long long>(times), what.c_str());
        std::printf("smbhammer: seed %llu, %zu faults\n", static_cast<unsigned long long>(world_.options.seed), world_.faults);
    }

 private:
    // A process that stands still before it ends: for others it exists, while its client is back already.
    struct Dying {
        Monotonic when;
        pid_t process;
    };
    static constexpr std::chrono::milliseconds standstill{300};

    struct Gone {
        Monotonic when;
        int client;
        Moment lost_at;
    };

    bool prepare() {
        const NtStatus status = make_directories();
        if (is_error(status)) {
            world_.fault("the share cannot be used: " + to_string(status));
            return false;
        }
        for (int i = 1; i <= world_.options.clients; i++) {
            clients_.push_back(std::make_unique<HammerClient>(world_, i));
            if (!connect(*clients_.back())) return false;
        }
        return true;
    }

    // An empty place to work in.
    NtStatus make_directories() {
        HammerClient first(world_, 0);
        std::vector<std::string> works;
        std::swap(world_.options.works, works);
        NtStatus status = first.connect();
        std::swap(world_.options.works, works);
        if (!is_error(status)) status = client::remove_tree(*first.tree, "hammer");
        for (const char* name : {"hammer", "hammer\\watched", "hammer\\watched\\below"}) {
            if (!is_error(status)) status = client::make_directory(*first.tree, name);
        }
        first.forget_connection();
        return status;
    }

    bool connect(HammerClient& client) {
        const NtStatus status = client.connect();
        if (is_error(status)) world_.fault(client.name() + " cannot connect: " + to_string(status));
        return !is_error(status);
    }

    // Takes what has come, and looks after connections and models.
    void turn() {
        world_.loop.run_once(monotonic_now() + std::chrono::milliseconds(2));
        for (auto& client : clients_) {
            if (client->is_cut()) {
                world_.fault("the server has ended the connection of " + client->name());
                client->forget_connection();
            }
            if (!client->connected() && !finishing_) (void)connect(*client);
        }
        let_die(monotonic_now());
        while (!gone_.empty() && gone_.front().when < monotonic_now()) {
            world_.opens.client_gone(gone_.front().client, gone_.front().lost_at, world_.clock);
            world_.locks.client_gone(gone_.front().client, gone_.front().lost_at, world_.clock);
            gone_.pop_front();
        }
        if (++turns_ % 64 == 0) {
            world_.opens.forget(world_.clock);
            world_.locks.forget(world_.oldest_read());
        }
    }

    void kill_now_and_then() {
        if (world_.options.kills_per_second <= 0 || monotonic_now() < next_kill_) return;
        next_kill_ = monotonic_now() + std::chrono::milliseconds(static_cast<int>(
                                           2000 * std::uniform_real_distribution<>(0, 1)(world_.random) / world_.options.kills_per_second));
        HammerClient& client = *clients_[static_cast<size_t>(world_.below(static_cast<int>(clients_.size())))];
        if (!client.connected()) return;
        const Moment lost_at = world_.clock;
        const bool slowly = world_.chance(0.3);
        const auto process = client.cut_off(slowly ? SIGSTOP : SIGKILL);
        if (!process) return world_.fault("the process that serves " + client.name() + " is not found");
        const Monotonic now = monotonic_now();
        if (slowly) dying_.push_back({now + standstill, *process});
        gone_.push_back({now + grace, client.number, lost_at + 1});
    }

    void let_die(Monotonic by) {
        while (!dying_.empty() && dying_.front().when <= by) {
            ::kill(dying_.front().process, SIGKILL);
            dying_.pop_front();
        }
    }

    void finish() {
        finishing_ = true;
        let_die(Monotonic::max());
        local_.finish();
        const Monotonic end = monotonic_now() + std::chrono::seconds(60);
        bool finished = false;
        while (!finished && monotonic_now() < end && world_.faults < max_faults) {
            turn();
            finished = true;
            for (auto& client : clients_) finished = (!client->connected() || client->finish()) && finished;
        }
        if (!finished) world_.fault("not everything came to an end");
        for (auto& client : clients_) client->forget_connection();
    }

    World world_;
    LocalProgram local_;
    std::vector<std::unique_ptr<HammerClient>> clients_;
    std::deque<Gone> gone_;
    std::deque<Dying> dying_;
    Monotonic next_kill_{};
    uint64_t turns_ = 0;
    bool finishing_ = false;
};

bool parse(int argc, char** argv, Options& options, int& exit_code) {
    CLI::App app("hammers one share with several clients and checks every answer", "smbhammer");
    std::string where, user;
    app.add_option("share", where, "//server/share")->required();
    app.add_option("-U,--user", user, "USER%PASSWORD")->required();
    app.add_option("-p,--port", options.port, "TCP port");
    app.add_option("--clients", options.clients, "clients at once")->check(CLI::Range(1, 64));
    app.add_option("--seconds", options.seconds, "how long");
    app.add_option("--seed", options.seed, "of what is done");
    app.add_option("--kills", options.kills_per_second, "server processes to kill a second");
    app.add_option("--local", options.local_path, "the share's directory on this machine, to change files in");
    app.add_flag("--twice-is-fine", options.twice_is_fine, "a change may be told twice");
    app.add_option("--works", options.works, "sharing, locking, leases, notify")
        ->check(CLI::IsMember({"sharing", "locking", "leases", "notify"}));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error);
        return false;
    }
    const size_t slash = where.rfind('/'), percent = user.find('%');
    if (!where.starts_with("//") || slash < 3 || percent == std::string::npos) {
        std::fprintf(stderr, "smbhammer: wants //server/share and -U USER%%PASSWORD\n");
        exit_code = 2;
        return false;
    }
    options.host = where.substr(2, slash - 2);
    options.share = where.substr(slash + 1);
    options.credentials.user = user.substr(0, percent);
    options.credentials.hash = auth::nt_hash(user.substr(percent + 1)).value_or(auth::NtHash{});
    options.credentials.workstation = "SMBHAMMER";
    return true;
}

}  // namespace
}  // namespace Atoll::hammer

int main(int argc, char** argv) {
    Atoll::hammer::Options options;
    int exit_code = 0;
    if (!Atoll::hammer::parse(argc, argv, options, exit_code)) return exit_code;
    Atoll::hammer::Hammer hammer(options);
    const bool good = hammer.run();
    hammer.report();
    return good ? 0 : 1;
}

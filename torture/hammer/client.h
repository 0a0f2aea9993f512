// One client of the server under the hammer: a connection, and the works that it does over it, one of each kind.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "libcli/client/file.h"
#include "torture/hammer/world.h"

namespace Atoll::hammer {

class HammerClient;

// Random work of one kind. Its handlers are not called any more once the connection is lost.
class Work {
 public:
    virtual ~Work() = default;
    // On a new connection, before the first step; may wait.
    virtual NtStatus connected() = 0;
    // Begins something, if it is not at something.
    virtual void step() = 0;
    // Nothing more is begun: gives up what it holds. True once it holds nothing and waits for nothing.
    virtual bool finish() = 0;
    // The connection is cut, now; what the server holds for it goes, but not at once.
    virtual void lost() = 0;
    // The message is a break for this work.
    virtual void broken(Bytes message) { (void)message; }
};

class HammerClient {
 public:
    HammerClient(World& in, int with_number) : world(in), number(with_number) {}

    // Logs on; may wait.
    NtStatus connect();
    void step();
    bool finish();
    // Sends a signal to the process that serves it, one that ends or stops it, and leaves the connection. Nothing if it was not found.
    std::optional<pid_t> cut_off(int signal);
    // The connection ended without our doing.
    [[nodiscard]] bool is_cut() const { return connection != nullptr && !connection->alive(); }
    void forget_connection();
    [[nodiscard]] bool connected() const { return connection != nullptr; }

    // Sends a request; `then` gets the answer, unless the connection is cut before.
    template <class Body>
    client::ExchangePtr ask(smb::Command command, const Body& body, std::function<void(NtStatus, client::Exchange&)> then) {
        auto exchange = tree->start(command, body);
        exchange->on_done = [this, then = std::move(then)](client::Exchange& done) {
            if (done.status() == NtStatus::CONNECTION_DISCONNECTED) return;
            world.tick();
            then(done.status(), done);
        };
        return exchange;
    }
    [[nodiscard]] std::string name() const { return "client " + std::to_string(number); }

    World& world;
    const int number;
    std::unique_ptr<client::Connection> connection;
    std::unique_ptr<client::Session> session;
    std::unique_ptr<client::Tree> tree;

 private:
    void make_works();

    std::vector<std::unique_ptr<Work>> works_;
};

std::unique_ptr<Work> sharing_work(HammerClient& client);
std::unique_ptr<Work> locking_work(HammerClient& client);
std::unique_ptr<Work> lease_work(HammerClient& client);
std::unique_ptr<Work> notify_work(HammerClient& client);

}  // namespace Atoll::hammer

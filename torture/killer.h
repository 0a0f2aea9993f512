// Ends one side of an exchange when one of its messages is at a certain moment.
#pragma once

#include <array>

#include "torture/test.h"

namespace Atoll::torture {

enum class Moment { before_request, behind_request, before_response_is_seen };
inline constexpr std::array moments = {Moment::before_request, Moment::behind_request, Moment::before_response_is_seen};
inline constexpr std::array moment_names = {"before its request", "behind its request", "before its response is seen"};

// The server's process behind the connection (torture/server_process.h); all of the server's, which the command
// --option=torture:kill_server ends by SIGKILL and starts again; this very process.
enum class Victim { server_process, server, self };

class Killer {
 public:
    // `loop`: the connections'.
    Killer(Test& t, loop::Loop& loop, Victim victim) : t_(t), loop_(loop), victim_(victim) {}

    // Why the test cannot kill that victim; empty: it can.
    static std::string why_not(const Test& t, Victim victim);

    void watch(client::Connection& connection);
    // From now on: at that moment of the `number`th message, from 1 on.
    void arm(size_t number, Moment moment);
    [[nodiscard]] bool armed() const { return armed_; }  // it has not struck yet
    [[nodiscard]] size_t killed() const { return killed_; }

 private:
    bool strike(uint16_t port);

    Test& t_;
    loop::Loop& loop_;
    Victim victim_;
    bool armed_ = false;
    size_t number_ = 0, sent_ = 0, killed_ = 0;
    Moment moment_ = Moment::before_request;
};

}  // namespace Atoll::torture

#include "torture/killer.h"

#include <signal.h>

#include <cstdlib>

#include "torture/server_process.h"

namespace Atoll::torture {

std::string Killer::why_not(const Test& t, Victim victim) {
    const char* const needed = victim == Victim::server_process ? "server_session" : victim == Victim::server ? "kill_server" : nullptr;
    if (needed == nullptr || !t.target.option(needed).empty()) return {};
    return fmt::format("needs --option=torture:{}", needed);
}

void Killer::watch(client::Connection& connection) {
    connection.before_send = [this, &connection](Buffer&) {
        if (!armed_ || ++sent_ < number_) return;
        if (moment_ == Moment::before_request) (void)strike(connection.local_port());
        if (moment_ == Moment::behind_request) loop_.post([this, port = connection.local_port()] { (void)strike(port); });
    };
    connection.on_frame = [this, &connection](Bytes) {
        if (!armed_ || sent_ < number_ || moment_ != Moment::before_response_is_seen) return;
        if (strike(connection.local_port())) connection.close();
    };
}

void Killer::arm(size_t number, Moment moment) {
    armed_ = true;
    number_ = number;
    moment_ = moment;
    sent_ = 0;
}

// False: nobody serves that connection yet, or not any more. The next message will do as well.
bool Killer::strike(uint16_t port) {
    if (!armed_) return false;
    switch (victim_) {
        case Victim::server_process:
            if (kill_server_process(t_, port) == 0) return false;
            break;
        case Victim::server:
            if (std::system(t_.target.option("kill_server").c_str()) != 0) t_.fail("the server cannot be killed and started again");
            break;
        case Victim::self: ::raise(SIGKILL);
    }
    armed_ = false;
    killed_++;
    return true;
}

}  // namespace Atoll::torture

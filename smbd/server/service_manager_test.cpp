#include "smbd/server/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/unique_fd.h"

namespace Atoll::server {
namespace {

class ServiceManager : public testing::Test {
 protected:
    ~ServiceManager() override { ::unsetenv("NOTIFY_SOCKET"); }

    static UniqueFd listen_on(const std::string& name) {
        UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name[0] == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
        return socket;
    }
    static std::string received(const UniqueFd& socket) {
        char text[64];
        const ssize_t size = ::recv(socket.get(), text, sizeof text, 0);
        return size < 0 ? "nothing" : std::string(text, static_cast<size_t>(size));
    }
};

TEST_F(ServiceManager, IsToldWhereItListens) {
    for (const std::string& name :
         {::testing::TempDir() + "notify." + std::to_string(::getpid()), "@atoll.notify." + std::to_string(::getpid())}) {
        const UniqueFd socket = listen_on(name);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
        tell_service_manager("READY=1");
        EXPECT_EQ(received(socket), "READY=1") << name;
        ::unlink(name.c_str());
    }
}

TEST_F(ServiceManager, NobodyIsToldWhereNobodyListens) {
    const UniqueFd socket = listen_on("@atoll.unasked." + std::to_string(::getpid()));
    ::unsetenv("NOTIFY_SOCKET");
    tell_service_manager("READY=1");
    for (const std::string& name : {std::string("relative"), std::string(), "/nowhere/" + std::string(200, 'x'), std::string("/nowhere")}) {
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
        tell_service_manager("READY=1");
    }
    EXPECT_EQ(received(socket), "nothing");
}

}  // namespace
}  // namespace Atoll::server

#include "tools/smbcontrol/destination.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace Atoll::smbcontrol {
namespace {

using messaging::MessageSocket;
using messaging::ProcessClass;

class Destinations : public testing::Test {
 protected:
    Destinations() : directory_(::testing::TempDir() + "smbcontrol." + std::to_string(::getpid())) {
        std::filesystem::create_directories(directory_);
        conf_.lock_directory = conf_.pid_directory = directory_;
    }
    ~Destinations() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string pid_path() const { return directory_ + "/smbd.pid"; }
    void write_pid_file(const std::string& text) const { std::ofstream(pid_path()) << text; }
    // Locks of one's own process are not seen by it.
    void with_server(const std::function<void()>& body) const {
        int ready[2];
        int stop[2];
        ASSERT_EQ(::pipe(ready), 0);
        ASSERT_EQ(::pipe(stop), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(stop[1]);
            const int fd = ::open(pid_path().c_str(), O_RDWR);
            struct flock lock {};
            lock.l_type = F_WRLCK;
            const bool locked = ::fcntl(fd, F_SETLK, &lock) == 0;
            char byte = 0;
            if (!locked || ::write(ready[1], "", 1) != 1) ::_exit(1);
            ::_exit(static_cast<int>(::read(stop[0], &byte, 1)));
        }
        ::close(stop[0]);
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
        body();
        ::close(stop[1]);
        ::close(ready[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }

    std::string directory_;
    conf::GlobalConf conf_;
};

TEST_F(Destinations, ServerIsWhoHoldsThePidFileLocked) {
    EXPECT_FALSE(running_server(conf_)) << "no file";
    write_pid_file("4711\n");
    EXPECT_FALSE(running_server(conf_)) << "a dead server left it";
    with_server([this] { EXPECT_EQ(running_server(conf_), 4711); });
    write_pid_file("x\n");
    with_server([this] { EXPECT_FALSE(running_server(conf_)); });
    write_pid_file("");
    with_server([this] { EXPECT_FALSE(running_server(conf_)); });
}

TEST_F(Destinations, NamesThatMeanNobody) {
    const auto mailbox = MessageSocket::open(directory_, ProcessClass::tool);
    ASSERT_TRUE(mailbox);
    for (const char* name : {"smbd", "nmbd", "winbindd", "bogus", "0", "-5", "12x", ""}) {
        const auto found = find_destination(name, conf_, *mailbox);
        ASSERT_FALSE(found) << name;
        EXPECT_EQ(found.error().text, "Can't find pid for destination '" + std::string(name) + "'");
    }
    const auto number = find_destination("1", conf_, *mailbox);
    ASSERT_TRUE(number);
    EXPECT_TRUE(number->empty());
}

TEST_F(Destinations, AllAreThoseWithAMailboxButTools) {
    const auto mailbox = MessageSocket::open(directory_, ProcessClass::tool);
    const auto listener = MessageSocket::open(directory_, ProcessClass::listener);
    const auto client = MessageSocket::open(directory_, ProcessClass::client);
    ASSERT_TRUE(mailbox && listener && client);
    const auto all = find_destination("all", conf_, *mailbox);
    ASSERT_TRUE(all);
    EXPECT_EQ(all->size(), 2u);
    const auto number = find_destination(std::to_string(::getpid()), conf_, *mailbox);
    ASSERT_TRUE(number);
    EXPECT_EQ(number->size(), 2u);
    for (const auto& id : *number) EXPECT_NE(id.process_class(), ProcessClass::tool);
}

}  // namespace
}  // namespace Atoll::smbcontrol

#include "tools/password_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace Atoll::tools {
namespace {

constexpr size_t max_password = 1024;  // bytes; a longer line is refused

// One line without its end; nullopt at the end of the input or if it is too long. Byte by byte: what follows belongs to others.
std::optional<std::string> read_line(int fd) {
    std::string line;
    char c = 0;
    ssize_t got = 0;
    while ((got = ::read(fd, &c, 1)) == 1 && c != '\n') {
        if (line.size() == max_password) return std::nullopt;
        line += c;
    }
    if (got != 1 && line.empty()) return std::nullopt;
    return line;
}

// Echo off while it lives.
class QuietTerminal {
 public:
    explicit QuietTerminal(int fd) : fd_(fd), changed_(::tcgetattr(fd, &before_) == 0) {
        termios quiet = before_;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (changed_) (void)::tcsetattr(fd_, TCSAFLUSH, &quiet);
    }
    QuietTerminal(const QuietTerminal&) = delete;
    QuietTerminal& operator=(const QuietTerminal&) = delete;
    ~QuietTerminal() {
        if (changed_) (void)::tcsetattr(fd_, TCSAFLUSH, &before_);
    }

 private:
    int fd_;
    termios before_{};
    bool changed_;
};

std::optional<std::string> ask(int terminal, const char* prompt) {
    std::fputs(prompt, stderr);
    std::fflush(stderr);
    const QuietTerminal quiet(terminal);
    auto line = read_line(terminal);
    std::fputs("\n", stderr);
    return line;
}

}  // namespace

PasswordAnswer read_password_twice(bool from_stdin, const char* prompt, const char* again) {
    std::optional<std::string> first, second;
    if (from_stdin) {
        first = read_line(STDIN_FILENO);
        second = first ? read_line(STDIN_FILENO) : std::nullopt;
    } else {
        const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
        const int fd = terminal.valid() ? terminal.get() : STDIN_FILENO;
        first = ask(fd, prompt);
        second = first ? ask(fd, again) : std::nullopt;
    }
    if (!first || !second) return {{}, PasswordError::unreadable};
    if (*first != *second) return {{}, PasswordError::mismatch};
    return {*first, PasswordError::none};
}

}  // namespace Atoll::tools

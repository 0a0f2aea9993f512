// Passwords for the tools, asked twice: from the terminal without echo, or from standard input, a line each.
#pragma once

#include <cstdio>
#include <optional>
#include <string>

namespace Atoll::tools {

enum class PasswordError { none, unreadable, mismatch };

struct PasswordAnswer {
    std::string password;
    PasswordError error = PasswordError::none;
};

// With `from_stdin` nothing is printed; else the prompts are.
PasswordAnswer read_password_twice(bool from_stdin, const char* prompt, const char* again);

}  // namespace Atoll::tools

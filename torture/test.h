// What a test of smbtorture is, and what it is given.
//
// A test is a function over Test. It ends at its first failed check: the macros at the end record the reason and return. Every test makes
// its own connections and works below a directory of its own, which is removed when it ends.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop/loop.h"
#include "libcli/auth/initiator.h"
#include "libcli/client/connection.h"
#include "libcli/client/file.h"
#include "libcli/client/session.h"
#include "libcli/client/tree.h"

namespace Atoll::torture {

// What the command line says.
struct Target {
    std::string host;
    std::string share;
    uint16_t port = 445;
    std::string user;  // empty: anonymous
    std::string password;
    std::string domain;
    bool use_kerberos = false;  // with the tickets of `credential_cache`, or of the default one
    std::string credential_cache;
    smb::Dialect max_dialect = smb::Dialect::smb3_11;
    std::map<std::string, std::string> options;  // --option=torture:NAME=VALUE

    [[nodiscard]] std::string option(const std::string& name, const std::string& otherwise = {}) const;
    [[nodiscard]] auth::Credentials credentials() const;
    [[nodiscard]] std::string share_path() const { return "\\\\" + host + "\\" + share; }
};

// A connection with one session and one tree.
struct Client {
    std::unique_ptr<client::Connection> connection;
    std::unique_ptr<client::Session> session;
    std::unique_ptr<client::Tree> tree;

    // Sends one request on the tree, with options of the test's, and waits.
    template <class Body>
    NtStatus status_of(smb::Command command, const Body& body, client::RequestOptions options = {}) {
        return connection->wait(tree->start(command, body, options));
    }
};

class Test {
 public:
    Test(const Target& target, std::string name);
    ~Test();

    const Target& target;
    const std::string name;  // "atoll.rw.read_past_end"
    loop::Loop loop;

    // Each fails the test and returns nothing if it does not succeed.
    std::unique_ptr<client::Connection> connect();
    std::unique_ptr<client::Connection> negotiate(const client::NegotiateOptions& options);
    std::unique_ptr<client::Connection> negotiate() { return negotiate(negotiate_options()); }
    std::unique_ptr<Client> client(client::LogOnOptions log_on = {}) { return client(negotiate_options(), log_on); }
    std::unique_ptr<Client> client(const client::NegotiateOptions& options, client::LogOnOptions log_on = {});
    // A file with that content, open for reading, writing and deletion.
    std::optional<client::File> file(Client& c, std::string_view leaf, Bytes content = {});

    [[nodiscard]] client::NegotiateOptions negotiate_options() const;
    [[nodiscard]] client::NegotiateOptions only(smb::Dialect dialect) const;

    // A path below the test's own directory, which is made on first use.
    std::string path(Client& c, std::string_view leaf);

    // True if a new client can log on and use the share; else the test fails.
    bool server_alive();

    void fail(std::string reason);
    void skip(std::string reason);
    // Where it was, before the reason of a test that has failed.
    void say_where(const std::string& where) { reason_ = where + ": " + reason_; }
    [[nodiscard]] bool ended() const { return failed_ || skipped_; }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] bool skipped() const { return skipped_; }
    [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
    bool failed_ = false;
    bool skipped_ = false;
    bool directory_made_ = false;
    std::string directory_;
    std::string reason_;
};

struct TestCase {
    const char* name;     // within its suite
    const char* section;  // of the specification that it checks
    void (*run)(Test&);
};

struct Suite {
    const char* name;  // "atoll.rw"
    std::span<const TestCase> tests;
};

// All of them, in the order in which they run.
std::span<const Suite> suites();

extern const Suite connect_suite;
extern const Suite dialects_suite;
extern const Suite rw_suite;
extern const Suite dir_suite;
extern const Suite compound_suite;
extern const Suite credits_suite;
extern const Suite create_suite;
extern const Suite oplock_suite;
extern const Suite lease_suite;
extern const Suite dirlease_suite;
extern const Suite info_suite;
extern const Suite notify_suite;
extern const Suite ea_suite;
extern const Suite streams_suite;
extern const Suite rename_suite;
extern const Suite acls_suite;
extern const Suite rights_suite;
extern const Suite pipe_suite;
extern const Suite rpc_suite;
extern const Suite hostile_suite;
extern const Suite lock_suite;
extern const Suite ioctl_suite;
extern const Suite reparse_suite;
extern const Suite resilient_suite;
extern const Suite attack_suite;
extern const Suite failover_suite;
extern const Suite restart_suite;  // not by torture_test.py: it kills the server
extern const Suite killed_client_suite;
extern const Suite async_suite;     // not by torture_test.py: it needs commands
extern const Suite kerberos_suite;  // nor this one: it needs tickets

std::vector<uint8_t> pattern_bytes(size_t size, uint32_t seed = 1);

}  // namespace Atoll::torture

// CHECK(t, condition, "what was wrong {}", values...)
#define CHECK(t, condition, ...)                                                                                            \
    do {                                                                                                                    \
        if (!(condition)) return (t).fail(fmt::format("{}:{}: ", ATOLL_TORTURE_FILE, __LINE__) + fmt::format(__VA_ARGS__)); \
    } while (false)
// CHECK_STATUS(t, expression, NtStatus::X)
#define CHECK_STATUS(t, expression, expected)                                                                         \
    do {                                                                                                              \
        const ::Atoll::NtStatus status_here = (expression);                                                           \
        if (status_here != (expected)) {                                                                              \
            return (t).fail(fmt::format("{}:{}: {} gives {}, expected {}", ATOLL_TORTURE_FILE, __LINE__, #expression, \
                                        ::Atoll::to_string(status_here), ::Atoll::to_string(expected)));              \
        }                                                                                                             \
    } while (false)
// As CHECK_STATUS, for answers of which the specification allows several.
#define CHECK_STATUS_ONE_OF(t, expression, ...)                                                                                 \
    do {                                                                                                                        \
        const ::Atoll::NtStatus status_here = (expression);                                                                     \
        if (!::Atoll::torture::one_of(status_here, {__VA_ARGS__})) {                                                            \
            return (t).fail(                                                                                                    \
                fmt::format("{}:{}: {} gives {}", ATOLL_TORTURE_FILE, __LINE__, #expression, ::Atoll::to_string(status_here))); \
        }                                                                                                                       \
    } while (false)
// Declares `name` from a Result, a pointer or an optional; ends the test if there is none.
#define REQUIRE(t, name, expression) \
    auto name = (expression);        \
    if (!name) return ::Atoll::torture::fail_missing(t, name, ATOLL_TORTURE_FILE, __LINE__, #expression)

#define ATOLL_TORTURE_FILE (::Atoll::torture::base_name(__FILE__))

namespace Atoll::torture {

constexpr const char* base_name(const char* path) {
    const char* base = path;
    for (const char* p = path; *p != 0; ++p) {
        if (*p == '/') base = p + 1;
    }
    return base;
}

inline bool one_of(NtStatus status, std::initializer_list<NtStatus> expected) {
    for (NtStatus e : expected) {
        if (status == e) return true;
    }
    return false;
}

template <class T>
void fail_missing(Test& t, const T& value, const char* file, int line, const char* expression) {
    if constexpr (requires {
                      { value.error() } -> std::convertible_to<NtStatus>;
                  }) {
        t.fail(fmt::format("{}:{}: {} gives {}", file, line, expression, to_string(static_cast<NtStatus>(value.error()))));
    } else {
        t.fail(fmt::format("{}:{}: {} gives nothing", file, line, expression));
    }
}

}  // namespace Atoll::torture

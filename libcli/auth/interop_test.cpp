// Both sides against Debian's ntlm_auth (package winbind), which speaks the helper protocols of ntlm_auth(1): a line "YR" or "TT <base64>"
// in, a line "YR|KK|TT|AF <base64>" out. Skipped where it is not installed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "libcli/auth/acceptor.h"
#include "libcli/auth/initiator.h"
#include "libcli/auth/verifier.h"

namespace Atoll::auth {
namespace {

constexpr const char* program = "/usr/bin/ntlm_auth";

std::string base64(Bytes bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    out.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<uint8_t*>(out.data()), bytes.data(), static_cast<int>(bytes.size()))));
    return out;
}

std::vector<uint8_t> unbase64(const std::string& text) {
    std::vector<uint8_t> out(text.size());
    const int n = EVP_DecodeBlock(out.data(), reinterpret_cast<const uint8_t*>(text.data()), static_cast<int>(text.size()));
    EXPECT_GE(n, 0);
    const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    out.resize(static_cast<size_t>(n) - padding);
    return out;
}

class NtlmAuth {
 public:
    explicit NtlmAuth(const std::string& protocol, const std::string& password = "secret")
        : token_with_af_(protocol != "squid-2.5-ntlmssp") {
        int to[2], from[2];
        EXPECT_EQ(::pipe2(to, O_CLOEXEC) | ::pipe2(from, O_CLOEXEC), 0);
        child_ = ::fork();
        if (child_ == 0) {
            ::dup2(to[0], 0);
            ::dup2(from[1], 1);
            ::execl(program, program, "--configfile=/dev/null", ("--helper-protocol=" + protocol).c_str(), "--username=alice",
                    "--domain=WORKGROUP", ("--password=" + password).c_str(), "--option=log level = 0", nullptr);
            ::_exit(127);
        }
        ::close(to[0]);
        ::close(from[1]);
        in_.reset(to[1]);
        out_.reset(from[0]);
    }
    ~NtlmAuth() {
        in_.reset();
        ::waitpid(child_, nullptr, 0);
    }
    struct Reply {
        std::string code;
        std::vector<uint8_t> token;
        std::string line;
    };
    Reply ask(const std::string& code, Bytes token = {}) {
        const std::string request = code + (token.empty() ? "" : " " + base64(token)) + "\n";
        EXPECT_EQ(::write(in_.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
        std::string line;
        char c = 0;
        while (::read(out_.get(), &c, 1) == 1 && c != '\n') line += c;
        Reply reply{line.substr(0, 2), {}, line};
        if (line.size() > 3) {
            std::string rest = line.substr(3);
            rest.resize(rest.find(' ') == std::string::npos ? rest.size() : rest.find(' '));
            // AF of squid's protocol tells a name instead, NA a reason.
            const bool has_token = reply.code == "YR" || reply.code == "KK" || reply.code == "TT" || (reply.code == "AF" && token_with_af_);
            if (has_token && rest != "*") reply.token = unbase64(rest);
        }
        return reply;
    }

 private:
    bool token_with_af_;
    pid_t child_ = -1;
    UniqueFd in_, out_;
};

class Interop : public ::testing::TestWithParam<bool> {
 protected:
    void SetUp() override {
        if (::access(program, X_OK) != 0) GTEST_SKIP() << program << " is not installed";
    }
};

// Debian's client, our acceptor and verifier.
TEST_P(Interop, DebiansClient) {
    const bool spnego = GetParam();
    for (const bool right : {true, false}) {
        NtlmAuth client(spnego ? "gss-spnego-client" : "ntlmssp-client-1", right ? "secret" : "wrong");
        Acceptor server({"ATOLL", "WORKGROUP", "", ""});
        const auto first = client.ask("YR");
        ASSERT_EQ(first.code, "YR") << first.line;
        const auto challenge = server.step(first.token);
        ASSERT_TRUE(challenge.ok());
        const auto answer = client.ask("TT", challenge->token);
        ASSERT_TRUE(answer.code == "KK" || answer.code == "AF") << answer.line;
        const auto last = server.step(answer.token);
        ASSERT_TRUE(last.ok() && last->proof.has_value());
        EXPECT_EQ(last->proof->user, "alice");
        EXPECT_EQ(last->proof->uses_spnego, spnego);
        const NtHash hash = *nt_hash("secret");
        const auto outcome = verify_logon(*last->proof, &hash, NtlmPolicy::ntlmv2_only);
        ASSERT_EQ(outcome.ok(), right);
        if (!right || !spnego) continue;
        const auto done = client.ask("TT", outcome->token);
        EXPECT_EQ(done.code, "AF") << done.line;
    }
}

// Our client, Debian's server with a password that it is told. With SPNEGO each checks the other's mechListMIC.
TEST_P(Interop, DebiansServer) {
    const bool spnego = GetParam();
    for (const bool right : {true, false}) {
        NtlmAuth server(spnego ? "gss-spnego" : "squid-2.5-ntlmssp", "secret");
        Initiator client({"alice", "WORKGROUP", *nt_hash(right ? "secret" : "wrong"), "CLIENT"}, {spnego, ""});
        const auto challenge = server.ask("YR", client.start());
        ASSERT_EQ(challenge.code, "TT") << challenge.line;
        const auto answer = client.answer(challenge.token);
        ASSERT_TRUE(answer.ok());
        const auto verdict = server.ask("KK", *answer);
        EXPECT_EQ(verdict.code, right ? "AF" : "NA") << verdict.line;
        if (!right || !spnego) continue;
        EXPECT_TRUE(client.finish(verdict.token, true).ok());
        EXPECT_GT(verdict.token.size(), 16u) << "the server's mechListMIC is in it";
    }
}

INSTANTIATE_TEST_SUITE_P(Forms, Interop, ::testing::Bool(), [](const auto& instance) { return instance.param ? "spnego" : "bare"; });

}  // namespace
}  // namespace Atoll::auth

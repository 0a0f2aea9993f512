#include "smbd/accounts/authority.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "libcli/auth/acceptor.h"
#include "libcli/auth/initiator.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::accounts {
namespace {

class AuthorityTest : public ::testing::Test {
 protected:
    std::unique_ptr<tdb::MemoryDatabase> database = tdb::MemoryDatabase::open({});
    std::string self = find_unix_user(::geteuid())->name;

    std::unique_ptr<Authority> authority(const std::string& global, std::string_view map = "") {
        auto configuration = conf::load_text("[global]\nnetbios name = ATOLL\nguest account = " + self + "\n" + global);
        EXPECT_TRUE(configuration.ok());
        return std::make_unique<Authority>(*configuration, tdbsam_on(*database), *parse_sid("S-1-5-21-1-2-3"),
                                           *UsernameMap::parse(map, "map"));
    }
    void add(const std::string& user, const std::string& password, uint32_t flags = account_flags::normal) {
        Account account = new_account(user, "", "ATOLL");
        set_password(account, *auth::nt_hash(password), 1);
        account.flags = flags;
        ASSERT_TRUE(tdbsam_on(*database)->add(account).ok());
    }
    static auth::LogonProof proof(const std::string& user, const std::string& password) {
        auth::Initiator client({user, "ATOLL", *auth::nt_hash(password), "CLIENT"});
        auth::Acceptor server({"ATOLL", "", "", ""});
        const auto challenge = server.step(client.start());
        return *server.step(*client.answer(challenge->token))->proof;
    }
};

TEST_F(AuthorityTest, RightAndWrongPassword) {
    add(self, "secret");
    auto a = authority("");
    const auto good = a->log_on(proof(self, "secret"));
    ASSERT_TRUE(good.ok());
    EXPECT_EQ(good->token.uid, ::geteuid());
    EXPECT_EQ(to_string(good->token.user_sid), "S-1-5-21-1-2-3-1000");
    EXPECT_EQ(good->token.domain_name, "ATOLL");
    EXPECT_EQ(a->log_on(proof(self, "Secret")).error(), NtStatus::LOGON_FAILURE);
    EXPECT_EQ(a->log_on(proof("nobody-at-all", "secret")).error(), NtStatus::LOGON_FAILURE);
    EXPECT_EQ(authority("ntlm auth = disabled\n")->log_on(proof(self, "secret")).error(), NtStatus::NTLM_BLOCKED);
}

TEST_F(AuthorityTest, KnownAndUnknownUsersCostTheSameDigests) {
    add(self, "secret");
    for (const char* setting : {"", "map to guest = bad user\n", "map to guest = bad password\n"}) {
        auto a = authority(setting);
        const auto cost = [&](const auth::LogonProof& claim) {
            const uint64_t before = auth::digest_calls();
            (void)a->log_on(claim).ok();
            return auth::digest_calls() - before;
        };
        const uint64_t wrong = cost(proof(self, "wrong"));
        EXPECT_GT(wrong, 0u);
        EXPECT_EQ(cost(proof("nobody-at-all", "wrong")), wrong) << setting;
    }
}

TEST_F(AuthorityTest, AccountWithoutUnixUserIsRefused) {
    add("no-such-unix-user", "secret");
    EXPECT_EQ(authority("")->log_on(proof("no-such-unix-user", "secret")).error(), NtStatus::LOGON_FAILURE);
}

TEST_F(AuthorityTest, DisabledIsToldOnlyToWhoKnowsThePassword) {
    add(self, "secret", account_flags::normal | account_flags::disabled);
    auto a = authority("");
    EXPECT_EQ(a->log_on(proof(self, "secret")).error(), NtStatus::ACCOUNT_DISABLED);
    EXPECT_EQ(a->log_on(proof(self, "wrong")).error(), NtStatus::LOGON_FAILURE);
}

TEST_F(AuthorityTest, MapToGuest) {
    add(self, "secret");
    auto bad_user = authority("map to guest = bad user\n");
    const auto guest = bad_user->log_on(proof("nobody-at-all", "x"));
    ASSERT_TRUE(guest.ok());
    EXPECT_TRUE(guest->token.is_guest);
    EXPECT_TRUE(guest->outcome.session_key.empty());
    EXPECT_EQ(bad_user->log_on(proof(self, "x")).error(), NtStatus::LOGON_FAILURE);
    auto bad_password = authority("map to guest = bad password\n");
    EXPECT_TRUE(bad_password->log_on(proof(self, "x"))->token.is_guest);
    EXPECT_FALSE(bad_password->log_on(proof(self, "secret"))->token.is_guest);
}

TEST_F(AuthorityTest, Anonymous) {
    const auto token = authority("")->log_on(proof("", ""));
    ASSERT_TRUE(token.ok());
    EXPECT_TRUE(token->token.is_anonymous);
    EXPECT_EQ(authority("restrict anonymous = 2\n")->log_on(proof("", "")).error(), NtStatus::ACCESS_DENIED);
}

TEST_F(AuthorityTest, UsernameMapIsForTheAccountNotForTheProof) {
    add(self, "secret");
    auto a = authority("", self + " = \"The Boss\"\n");
    EXPECT_EQ(a->log_on(proof("the boss", "secret"))->token.user_name, self);
    EXPECT_EQ(a->log_on(proof("the boss", "wrong")).error(), NtStatus::LOGON_FAILURE);
}

// With real files, since a process may open one only once.
TEST_F(AuthorityTest, ReloadKeepsTheOpenDatabaseOrTakesAnother) {
    const std::string top = ::testing::TempDir() + "authority_test." + std::to_string(::getpid());
    std::filesystem::create_directories(top + "/a");
    const auto configuration = [&](const std::string& more) {
        return *conf::load_text("[global]\nnetbios name = ATOLL\nguest account = " + self + "\nprivate dir = " + top + "/a\n" + more);
    };
    auto opened = Authority::open(configuration(""));
    ASSERT_TRUE(opened.ok());
    Authority& a = **opened;
    const Sid sid = a.domain_sid();
    EXPECT_EQ(a.log_on(proof("nobody-at-all", "x")).error(), NtStatus::LOGON_FAILURE);

    ASSERT_TRUE(a.reload(configuration("map to guest = bad user\n")).ok());
    EXPECT_TRUE(a.log_on(proof("nobody-at-all", "x"))->token.is_guest);
    EXPECT_EQ(a.domain_sid(), sid);

    EXPECT_FALSE(a.reload(configuration("username map = /nonexistent/map\n")).ok());
    EXPECT_TRUE(a.log_on(proof("nobody-at-all", "x"))->token.is_guest) << "the former configuration stays";

    const auto other = configuration("passdb backend = tdbsam:" + top + "/other.tdb\n");
    {
        auto passdb = open_passdb(other->global());
        ASSERT_TRUE(passdb.ok());
        Account account = new_account(self, "", "ATOLL");
        set_password(account, *auth::nt_hash("secret"), 1);
        ASSERT_TRUE((*passdb)->add(account).ok());
    }
    EXPECT_TRUE(a.log_on(proof(self, "secret"))->token.is_guest) << "not known here";
    ASSERT_TRUE(a.reload(other).ok());
    const auto known = a.log_on(proof(self, "secret"));
    ASSERT_TRUE(known.ok());
    EXPECT_FALSE(known->token.is_guest);
    std::filesystem::remove_all(top);
}

TEST(OpenKerberos, SaysWhatIsMissing) {
    const auto why = [](const std::string& text) {
        const auto configuration = conf::load_text("[global]\n" + text);
        EXPECT_TRUE(configuration.ok());
        const auto opened = open_kerberos(**configuration);
        return opened ? std::string(*opened ? "open" : "none") : opened.error().message();
    };
    EXPECT_EQ(why(""), "none");
    EXPECT_EQ(why("realm = R\n"), "none");
    EXPECT_EQ(why("kerberos method = secrets only\n"), "none") << "no realm: nobody wants Kerberos";
    EXPECT_NE(why("realm = R\nkerberos method = secrets only\n").find("join"), std::string::npos);
    EXPECT_NE(why("kerberos method = secrets and keytab\n").find("join"), std::string::npos);
    EXPECT_NE(why("kerberos method = system keytab\n").find("'realm'"), std::string::npos);
    EXPECT_NE(why("realm = R\nkerberos method = dedicated keytab\n").find("'dedicated keytab file'"), std::string::npos);
    EXPECT_NE(why("realm = R\nkerberos method = dedicated keytab\ndedicated keytab file = keytab\n").find("absolute"), std::string::npos);
    EXPECT_NE(why("realm = R\nkerberos method = dedicated keytab\ndedicated keytab file = FILE:/no/keytab\n").find("/no/keytab"),
              std::string::npos);
}

TEST(CheckAccount, EachReason) {
    constexpr uint32_t thursday_noon = 12 * 3600;  // 1970-01-01
    Account good = new_account("u", "", "");
    good.password_last_set = 1;
    EXPECT_EQ(check_account(good, "PC", thursday_noon), NtStatus::SUCCESS);
    Account a = good;
    a.flags |= account_flags::auto_locked;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::ACCOUNT_LOCKED_OUT);
    a = good;
    a.flags = account_flags::workstation_trust;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::NOLOGON_WORKSTATION_TRUST_ACCOUNT);
    a = good;
    a.kickoff_time = thursday_noon;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::ACCOUNT_EXPIRED);
    a = good;
    a.password_last_set = 0;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::PASSWORD_MUST_CHANGE);
    a.flags |= account_flags::password_never_expires;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::SUCCESS);
    a = good;
    a.password_must_change = 5;
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::PASSWORD_EXPIRED);
    EXPECT_EQ(check_account(a, "PC", thursday_noon, Proved::by_ticket), NtStatus::SUCCESS);
    a = good;
    a.workstations = "ONE,pc";
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::SUCCESS);
    EXPECT_EQ(check_account(a, "TWO", thursday_noon), NtStatus::INVALID_WORKSTATION);
    a = good;
    const size_t hour = 4 * 24 + 12;
    a.logon_hours[hour / 8] = static_cast<uint8_t>(~(1u << hour % 8));
    EXPECT_EQ(check_account(a, "PC", thursday_noon), NtStatus::INVALID_LOGON_HOURS);
    EXPECT_EQ(check_account(a, "PC", thursday_noon + 3600), NtStatus::SUCCESS);
}

}  // namespace
}  // namespace Atoll::accounts

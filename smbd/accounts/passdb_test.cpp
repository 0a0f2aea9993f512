#include "smbd/accounts/passdb.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/bytes.h"
#include "smbd/accounts/tdbsam.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::accounts {
namespace {

// What Debian's `smbpasswd -a pdbbob` and `pdbedit -P "password history" -C 3`, with one change of password, stored.
const std::string debian_record =
    std::string("\x00\x00\x00\x00\x7F\xA9\x54\x7C\x7F\xA9\x54\x7C\x00\x00\x00\x00\xC1\x1A\x02\x6B\x00\x00\x00\x00\x7F\xA9\x54\x7C", 28) +
    std::string(
        "\x07\x00\x00\x00pdbbob\x00\x06\x00\x00\x00"
        "ATOLL\x00\x01\x00\x00\x00\x00\x0C\x00\x00\x00"
        "Bob Builder\x00",
        42) +
    std::string(16, '\0') +
    std::string("\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\xEB\x03\x00\x00\x01\x02\x00\x00", 28) +
    std::string("\x00\x00\x00\x00\x10\x00\x00\x00", 8) + std::string("3\x9B\xCE\x9A\xEF\x0D\xEAr\xD5\xDFP\xFA\x1D\xE9\x90\x1F") +
    std::string("\x60\x00\x00\x00", 4) + std::string(16, '\0') + std::string("3\x9B\xCE\x9A\xEF\x0D\xEAr\xD5\xDFP\xFA\x1D\xE9\x90\x1F") +
    std::string(16, '\0') + std::string("F\x12\x08\x92)}\xDA\x09\x10\xB7zG\xD8R\xE4\xAC") + std::string(32, '\0') +
    std::string("\x10\x00\x00\x00\xA8\x00\x15\x00\x00\x00\x20\x00\x00\x00", 14) + std::string(21, '\xFF') + std::string(15, '\0') +
    std::string("\xEC\x04\x00\x00", 4);

Account decoded() {
    Account account;
    EXPECT_TRUE(decode_tdbsam(as_bytes(debian_record), account).ok());
    return account;
}

TEST(Tdbsam, ReadsWhatDebianWrote) {
    const Account account = decoded();
    EXPECT_EQ(account.user, "pdbbob");
    EXPECT_EQ(account.domain, "ATOLL");
    EXPECT_EQ(account.full_name, "Bob Builder");
    EXPECT_EQ(account.rid, 1003u);
    EXPECT_EQ(account.group_rid, domain_users_rid);
    EXPECT_EQ(account.flags, account_flags::normal);
    EXPECT_EQ(account.password_must_change, never);
    EXPECT_EQ(account.absent, 0xF0u);
    EXPECT_EQ(account.history.size(), 96u);
    EXPECT_EQ(nt_hash_of(account), auth::nt_hash("y1"));
}

TEST(Tdbsam, WritesTheSameBytes) {
    Buffer out;
    encode_tdbsam(decoded(), out);
    EXPECT_EQ(as_text(out), debian_record);
    const std::string longer = debian_record + "what a newer version adds";
    Account account;
    ASSERT_TRUE(decode_tdbsam(as_bytes(longer), account).ok());
    out.clear();
    encode_tdbsam(account, out);
    EXPECT_EQ(as_text(out), longer);
}

TEST(Tdbsam, RefusesWhatIsCutOrHasNoZero) {
    Account account;
    for (size_t n = 0; n < debian_record.size(); n++) EXPECT_FALSE(decode_tdbsam(as_bytes(debian_record.substr(0, n)), account).ok()) << n;
    std::string no_zero = debian_record;
    no_zero[38] = 'x';  // the end of the user name
    EXPECT_FALSE(decode_tdbsam(as_bytes(no_zero), account).ok());
    std::string huge = debian_record;
    huge[30] = '\x7F';
    EXPECT_FALSE(decode_tdbsam(as_bytes(huge), account).ok());
}

// A new account is what Debian's makes, byte for byte.
TEST(Tdbsam, NewAccountLooksLikeDebians) {
    Account account = new_account("pdbbob", "Bob Builder", "ATOLL");
    set_password(account, *auth::nt_hash("y1"), 0x6B021AC1);
    account.rid = 1003;
    EXPECT_TRUE(account.history.empty());
    account.history.assign(96, 0);
    set_password(account, *auth::nt_hash("y0"), 0x6B021AC1);
    set_password(account, *auth::nt_hash("y1"), 0x6B021AC1);
    Buffer out;
    encode_tdbsam(account, out);
    EXPECT_EQ(as_text(out), debian_record);
}

TEST(Accounts, WhenThePasswordMustChange) {
    Account account = new_account("u", "", "");
    EXPECT_EQ(account.password_must_change, 0u);
    set_password(account, {}, 1000);
    EXPECT_EQ(account.password_must_change, never);
    account.flags |= account_flags::password_never_expires;
    settle_password_expiry(account, 1000);
    EXPECT_EQ(account.password_must_change, never_by_flag);
    account.flags = account_flags::normal;
    settle_password_expiry(account, 1000);
    EXPECT_EQ(account.password_must_change, never);
    account.password_must_change = 1500;  // a policy of 500 seconds
    set_password(account, {}, 2000);
    EXPECT_EQ(account.password_must_change, 2500u);
}

TEST(Accounts, FlagsAsLetters) {
    EXPECT_EQ(flags_text(account_flags::normal), "[U          ]");
    EXPECT_EQ(flags_text(account_flags::normal | account_flags::disabled), "[DU         ]");
    EXPECT_EQ(flags_text(account_flags::normal | account_flags::password_not_required), "[NU         ]");
    EXPECT_EQ(parse_flags("[DU         ]"), account_flags::normal | account_flags::disabled);
    EXPECT_EQ(parse_flags("XW"), account_flags::password_never_expires | account_flags::workstation_trust);
    EXPECT_FALSE(parse_flags("[Q]").has_value());
}

class PassdbTest : public ::testing::TestWithParam<std::unique_ptr<Passdb> (*)(tdb::Database&, uint32_t)> {
 protected:
    std::unique_ptr<tdb::MemoryDatabase> database = tdb::MemoryDatabase::open({});
    std::unique_ptr<Passdb> passdb = GetParam()(*database, 1000);

    Account added(const std::string& name) {
        Account account = new_account(name, "", "ATOLL");
        EXPECT_TRUE(passdb->add(account).ok());
        return account;
    }
};

TEST_P(PassdbTest, AddFindUpdateRemove) {
    const Account alice = added("Alice");
    const Account bob = added("bob");
    EXPECT_EQ(alice.rid, 1000u);
    EXPECT_EQ(bob.rid, 1001u);
    auto found = passdb->find("aLICE");
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ(**found, alice);
    EXPECT_EQ(passdb->find_rid(1001)->value(), bob);
    EXPECT_FALSE(passdb->find("carol")->has_value());
    EXPECT_FALSE(passdb->find_rid(1002)->has_value());

    Account changed = alice;
    changed.full_name = "Alice Liddell";
    changed.rest = {1, 2, 3};
    EXPECT_TRUE(passdb->update(changed).ok());
    EXPECT_EQ(passdb->find("alice")->value(), changed);
    EXPECT_EQ(passdb->all()->size(), 2u);

    EXPECT_TRUE(*passdb->remove("ALICE"));
    EXPECT_FALSE(*passdb->remove("alice"));
    EXPECT_FALSE(passdb->find_rid(1000)->has_value());
    EXPECT_EQ(passdb->update(changed).error().code, Code::not_found);
    EXPECT_EQ(added("carol").rid, 1002u) << "a RID is never given twice";
}

TEST_P(PassdbTest, NamesAndRidsAreUnique) {
    added("alice");
    Account again = new_account("ALICE", "", "ATOLL");
    EXPECT_EQ(passdb->add(again).error().code, Code::exists);
    Account taken = new_account("dave", "", "ATOLL");
    taken.rid = 1000;
    EXPECT_EQ(passdb->add(taken).error().code, Code::exists);
    taken.rid = 5000;
    EXPECT_TRUE(passdb->add(taken).ok());
}

// Whatever write fails, the user is either there whole or not at all, and adding again works.
TEST_P(PassdbTest, FailedWritesLeaveNothingWrong) {
    for (unsigned nth = 1; nth <= 3; nth++) {
        database->fail_writes(nth, Code::no_space);
        Account account = new_account("eve" + std::to_string(nth), "", "ATOLL");
        EXPECT_EQ(passdb->add(account).error().code, Code::no_space);
        EXPECT_FALSE(passdb->find(account.user)->has_value());
        for (uint32_t rid = 1000; rid < 1010; rid++) {
            const auto holder = passdb->find_rid(rid);
            ASSERT_TRUE(holder.ok());
            EXPECT_TRUE(!holder->has_value() || (*holder)->user != account.user);
        }
        account.rid = 0;
        EXPECT_TRUE(passdb->add(account).ok());
    }
}

TEST_P(PassdbTest, CorruptRecordIsNamed) {
    added("alice");
    ASSERT_TRUE(database->store(as_bytes(std::string_view("USER_alice", 11)), as_bytes("rubbish")).ok());
    const auto found = passdb->find("alice");
    ASSERT_FALSE(found.ok());
    EXPECT_NE(found.error().message().find("USER_alice"), std::string::npos);
    EXPECT_FALSE(passdb->all().ok());
}

INSTANTIATE_TEST_SUITE_P(Backends, PassdbTest, ::testing::Values(&tdbsam_on, &records_on),
                         [](const auto& instance) { return instance.index == 0 ? "tdbsam" : "records"; });

TEST(MachineSid, MadeOnceAndKept) {
    auto secrets = tdb::MemoryDatabase::open({});
    EXPECT_EQ(machine_sid_in(*secrets, "atoll", false).error().code, Code::not_found);
    const auto sid = machine_sid_in(*secrets, "atoll", true);
    ASSERT_TRUE(sid.ok());
    EXPECT_EQ(sid->count, 4);
    EXPECT_EQ(sid->sub_authorities[0], 21u);
    EXPECT_EQ(*machine_sid_in(*secrets, "ATOLL", false), *sid);
    Buffer stored;
    ASSERT_TRUE(*secrets->fetch(as_bytes("SECRETS/SID/ATOLL"), stored));
    EXPECT_EQ(stored.size(), 68u);
    ASSERT_TRUE(secrets->store(as_bytes("SECRETS/SID/ATOLL"), as_bytes("x")).ok());
    EXPECT_EQ(machine_sid_in(*secrets, "ATOLL", true).error().code, Code::corrupt);
}

}  // namespace
}  // namespace Atoll::accounts

#include "tools/dbdump/dump.h"

#include <unistd.h>

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "idl/arbitrary.h"
#include "idl/level.h"
#include "smbd/accounts/account.idl.h"
#include "smbd/accounts/tdbsam.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/fsa/object_ids.idl.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/committer/committer.idl.h"
#include "tdb/watch/watches.idl.h"
#include "tdb/file/file_database.h"
#include "tdb/lmdb/lmdb_database.h"

namespace Atoll::dbdump {
namespace {

using testing::HasSubstr;

class Dump : public testing::Test {
 protected:
    void SetUp() override {
        directory = testing::TempDir() + "atoll_dbdump.XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    }
    void TearDown() override {
        for (const std::string& name : made) ::unlink((directory + "/" + name).c_str());
        ::rmdir(directory.c_str());
    }
    std::string path(const std::string& name) {
        made.push_back(name);
        return directory + "/" + name;
    }
    std::string make_tdb(const std::string& name, Bytes key, Bytes value) {
        std::string where = path(name);
        auto database = tdb::FileDatabase::open({.path = where});
        EXPECT_TRUE(database.ok());
        EXPECT_TRUE((*database)->store(key, value).ok());
        return where;
    }
    static Outcome dumped(const Options& options) {
        auto outcome = dump(options);
        EXPECT_TRUE(outcome.ok()) << outcome.error().message();
        return outcome.ok() ? std::move(*outcome) : Outcome{};
    }

    std::string directory;
    std::vector<std::string> made;
};

constexpr uint8_t session_key[8] = {0, 0, 0, 0, 0, 0, 0x12, 0x34};

Buffer session_record() {
    xsrv::session_global session;
    session.session_id = 0x1234;
    session.user_name = "ann \"a\"";
    Buffer encoded;
    encode(session, encoded, idl::first_level);
    return encoded;
}

TEST_F(Dump, ARecordAndItsKeyAreDecodedByTheNameOfTheDatabase) {
    const std::string where = make_tdb("smbXsrv_session_global.tdb", session_key, session_record());
    const Outcome text = dumped({.path = where});
    EXPECT_EQ(text.records, 1u);
    EXPECT_EQ(text.unreadable, 0u);
    EXPECT_THAT(text.text, HasSubstr("smbXsrv_session_global.tdb:"));
    EXPECT_THAT(text.text, HasSubstr("session_id: 0x1234"));
    EXPECT_THAT(text.text, HasSubstr("user_name"));
    const Outcome json = dumped({.path = where, .form = Form::json});
    EXPECT_THAT(json.text, HasSubstr("\"type\": \"session_global\""));
    EXPECT_THAT(json.text, HasSubstr("ann \\\"a\\\""));
}

TEST_F(Dump, AnotherNameCanBeSaid) {
    const std::string where = make_tdb("copy", session_key, session_record());
    EXPECT_THAT(dumped({.path = where}).text, HasSubstr("no database of ours"));
    EXPECT_THAT(dumped({.path = where, .schema = "smbXsrv_session_global.tdb"}).text, HasSubstr("session_id: 0x1234"));
}

TEST_F(Dump, ARecordThatIsNotKnownIsSaidToBe) {
    const Buffer known = session_record();
    Buffer strange;
    strange.assign(known);
    strange[2] ^= 0xFF;  // of the tag
    const Outcome outcome = dumped({.path = make_tdb("smbXsrv_session_global.tdb", session_key, strange)});
    EXPECT_EQ(outcome.unreadable, 1u);
    EXPECT_THAT(outcome.text, HasSubstr("not readable: a record that this program does not know"));
    EXPECT_THAT(outcome.text, HasSubstr("bytes: "));
}

TEST_F(Dump, ANewerFormatLevelIsSaidToBe) {
    Buffer newer = session_record();
    store_le<uint16_t>(newer.data(), 999);
    const std::string where = make_tdb("smbXsrv_session_global.tdb", session_key, newer);
    const Outcome outcome = dumped({.path = where, .form = Form::json});
    EXPECT_EQ(outcome.unreadable, 1u);
    EXPECT_THAT(outcome.text, HasSubstr("\"error\": "));
    EXPECT_THAT(outcome.text, HasSubstr("999"));
}

TEST_F(Dump, AccountsAreReadInEitherBackendAndTheirSecretsAreNot) {
    accounts::Account account;
    account.user = "ann";
    account.rid = 1001;
    account.nt_hash.assign(16, 0xAB);
    account.logon_hours.assign(32, 0xFF);
    Buffer tdbsam, record;
    accounts::encode_tdbsam(account, tdbsam);
    encode(account, record, idl::first_level);
    const Bytes key(reinterpret_cast<const uint8_t*>("USER_ann"), 9);
    const std::string in_tdb = make_tdb("passdb.tdb", key, tdbsam);
    const std::string in_lmdb = path("accounts.mdb");
    made.push_back("accounts.mdb-lock");
    {
        auto database = tdb::LmdbDatabase::open({.path = in_lmdb});
        ASSERT_TRUE(database.ok());
        ASSERT_TRUE((*database)->store(key, record).ok());
    }
    for (const std::string& where : {in_tdb, in_lmdb}) {
        const Outcome outcome = dumped({.path = where});
        EXPECT_EQ(outcome.unreadable, 0u);
        EXPECT_THAT(outcome.text, HasSubstr("USER_ann"));
        EXPECT_THAT(outcome.text, HasSubstr("rid: 1001"));
        EXPECT_THAT(outcome.text, HasSubstr("(secret)"));
        EXPECT_THAT(outcome.text, testing::Not(HasSubstr("abababab")));
    }
}

TEST_F(Dump, DatabasesOfOneLmdbFile) {
    const std::string where = path("durable.mdb");
    made.push_back("durable.mdb-lock");
    committer::sender_state state;
    state.decided = 77;
    Buffer encoded;
    encode(state, encoded, idl::first_level);
    {
        auto environment = tdb::LmdbEnvironment::open({.path = where});
        ASSERT_TRUE(environment.ok());
        for (const char* name : {"committer_senders", "other"}) {
            auto database = tdb::LmdbDatabase::open(*environment, name, tdb::Rank::none);
            ASSERT_TRUE(database.ok());
            ASSERT_TRUE((*database)->store(Bytes(reinterpret_cast<const uint8_t*>("0123456789abcdef"), 16), encoded).ok());
        }
    }
    const Outcome all = dumped({.path = where});
    EXPECT_EQ(all.records, 2u);
    EXPECT_THAT(all.text, HasSubstr("decided: 77"));
    EXPECT_EQ(dumped({.path = where, .database = "other"}).records, 1u);
    EXPECT_FALSE(dump({.path = where, .database = "none"}).ok());
}

TEST_F(Dump, WhatIsNoDatabaseIsRefused) {
    const std::string where = path("text");
    FILE* file = std::fopen(where.c_str(), "w");
    std::fputs("this is a text and no database", file);
    std::fclose(file);
    const auto outcome = dump({.path = where});
    ASSERT_FALSE(outcome.ok());
    EXPECT_EQ(outcome.error().code, Code::corrupt);
    EXPECT_FALSE(dump({.path = directory + "/nothing"}).ok());
}

// Every record of every database of ours prints in both forms.
TEST_F(Dump, EveryRecordIsKnownUnderItsDatabase) {
    idl::Arbitrary random(7);
    const std::pair<const char*, std::span<const idl::RecordType>> databases[] = {
        {"smbXsrv_open_global.tdb", xsrv::xsrv_records()},
        {"smbXsrv_open_index.tdb", xsrv::xsrv_records()},
        {"locking.tdb", fsa::locking_records()},
        {"leases.tdb", fsa::leases_records()},
        {"notify_index.tdb", fsa::notify_records()},
        {"object_ids.tdb", fsa::object_ids_records()},
        {"committer_senders", committer::committer_records()},
        {"watches.tdb", watch::watches_records()},
        {"", accounts::account_records()},
    };
    for (const auto& database : databases) {
        for (const idl::RecordType& type : database.second) {
            Buffer encoded;
            EXPECT_LE(type.newest, idl::newest_known_level()) << type.name << ": idl/newest_level.cpp is behind";
            type.make(random, encoded, type.newest);
            for (const Form form : {Form::text, Form::json}) {
                const auto described = schema_of(database.first).describe({}, encoded, form);
                ASSERT_TRUE(described.ok()) << type.name << ": " << described.error().message();
                EXPECT_EQ(described->type, type.name);
            }
        }
    }
}

}  // namespace
}  // namespace Atoll::dbdump

#include "smbd/xsrv/leftover.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {
namespace {

tdb::server_id process(uint64_t pid) {
    tdb::server_id id;
    id.pid = pid;
    id.unique_id = pid;
    return id;
}

class LeftoverTest : public testing::Test {
 protected:
    LeftoverTest() : directory_(::testing::TempDir() + "leftover." + std::to_string(::getpid())) {
        std::filesystem::create_directories(directory_);
    }
    ~LeftoverTest() override { std::filesystem::remove_all(directory_); }

    template <class Record>
    static void put(tdb::Database& database, const char* key, const Record& record) {
        Buffer value;
        encode(record, value, idl::first_level);
        ASSERT_TRUE(database.store(as_bytes(key), value));
    }

    // A server that has ended, with an open whose client is away and one that nobody has closed.
    void leave() {
        auto databases = open_databases(directory_);
        ASSERT_TRUE(databases);
        ASSERT_TRUE(Leftover::note_boot(directory_));
        open_global open;
        open.owner = process(tdb::DISCONNECTED_PID);
        put(*databases->open, "away", open);
        open.owner = process(7);
        put(*databases->open, "left", open);
        fsa::locking_record locking;
        locking.share_modes.resize(2);
        locking.share_modes[0].holder = process(8);
        locking.share_modes[1].holder = process(7);
        put(*databases->locking, "file", locking);
        fsa::brlock_record brlock;
        brlock.holders.resize(2);
        brlock.holders[0].holder = process(9);
        brlock.holders[0].locks = 1;
        put(*databases->brlock, "file", brlock);
        put(*databases->leases, "lease", fsa::lease_record{});
        put(*databases->session, "session", session_global{});
    }

    static size_t count(tdb::Database& database) {
        size_t found = 0;
        EXPECT_TRUE(database.traverse([&](Bytes, Bytes) {
            found++;
            return tdb::Visit::go_on;
        }));
        return found;
    }

    std::string directory_;
};

TEST_F(LeftoverTest, NothingIsLeftWhereNobodyWas) {
    EXPECT_TRUE(Leftover::read(directory_).empty());
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/locking.tdb"));
}

TEST_F(LeftoverTest, OpensLocksAndLeasesAreCarriedOverSessionsAreNot) {
    leave();
    const Leftover leftover = Leftover::read(directory_);
    ASSERT_FALSE(leftover.empty());
    const std::vector<messaging::ServerId> holders = {messaging::ServerId(process(7)), messaging::ServerId(process(8)),
                                                      messaging::ServerId(process(9))};
    EXPECT_EQ(leftover.holders(), holders);
    auto databases = open_databases(directory_);
    ASSERT_TRUE(databases);
    EXPECT_EQ(count(*databases->open), 0u);
    ASSERT_TRUE(leftover.put_back(Leftover::targets_of(*databases)));
    EXPECT_EQ(count(*databases->open), 2u);
    EXPECT_EQ(count(*databases->locking), 1u);
    EXPECT_EQ(count(*databases->brlock), 1u);
    EXPECT_EQ(count(*databases->leases), 1u);
    EXPECT_EQ(count(*databases->session), 0u);
    EXPECT_TRUE(databases->open
                    ->parse(as_bytes("away"),
                            [](Bytes value) {
                                open_global record;
                                EXPECT_TRUE(decode(value, record));
                                EXPECT_EQ(record.owner.pid, tdb::DISCONNECTED_PID);
                            })
                    .value());
}

TEST_F(LeftoverTest, NothingOutlivesABoot) {
    leave();
    std::ofstream(directory_ + "/boot_id") << "00000000-0000-0000-0000-000000000000\n";
    EXPECT_TRUE(Leftover::read(directory_).empty());
    std::filesystem::remove(directory_ + "/boot_id");
    EXPECT_TRUE(Leftover::read(directory_).empty());
}

TEST_F(LeftoverTest, WhatCannotBeReadIsLeftOut) {
    leave();
    std::ofstream(directory_ + "/locking.tdb") << "no database, and too short for one";
    const Leftover leftover = Leftover::read(directory_);
    EXPECT_EQ(leftover.holders().size(), 2u) << "those of the opens and of the byte-range locks";
}

}  // namespace
}  // namespace Atoll::xsrv

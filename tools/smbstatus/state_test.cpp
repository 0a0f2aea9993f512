#include "tools/smbstatus/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/bytes.h"
#include "smbd/fsa/lock_array.h"
#include "tdb/file/file_database.h"
#include "tdb/messaging/message_socket.h"

namespace Atoll::smbstatus {
namespace {

using messaging::MessageSocket;
using messaging::ProcessClass;
using testing::HasSubstr;

class ReadState : public testing::Test {
 protected:
    ReadState() : directory_(::testing::TempDir() + "smbstatus." + std::to_string(::getpid())) {
        std::filesystem::create_directories(directory_);
        mailbox_.emplace(std::move(MessageSocket::open(directory_, ProcessClass::client)).value());
        self_ = mailbox_->self().to_record();
    }
    ~ReadState() override {
        mailbox_.reset();
        std::filesystem::remove_all(directory_);
    }

    template <class Record>
    void put(const char* database, Bytes key, const Record& record) {
        Buffer value;
        encode(record, value, idl::first_level);
        auto opened = tdb::FileDatabase::open({.path = directory_ + "/" + database});
        ASSERT_TRUE(opened) << opened.error().message();
        ASSERT_TRUE((*opened)->store(key, value));
    }

    void put_session(uint64_t id, uint32_t uid, const tdb::server_id& owner) {
        xsrv::session_global record;
        record.session_id = id;
        record.uid = uid;
        record.owner = owner;
        put("smbXsrv_session_global.tdb", as_bytes(std::to_string(id)), record);
    }
    void put_tcon(uint64_t session, const tdb::server_id& owner, xsrv::tcon_flags flags) {
        xsrv::tcon_global record;
        record.session_id = session;
        record.owner = owner;
        record.flags = flags;
        put("smbXsrv_tcon_global.tdb", as_bytes(std::to_string(session) + std::to_string(static_cast<int>(flags))), record);
    }
    void put_open(uint64_t id, uint32_t uid) {
        xsrv::open_global record;
        record.persistent_id = id;
        record.uid = uid;
        put("smbXsrv_open_global.tdb", as_bytes(std::to_string(id)), record);
    }
    static std::vector<uint8_t> file_key(uint64_t inode) {
        std::vector<uint8_t> key(32);
        store_le(key.data(), uint64_t{7});
        store_le(key.data() + 8, inode);
        store_le(key.data() + 16, uint64_t{9});
        return key;
    }
    static fsa::share_mode mode_of(const tdb::server_id& holder, uint64_t open_id) {
        fsa::share_mode mode;
        mode.holder = holder;
        mode.open_id = open_id;
        return mode;
    }
    static tdb::server_id dead() {
        tdb::server_id id;
        id.pid = 1;
        id.unique_id = 2;
        return id;
    }
    static tdb::server_id away() {
        tdb::server_id id;
        id.pid = tdb::DISCONNECTED_PID;
        return id;
    }
    [[nodiscard]] State read(bool check = true, std::optional<uint32_t> uid = std::nullopt) const {
        Wanted wanted;
        wanted.check_processes = check;
        wanted.uid = uid;
        return read_state(directory_, wanted);
    }

    std::string directory_;
    std::optional<MessageSocket> mailbox_;
    tdb::server_id self_;
};

TEST_F(ReadState, DatabasesThatAreNotThere) {
    const State state = read();
    EXPECT_FALSE(state.has_locking);
    EXPECT_THAT(state.complaints, testing::Contains(directory_ + "/locking.tdb not initialised"));
    EXPECT_TRUE(state.sessions.empty());
    EXPECT_FALSE(std::filesystem::exists(directory_ + "/locking.tdb")) << "it has made one";
}

TEST_F(ReadState, DamagedDatabaseIsSaidAndTheOthersAreRead) {
    put_session(1, 100, self_);
    std::ofstream(directory_ + "/locking.tdb")
        << "this is no database, though it is long enough to be read as the head of one.................";
    const State state = read();
    EXPECT_EQ(state.sessions.size(), 1u);
    EXPECT_FALSE(state.has_locking);
    EXPECT_THAT(state.complaints, testing::Contains(HasSubstr("/locking.tdb cannot be read: ")));
}

TEST_F(ReadState, RecordsOfAnotherKindAreCounted) {
    put("smbXsrv_session_global.tdb", as_bytes("x"), xsrv::tcon_global{});
    const State state = read();
    EXPECT_EQ(state.undecoded, 1u);
    EXPECT_TRUE(state.sessions.empty());
}

TEST_F(ReadState, DeadProcessesAreLeftOut) {
    put_session(1, 100, self_);
    put_session(2, 100, dead());
    put_tcon(1, self_, xsrv::tcon_flags::none);
    put_tcon(1, self_, xsrv::tcon_flags::TCON_IS_IPC);
    put_tcon(2, dead(), xsrv::tcon_flags::none);
    EXPECT_EQ(read().sessions.size(), 1u);
    EXPECT_EQ(read().tcons.size(), 1u);
    EXPECT_EQ(read(false).sessions.size(), 2u);
    EXPECT_EQ(read(false).tcons.size(), 2u) << "IPC$ is not shown";
}

TEST_F(ReadState, FilesWithTheirStreamsAndThoseWhoseClientIsAway) {
    fsa::locking_record record;
    record.share_path = "/srv";
    record.name = "f";
    record.share_modes = {mode_of(self_, 1), mode_of(away(), 2), mode_of(dead(), 3), mode_of(self_, 4)};
    record.share_modes[3].flags = fsa::share_mode_flags::SHARE_MODE_OF_STREAM;
    put("locking.tdb", file_key(8), record);
    record.stream = "s";
    record.share_modes = {mode_of(self_, 4)};
    put("locking.tdb", file_key(80), record);
    record.name = record.stream = "";
    record.share_modes = {mode_of(self_, 5)};
    put("locking.tdb", file_key(800), record);
    put_open(1, 100);
    const State state = read();
    ASSERT_EQ(state.files.size(), 4u);
    EXPECT_EQ(state.files[0].name, ".");
    EXPECT_EQ(state.files[1].name, "f");
    EXPECT_EQ(state.files[1].id.volume, 7u);
    EXPECT_EQ(state.files[1].id.inode, 8u);
    EXPECT_EQ(state.files[1].id.generation, 9u);
    EXPECT_EQ(state.files[3].name, "f:s");
    EXPECT_TRUE(is_disconnected(state.files[1].mode.holder) || is_disconnected(state.files[2].mode.holder));
    EXPECT_EQ(read(false).files.size(), 5u);
    ASSERT_EQ(read(true, 100).files.size(), 1u);
    EXPECT_EQ(read(true, 100).files[0].mode.open_id, 1u);
}

TEST_F(ReadState, ByteRangeLocks) {
    fsa::locking_record names;
    names.share_path = "/srv";
    names.name = "f";
    put("locking.tdb", file_key(8), names);
    fsa::brlock_record record;
    record.holders.resize(2);
    record.holders[0].holder = self_;
    record.holders[1].holder = dead();
    fsa::LockArray(record.exclusive).insert({100, 104, 1, 0});
    fsa::LockArray(record.exclusive).insert({200, 204, 1, 1});
    fsa::LockArray(record.exclusive).insert({300, 304, 1, 2});  // of nobody
    fsa::LockArray(record.shared).insert({UINT64_MAX - 7, UINT64_MAX, 1, 0});
    fsa::LockArray(record.empty).insert({0, UINT64_MAX, 1, 0});
    put("brlock.tdb", file_key(8), record);
    const State state = read();
    ASSERT_EQ(state.locks.size(), 3u);
    EXPECT_EQ(state.locks[0].length, 0u);
    EXPECT_EQ(state.locks[1].offset, 100u);
    EXPECT_EQ(state.locks[1].length, 5u);
    EXPECT_TRUE(state.locks[1].exclusive);
    EXPECT_EQ(state.locks[1].name, "f");
    EXPECT_EQ(state.locks[2].length, 8u);
    EXPECT_FALSE(state.locks[2].exclusive);
}

}  // namespace
}  // namespace Atoll::smbstatus

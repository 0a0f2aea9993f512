#include "tools/smbstatus/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tools/smbstatus/names.h"

namespace Atoll::smbstatus {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

constexpr NtTime at_noon{134088048000000000};  // 2025-11-28 12:00:00 UTC

tdb::server_id process(uint64_t pid) {
    tdb::server_id id;
    id.pid = pid;
    id.unique_id = 0x1234;
    return id;
}

xsrv::session_global session() {
    xsrv::session_global out;
    out.session_id = 0x55;
    out.owner = process(4711);
    out.dialect = 0x0311;
    out.cipher = 2;
    out.flags = xsrv::session_flags::SESSION_SEEN_SIGNED;
    out.uid = 4000000001;  // nobody has it: names are numbers then
    out.gid = 4000000002;
    xsrv::session_channel channel;
    channel.owner = out.owner;
    channel.channel_id = 1;
    channel.connected = at_noon;
    channel.local_address = "192.0.2.1";
    channel.local_port = 445;
    channel.remote_address = "192.0.2.7";
    channel.remote_port = 50000;
    channel.signing_algorithm = 2;
    out.channels.push_back(channel);
    return out;
}

xsrv::tcon_global tcon() {
    xsrv::tcon_global out;
    out.session_id = 0x55;
    out.tree_id = 3;
    out.owner = process(4711);
    out.created = at_noon;
    out.share_name = "data";
    return out;
}

OpenFile file(const char* name, fsa::oplock_kind oplock) {
    OpenFile out;
    out.share_path = "/srv/data";
    out.name = name;
    out.id.volume = 7;
    out.id.inode = 8;
    out.id.generation = 9;
    out.mode.holder = process(4711);
    out.mode.open_id = 77;
    out.mode.access_mask = 0x12019f;
    out.mode.share_access = 3;
    out.mode.opened = at_noon;
    out.mode.oplock = oplock;
    out.open.emplace().uid = 4000000001;
    return out;
}

State state_of_one() {
    State state;
    state.has_locking = true;
    state.sessions = {session()};
    state.tcons = {tcon()};
    state.files = {file("a b", fsa::oplock_kind::OPLOCK_BATCH)};
    ByteRangeLock lock;
    lock.id = state.files[0].id;
    lock.share_path = "/srv/data";
    lock.name = "a b";
    lock.holder = process(4711);
    lock.offset = 100;
    lock.length = 5;
    state.locks = {lock};
    Watch watch;
    watch.path = "/srv/data/d";
    watch.watch.holder = process(4711);
    watch.watch.filter = 0xFFF;
    watch.watch.tree = true;
    state.watches = {watch};
    return state;
}

class Report : public testing::Test {
 protected:
    Report() {
        ::setenv("TZ", "UTC", 1);
        ::tzset();
    }
};

TEST_F(Report, ColumnsStandWhereDebiansStand) {
    Form form;
    form.byte_ranges = form.notifies = true;
    const std::string text = print_text(state_of_one(), form);
    EXPECT_THAT(
        text,
        HasSubstr("PID     Username     Group        Machine                                   Protocol Version  Encryption           "
                  "Signing              \n"));
    EXPECT_THAT(
        text,
        HasSubstr("4711    4000000001   4000000002   192.0.2.7 (ipv4:192.0.2.7:50000)          SMB3_11           -                    "
                  "partial(AES-128-GMAC)\n"));
    EXPECT_THAT(text, HasSubstr("data         4711    192.0.2.7     Fri Nov 28 12:00:00 2025 UTC     -            -           \n\n"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "4711         4000000001  DENY_NONE  0x12019f    RDWR       BATCH            /srv/data   a b   Fri Nov 28 12:00:00 2025\n\n"));
    EXPECT_THAT(text, HasSubstr("4711       7:8:9           R    100       5         /srv/data                a b                     \n"));
    EXPECT_THAT(text, HasSubstr("/srv/data/d\\4711\\fff\\fff\n"));
}

TEST_F(Report, OnlyWhatIsAskedForIsShown) {
    Form form;
    form.shares = form.locks = false;
    const std::string processes = print_text(state_of_one(), form);
    EXPECT_EQ(processes.find("Service"), std::string::npos);
    EXPECT_EQ(processes.find("Locked files"), std::string::npos);
    State nothing;
    nothing.has_locking = true;
    form = {};
    form.processes = form.shares = false;
    EXPECT_EQ(print_text(nothing, form), "\n");
    nothing.has_locking = false;
    EXPECT_EQ(print_text(nothing, form), "");
}

TEST_F(Report, HandleWhoseClientIsAway) {
    State state;
    state.has_locking = true;
    state.files = {file("f", fsa::oplock_kind::OPLOCK_LEASE)};
    state.files[0].mode.caching = 3;
    state.files[0].mode.holder = process(tdb::DISCONNECTED_PID);
    state.files[0].mode.lease.emplace();
    state.files[0].open->durable.emplace().kind = xsrv::handle_kind::HANDLE_DURABLE;
    state.files[0].open->durable->timeout_ms = 60000;
    state.files[0].open->durable->disconnected = at_noon;
    const std::string text = print_text(state, {});
    EXPECT_THAT(text, HasSubstr("disconnected  4000000001  DENY_NONE  0x12019f    RDWR       LEASE(RH)        /srv/data   f   "));
    const Json json = Json::parse(print_json(state, {}, "smb.conf", at_noon));
    const Json open = json["open_files"]["/srv/data/f"]["opens"]["disconnected/77"];
    EXPECT_EQ(open["lease"]["text"], "RH");
    EXPECT_EQ(open["durable"]["kind"], "durable");
    EXPECT_EQ(open["durable"]["disconnected_at"], "2025-11-28T12:00:00.000000+00:00");
}

TEST_F(Report, JsonHasDebiansNames) {
    Form form;
    form.byte_ranges = form.notifies = true;
    const Json json = Json::parse(print_json(state_of_one(), form, "/etc/x.conf", at_noon));
    EXPECT_EQ(json["timestamp"], "2025-11-28T12:00:00.000000+0000");
    EXPECT_EQ(json["smb_conf"], "/etc/x.conf");
    const Json one = json["sessions"]["85"];
    EXPECT_EQ(one["server_id"]["pid"], "4711");
    EXPECT_EQ(one["uid"], 4000000001);
    EXPECT_EQ(one["hostname"], "ipv4:192.0.2.7:50000");
    EXPECT_EQ(one["signing"]["degree"], "partial");
    EXPECT_EQ(one["encryption"]["cipher"], "-");
    EXPECT_EQ(one["channels"]["1"]["local_address"], "192.0.2.1:445");
    EXPECT_EQ(json["tcons"]["85/3"]["service"], "data");
    const Json open = json["open_files"]["/srv/data/a b"]["opens"]["4711/77"];
    EXPECT_EQ(open["access_mask"]["hex"], "0x0012019f");
    EXPECT_EQ(open["access_mask"]["text"], "RW");
    EXPECT_TRUE(open["access_mask"]["SYNCHRONIZE"]);
    EXPECT_EQ(open["sharemode"]["text"], "RW");
    EXPECT_EQ(open["caching"]["hex"], "0x00000005");
    EXPECT_TRUE(open["oplock"]["BATCH"]);
    EXPECT_EQ(open["lease"], Json::object());
    EXPECT_EQ(json["byte_range_locks"]["/srv/data/a b"]["locks"][0]["start"], 100);
    EXPECT_EQ(json["byte_range_locks"]["/srv/data/a b"]["locks"][0]["type"], "R");
    EXPECT_EQ(json["notifies"]["4711/0"]["filter"], "4095");
}

TEST_F(Report, NamesThatAreNoUtf8AreStillJson) {
    State state = state_of_one();
    state.files[0].name = "a\xFF";
    const Json json = Json::parse(print_json(state, {}, "", at_noon));
    EXPECT_EQ(json["open_files"].size(), 1u);
}

TEST(Names, ProtectionIsAsMuchAsWasSeen) {
    xsrv::session_global one = session();
    EXPECT_EQ(with_degree(signing_of(one)), "partial(AES-128-GMAC)");
    one.flags |= xsrv::session_flags::SESSION_SIGNING_REQUIRED;
    EXPECT_EQ(with_degree(signing_of(one)), "AES-128-GMAC");
    one.flags |= xsrv::session_flags::SESSION_SEEN_SEALED;
    EXPECT_EQ(with_degree(encryption_of(one)), "partial(AES-128-GCM)");
    one.flags |= xsrv::session_flags::SESSION_ENCRYPT_DATA;
    EXPECT_EQ(with_degree(encryption_of(one)), "AES-128-GCM");
    xsrv::tcon_global tree = tcon();
    EXPECT_EQ(with_degree(signing_of(tree, &one)), "-");
    tree.flags |= xsrv::tcon_flags::TCON_SEEN_SIGNED;
    EXPECT_EQ(with_degree(signing_of(tree, &one)), "AES-128-GMAC");
    tree.flags |= xsrv::tcon_flags::TCON_SEEN_UNSIGNED;
    EXPECT_EQ(with_degree(signing_of(tree, &one)), "partial(AES-128-GMAC)");
    EXPECT_EQ(with_degree(signing_of(tree, nullptr)), "-");
    EXPECT_EQ(with_degree(encryption_of(tree, &one)), "-");
}

TEST(Names, AccessAndSharing) {
    EXPECT_EQ(read_write_name(0x1), "RDONLY");
    EXPECT_EQ(read_write_name(0x2), "WRONLY");
    EXPECT_EQ(read_write_name(0x3), "RDWR");
    EXPECT_EQ(read_write_name(0x4), "RDONLY");
    EXPECT_EQ(deny_mode_name(0x7), "DENY_NONE");
    EXPECT_EQ(deny_mode_name(0x6), "DENY_READ");
    EXPECT_EQ(deny_mode_name(0x5), "DENY_WRITE");
    EXPECT_EQ(deny_mode_name(0x0), "DENY_ALL");
    EXPECT_EQ(deny_mode_name(0x4), "DENY_ALL");
    EXPECT_EQ(process_name(process(12)), "12");
    tdb::server_id elsewhere = process(12);
    elsewhere.vnn = 3;
    EXPECT_EQ(process_name(elsewhere), "3:12");
    EXPECT_EQ(host_name({{}, 0, {}, {}, "2001:db8::1", 0, 0, 445}), "ipv6:2001:db8::1:445");
}

}  // namespace
}  // namespace Atoll::smbstatus

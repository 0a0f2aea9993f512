#include "smbd/services/srvsvc.h"

#include <gtest/gtest.h>

#include "smbd/services/context_for_test.h"
#include "smbd/services/wkssvc.h"
#include "smbd/xsrv/message_types.h"

namespace Atoll::services {
namespace {

constexpr std::string_view smb_conf = R"(
[global]
    netbios name = server
    workgroup = house
    server string = for %U
[one]
    path = /srv/one
    comment = of %U at %I
[hidden$]
    path = /srv/hidden
[unlisted]
    path = /srv/unlisted
    browseable = no
[gone]
    path = /srv/gone
    available = no
[exclusive]
    path = /srv/exclusive
    valid users = alice
    access based share enum = yes
    max connections = 7
    csc policy = disable
)";

class SrvsvcTest : public ::testing::Test {
 protected:
    template <class F>
    typename F::Out ask(const typename F::In& in, const Caller& caller) {
        Srvsvc service(host.context, caller);
        typename F::Out out;
        out.result = service.handle(in, out);
        return out;
    }
    std::vector<std::string> names(const Caller& caller, bool sticky = false) {
        std::vector<std::string> out;
        const auto gather = [&](const auto& answer) {
            EXPECT_EQ(answer.result, net_error::success);
            for (const auto& share : *answer.InfoStruct.ShareInfo.Level0()->Buffer) out.push_back(*share.shi0_netname);
        };
        if (sticky) {
            srvsvc::NetrShareEnumSticky::In in;
            in.PreferedMaximumLength = UINT32_MAX;
            gather(ask<srvsvc::NetrShareEnumSticky>(in, caller));
        } else {
            srvsvc::NetrShareEnum::In in;
            in.PreferedMaximumLength = UINT32_MAX;
            gather(ask<srvsvc::NetrShareEnum>(in, caller));
        }
        return out;
    }

    TestContext host{smb_conf};
    const Caller alice = TestContext::user("alice");
    const Caller bob = TestContext::user("bob");
    const Caller admin = TestContext::user("admin", true);
    const Caller anonymous = TestContext::user("");
};

TEST_F(SrvsvcTest, SharesAreListedForWhoMaySeeThem) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(names(alice), (Names{"one", "hidden$", "exclusive", "IPC$"}));
    EXPECT_EQ(names(bob), (Names{"one", "hidden$", "IPC$"}));
    EXPECT_EQ(names(anonymous), (Names{"one", "hidden$", "IPC$"}));
    EXPECT_EQ(names(alice, true), (Names{"one", "exclusive"}));
}

TEST_F(SrvsvcTest, AShareIsToldAsSmbConfHasIt) {
    srvsvc::NetrShareGetInfo::In in;
    in.NetName = "ONE";
    in.Level = 2;
    const auto one = ask<srvsvc::NetrShareGetInfo>(in, bob);
    ASSERT_EQ(one.result, net_error::success);
    const auto& info = *one.InfoStruct.ShareInfo2();
    EXPECT_EQ(info.shi2_netname, "one");
    EXPECT_EQ(info.shi2_remark, "of bob at 192.0.2.7");
    EXPECT_EQ(info.shi2_path, "C:\\srv\\one");
    EXPECT_EQ(info.shi2_max_uses, UINT32_MAX);
    EXPECT_EQ(info.shi2_current_uses, 0u);

    in.NetName = "exclusive";
    host.tables.tcons.resize(2);
    for (auto& tcon : host.tables.tcons) tcon.share_name = "Exclusive";
    const auto exclusive = ask<srvsvc::NetrShareGetInfo>(in, bob);
    EXPECT_EQ(exclusive.InfoStruct.ShareInfo2()->shi2_max_uses, 7u);
    EXPECT_EQ(exclusive.InfoStruct.ShareInfo2()->shi2_current_uses, 2u);
    in.Level = 501;
    EXPECT_EQ(ask<srvsvc::NetrShareGetInfo>(in, bob).InfoStruct.ShareInfo501()->shi501_flags, 0x30u);

    for (const char* name : {"gone", "none", "homes", ""}) {
        in.NetName = name;
        EXPECT_EQ(ask<srvsvc::NetrShareGetInfo>(in, bob).result, net_error::net_name_not_found) << name;
    }
    in.NetName = "unlisted";
    EXPECT_EQ(ask<srvsvc::NetrShareGetInfo>(in, bob).result, net_error::success);
    in.Level = 3;
    EXPECT_EQ(ask<srvsvc::NetrShareGetInfo>(in, bob).result, net_error::invalid_level);
}

TEST_F(SrvsvcTest, AListComesInPages) {
    srvsvc::NetrShareEnum::In in;
    in.InfoStruct.Level = 1;
    in.ResumeHandle = 0;
    in.PreferedMaximumLength = 10;
    EXPECT_EQ(ask<srvsvc::NetrShareEnum>(in, alice).result, net_error::buffer_too_small);
    in.PreferedMaximumLength = 220;
    size_t shares = 0, calls = 0;
    for (uint32_t result = net_error::more_data; result == net_error::more_data && calls < 10; calls++) {
        const auto out = ask<srvsvc::NetrShareEnum>(in, alice);
        EXPECT_EQ(out.TotalEntries, 4 - shares);
        shares += out.InfoStruct.ShareInfo.Level1()->Buffer->size();
        in.ResumeHandle = out.ResumeHandle;
        result = out.result;
    }
    EXPECT_EQ(shares, 4u);
    EXPECT_GT(calls, 1u);
    EXPECT_EQ(in.ResumeHandle, 0u);
    in.ResumeHandle = 99;
    const auto past = ask<srvsvc::NetrShareEnum>(in, alice);
    EXPECT_EQ(past.result, net_error::success);
    EXPECT_EQ(past.TotalEntries, 0u);
}

TEST_F(SrvsvcTest, SharesAreNotChanged) {
    srvsvc::NetrShareDel::In del;
    del.NetName = "one";
    EXPECT_EQ(ask<srvsvc::NetrShareDel>(del, admin).result, net_error::access_denied);
    del.NetName = "none";
    EXPECT_EQ(ask<srvsvc::NetrShareDel>(del, admin).result, net_error::net_name_not_found);
    EXPECT_EQ(ask<srvsvc::NetrShareAdd>({}, admin).result, net_error::access_denied);
}

class SrvsvcUses : public SrvsvcTest {
 protected:
    SrvsvcUses() {
        auto& sessions = host.tables.sessions;
        sessions.resize(2);
        sessions[0].session_id = 100;
        sessions[0].user_name = "alice";
        sessions[0].owner.pid = 7;
        sessions[0].created = NtTime::now();
        sessions[0].channels.resize(1);
        sessions[0].channels[0].remote_address = "192.0.2.7";
        sessions[1].session_id = 200;
        sessions[1].user_name = "bob";
        sessions[1].channels.resize(1);
        sessions[1].channels[0].remote_address = "192.0.2.8";
        host.tables.tcons.resize(1);
        host.tables.tcons[0].session_id = 100;
        host.tables.tcons[0].tree_id = 5;
        host.tables.tcons[0].share_name = "one";
        auto& opens = host.tables.opens;
        opens.resize(2);
        opens[0].persistent_id = 0x1200000034;
        opens[0].session_id = 100;
        opens[0].tree_id = 5;
        opens[0].owner.pid = 7;
        opens[0].access_mask = 0x120089;
        opens[0].share_path = "/srv/one";
        opens[0].name = "dir/file";
        opens[1].session_id = 100;
        opens[1].flags = xsrv::open_flags::OPEN_IS_PIPE;
    }
};

TEST_F(SrvsvcUses, AreForAdministrators) {
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>({}, alice).result, net_error::access_denied);
    EXPECT_EQ(ask<srvsvc::NetrFileEnum>({}, alice).result, net_error::access_denied);
    EXPECT_EQ(ask<srvsvc::NetrConnectionEnum>({}, alice).result, net_error::access_denied);
    EXPECT_EQ(ask<srvsvc::NetrFileClose>({}, alice).result, net_error::access_denied);
    EXPECT_EQ(ask<srvsvc::NetrSessionDel>({}, alice).result, net_error::access_denied);
    EXPECT_EQ(ask<srvsvc::NetrFileGetInfo>({}, anonymous).result, net_error::access_denied);
}

TEST_F(SrvsvcUses, SessionsAreTold) {
    srvsvc::NetrSessionEnum::In in;
    in.InfoStruct.Level = 1;
    in.PreferedMaximumLength = UINT32_MAX;
    const auto out = ask<srvsvc::NetrSessionEnum>(in, admin);
    const auto& sessions = *out.InfoStruct.SessionInfo.Level1()->Buffer;
    ASSERT_EQ(sessions.size(), 2u);
    EXPECT_EQ(sessions[0].sesi1_cname, "192.0.2.7");
    EXPECT_EQ(sessions[0].sesi1_username, "alice");
    EXPECT_EQ(sessions[0].sesi1_num_opens, 1u);
    in.UserName = "BOB";
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>(in, admin).TotalEntries, 1u);
    in.UserName = "carol";
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>(in, admin).result, net_error::user_not_found);
    in.ClientName = "\\\\192.0.2.9";
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>(in, admin).result, net_error::client_name_not_found);
    in.ClientName = "\\\\192.0.2.8";
    in.UserName.reset();
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>(in, admin).TotalEntries, 1u);
    in.InfoStruct.Level = 9;
    EXPECT_EQ(ask<srvsvc::NetrSessionEnum>(in, admin).result, net_error::invalid_level);
}

TEST_F(SrvsvcUses, FilesAreToldAndClosed) {
    srvsvc::NetrFileEnum::In in;
    in.InfoStruct.Level = 3;
    in.PreferedMaximumLength = UINT32_MAX;
    const auto out = ask<srvsvc::NetrFileEnum>(in, admin);
    const auto& files = *out.InfoStruct.FileInfo.Level3()->Buffer;
    ASSERT_EQ(files.size(), 1u);
    EXPECT_EQ(files[0].fi3_pathname, "C:\\srv\\one\\dir\\file");
    EXPECT_EQ(files[0].fi3_username, "alice");
    EXPECT_EQ(files[0].fi3_permissions, 1u);
    EXPECT_EQ(files[0].fi3_num_locks, 3u);
    in.BasePath = "c:\\SRV\\one\\";
    EXPECT_EQ(ask<srvsvc::NetrFileEnum>(in, admin).TotalEntries, 1u);
    in.BasePath = "C:\\other";
    EXPECT_EQ(ask<srvsvc::NetrFileEnum>(in, admin).TotalEntries, 0u);

    srvsvc::NetrFileClose::In close;
    close.FileId = files[0].fi3_id;
    EXPECT_EQ(ask<srvsvc::NetrFileClose>(close, admin).result, net_error::success);
    ASSERT_EQ(host.messages.sent.size(), 1u);
    EXPECT_EQ(host.messages.sent[0].to.pid, 7u);
    EXPECT_EQ(host.messages.sent[0].type, xsrv::message_close_open);
    EXPECT_EQ(load_le<uint64_t>(host.messages.sent[0].payload.data()), 0x1200000034u);
    close.FileId++;
    EXPECT_EQ(ask<srvsvc::NetrFileClose>(close, admin).result, net_error::file_id_not_found);
}

TEST_F(SrvsvcUses, ConnectionsAreToldByShareOrClient) {
    srvsvc::NetrConnectionEnum::In in;
    in.InfoStruct.Level = 1;
    in.PreferedMaximumLength = UINT32_MAX;
    EXPECT_EQ(ask<srvsvc::NetrConnectionEnum>(in, admin).result, net_error::invalid_parameter);
    for (const char* qualifier : {"One", "\\\\192.0.2.7"}) {
        in.Qualifier = qualifier;
        const auto out = ask<srvsvc::NetrConnectionEnum>(in, admin);
        ASSERT_EQ(out.TotalEntries, 1u) << qualifier;
        const auto& connection = out.InfoStruct.ConnectInfo.Level1()->Buffer->front();
        EXPECT_EQ(connection.coni1_username, "alice");
        EXPECT_EQ(connection.coni1_netname, "one");
        EXPECT_EQ(connection.coni1_num_opens, 1u);
    }
    in.Qualifier = "none";
    EXPECT_EQ(ask<srvsvc::NetrConnectionEnum>(in, admin).result, net_error::net_name_not_found);
}

TEST_F(SrvsvcUses, SessionsAreEndedByClientAndUser) {
    srvsvc::NetrSessionDel::In in;
    EXPECT_EQ(ask<srvsvc::NetrSessionDel>(in, admin).result, net_error::invalid_parameter);
    in.ClientName = "\\\\192.0.2.8";
    in.UserName = "alice";
    EXPECT_EQ(ask<srvsvc::NetrSessionDel>(in, admin).result, net_error::client_name_not_found);
    in.UserName = "bob";
    EXPECT_EQ(ask<srvsvc::NetrSessionDel>(in, admin).result, net_error::success);
    ASSERT_EQ(host.messages.sent.size(), 1u);
    EXPECT_EQ(host.messages.sent[0].type, xsrv::message_end_session);
    EXPECT_EQ(load_le<uint64_t>(host.messages.sent[0].payload.data()), 200u);
}

TEST_F(SrvsvcTest, TheWorkstationIsToldByLevel) {
    const auto ask_workstation = [&](uint32_t level, const Caller& caller) {
        Wkssvc service(host.context, caller);
        wkssvc::NetrWkstaGetInfo::In in;
        in.Level = level;
        wkssvc::NetrWkstaGetInfo::Out out;
        out.result = service.handle(in, out);
        return out;
    };
    const auto info = ask_workstation(100, anonymous);
    ASSERT_EQ(info.result, net_error::success);
    EXPECT_EQ(info.WkstaInfo.WkstaInfo100()->wki100_computername, "SERVER");
    EXPECT_EQ(info.WkstaInfo.WkstaInfo100()->wki100_langroup, "HOUSE");
    EXPECT_EQ(ask_workstation(101, anonymous).result, net_error::access_denied);
    EXPECT_EQ(ask_workstation(101, bob).result, net_error::success);
    EXPECT_EQ(ask_workstation(102, bob).result, net_error::access_denied);
    EXPECT_EQ(ask_workstation(102, admin).result, net_error::success);
    EXPECT_EQ(ask_workstation(7, admin).result, net_error::invalid_level);
}

}  // namespace
}  // namespace Atoll::services

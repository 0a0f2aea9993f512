// Files of a share whose descriptors decide: `vfs objects = acl_xattr`. As root, since only root stores security.NTACL and acts as others.
#include "smbd/fsa/security.h"

#include "libcli/security/access_check.h"
#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

namespace part = security::part;
using security::Ace;
using security::SecurityDescriptor;

constexpr uid_t anna_uid = 64001, bert_uid = 64002;

security::Token token_of(uid_t uid) {
    security::Token token;
    token.user_sid = security::unix_user_sid(uid);
    token.group_sids = {security::unix_group_sid(uid), well_known::everyone};
    token.uid = token.gid = uid;
    return token;
}

Ace allow(const Sid& sid, uint32_t mask, uint8_t flags = 0) {
    Ace ace;
    ace.sid = sid;
    ace.mask = mask;
    ace.flags = flags;
    return ace;
}

SecurityDescriptor dacl(std::vector<Ace> aces) {
    SecurityDescriptor d;
    d.control = security::control::dacl_present;
    d.dacl = security::Acl{2, std::move(aces)};
    return d;
}

class SecurityTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        if (::geteuid() != 0) GTEST_SKIP() << "only root acts as others";
        ASSERT_EQ(::chmod(root_.c_str(), 0777), 0);
        anna_share_ = share_for(anna_);
        bert_share_ = share_for(bert_);
    }
    void TearDown() override {
        loop::take_root();
        for (Open* open : opened_) (void)files_->close(*open).ok();
        opened_.clear();
        anna_share_.reset();
        bert_share_.reset();
        FsaTest::TearDown();
    }
    std::unique_ptr<Share> share_for(const security::Token& token) {
        auto loaded = conf::load_text("[global]\n[test]\npath = " + root_ +
                                      "\nread only = no\nvfs objects = acl_xattr\nacl_xattr:ignore system acls = yes\n");
        EXPECT_TRUE(loaded);
        ShareParams params;
        params.conf = (*loaded)->find_share("test");
        params.path = root_;
        params.token = &token;
        auto share = files_->connect(params);
        EXPECT_TRUE(share) << share.error().message();
        return std::move(*share);
    }
    Result<CreateResult, NtStatus> by(uid_t uid, const CreateParams& p) {
        act_as(uid);
        auto r = files_->create(uid == anna_uid ? *anna_share_ : *bert_share_, p);
        if (r) opened_.insert(r->open);
        return r;
    }
    NtStatus try_by(uid_t uid, const std::string& path, uint32_t desired, Disposition disposition = Disposition::open,
                    uint32_t options = 0) {
        auto r = by(uid, params(path, desired, disposition, options));
        if (!r) return r.error();
        close(*r->open);
        return NtStatus::SUCCESS;
    }
    // Made by anna.
    void make(const std::string& path, const SecurityDescriptor& descriptor, bool directory = false) {
        auto r = by(anna_uid, params(path, access::all, Disposition::create, directory ? option::directory_file : 0));
        ASSERT_TRUE(r) << to_string(r.error());
        const auto set = r->open->set_security(part::dacl, descriptor);
        EXPECT_TRUE(set) << to_string(set.error());
        close(*r->open);
    }

    const security::Token anna_ = token_of(anna_uid), bert_ = token_of(bert_uid);
    std::unique_ptr<Share> anna_share_, bert_share_;
};

// MS-FSA 2.1.5.1.2.1
TEST_F(SecurityTest, TheDescriptorDecidesWhoOpens) {
    make("f", dacl({allow(bert_.user_sid, security::file_rights::generic_read)}));
    EXPECT_EQ(try_by(bert_uid, "f", access::read_data), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(bert_uid, "f", access::write_data), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(try_by(bert_uid, "f", access::delete_), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(try_by(bert_uid, "f", access::write_dac), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(try_by(bert_uid, "f", access::system_security | access::read_data), NtStatus::PRIVILEGE_NOT_HELD);
    // Its owner may change it, and nothing else.
    EXPECT_EQ(try_by(anna_uid, "f", access::read_control | access::write_dac), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(anna_uid, "f", access::read_data), NtStatus::ACCESS_DENIED);
    auto r = by(bert_uid, params("f", access::maximum_allowed));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->open->granted_access(), security::file_rights::generic_read);
}

// MS-FSA 2.1.5.1.2.1: FILE_DELETE_CHILD of the directory stands for DELETE of what is in it.
TEST_F(SecurityTest, TheDirectoryGivesDelete) {
    make("d", dacl({allow(well_known::everyone, security::file_rights::generic_read | access::delete_child | access::add_file)}), true);
    make("d\\f", dacl({}));
    EXPECT_EQ(try_by(bert_uid, "d\\f", access::delete_), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(bert_uid, "d\\f", access::read_attributes), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(bert_uid, "d\\f", access::read_data), NtStatus::ACCESS_DENIED);
}

// MS-FSA 2.1.5.1.1
TEST_F(SecurityTest, NewNamesNeedARightOfTheirDirectory) {
    make("d", dacl({allow(bert_.user_sid, security::file_rights::generic_read | access::add_file)}), true);
    EXPECT_EQ(try_by(bert_uid, "d\\f", access::read_data, Disposition::create), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(bert_uid, "d\\s", access::read_data, Disposition::create, option::directory_file), NtStatus::ACCESS_DENIED);
    EXPECT_FALSE(exists("d/s"));
}

// MS-DTYP 2.5.3.4
TEST_F(SecurityTest, NewFilesInherit) {
    using namespace security::ace_flag;
    make("d",
         dacl({allow(well_known::everyone, security::file_rights::all),
               allow(well_known::creator_owner, access::read_data, object_inherit | inherit_only)}),
         true);
    auto r = by(bert_uid, params("d\\f", access::all, Disposition::create));
    ASSERT_TRUE(r);
    SecurityDescriptor d;
    ASSERT_TRUE(r->open->query_security(part::owner | part::group | part::dacl, d));
    EXPECT_EQ(d.owner, bert_.user_sid);
    ASSERT_EQ(d.dacl->aces.size(), 1u);
    EXPECT_EQ(d.dacl->aces[0].sid, bert_.user_sid);
    EXPECT_EQ(d.dacl->aces[0].mask, access::read_data);
    close(*r->open);
    EXPECT_EQ(try_by(anna_uid, "d\\f", access::read_data), NtStatus::ACCESS_DENIED);
}

TEST_F(SecurityTest, NewFilesGetWhatTheClientSends) {
    const SecurityDescriptor sent = dacl({allow(bert_.user_sid, access::read_data)});
    auto p = params("f", access::all, Disposition::create);
    p.security_descriptor = &sent;
    auto r = by(anna_uid, p);
    ASSERT_TRUE(r);
    close(*r->open);
    EXPECT_EQ(try_by(bert_uid, "f", access::read_data), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(anna_uid, "f", access::read_data), NtStatus::ACCESS_DENIED);
    SecurityDescriptor of_another = sent;
    of_another.owner = bert_.user_sid;
    p.path = "g";
    p.security_descriptor = &of_another;
    EXPECT_EQ(by(anna_uid, p).error(), NtStatus::INVALID_OWNER);
    EXPECT_FALSE(exists("g"));
}

// MS-FSA 2.1.5.14, 2.1.5.17
TEST_F(SecurityTest, QueriesAndSetsNeedTheirRight) {
    make("f", dacl({allow(well_known::everyone, security::file_rights::all)}));
    SecurityDescriptor d;
    auto r = by(bert_uid, params("f", access::read_data));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->open->query_security(part::dacl, d).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(r->open->set_security(part::dacl, dacl({})).error(), NtStatus::ACCESS_DENIED);
    r = by(bert_uid, params("f", access::all));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->open->query_security(part::sacl, d).error(), NtStatus::ACCESS_DENIED);
    SecurityDescriptor owner;
    EXPECT_EQ(r->open->set_security(part::owner, owner).error(), NtStatus::INVALID_OWNER);
    owner.owner = security::unix_user_sid(64003);
    EXPECT_EQ(r->open->set_security(part::owner, owner).error(), NtStatus::INVALID_OWNER);
    owner.owner = bert_.user_sid;  // who may take it takes it
    EXPECT_TRUE(r->open->set_security(part::owner, owner));
    struct stat now {};
    ASSERT_EQ(::stat(at("f").c_str(), &now), 0);
    EXPECT_EQ(now.st_uid, bert_uid);
}

}  // namespace
}  // namespace Atoll::fsa

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

// MS-FSA 2.1.5.15.12, 2.1.5.15.7: the new name's directory is opened to add to it, and what is replaced is deleted.
TEST_F(SecurityTest, NewNamesOfFilesNeedTheSameRights) {
    const uint32_t enter = security::file_rights::generic_read | access::traverse;
    const Ace owner = allow(well_known::owner_rights, access::all);
    const auto directory = [&](const char* name, uint32_t more) {
        make(name, dacl({owner, allow(well_known::everyone, enter | more)}), true);
    };
    directory("none", 0);
    directory("files", access::add_file);
    directory("dirs", access::add_subdirectory);
    directory("children", access::add_file | access::delete_child);
    make("files\\theirs", dacl({owner, allow(well_known::everyone, enter)}));
    make("children\\theirs", dacl({owner, allow(well_known::everyone, enter)}));
    ASSERT_EQ(try_by(bert_uid, "f", access::all, Disposition::create), NtStatus::SUCCESS);
    ASSERT_EQ(try_by(bert_uid, "d", access::all, Disposition::create, option::directory_file), NtStatus::SUCCESS);
    auto f = by(bert_uid, params("f", access::delete_ | access::read_attributes));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->open->link("none\\l", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(f->open->link("dirs\\l", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(f->open->link("files\\theirs", true).error(), NtStatus::ACCESS_DENIED);
    EXPECT_TRUE(f->open->link("files\\l", false));
    EXPECT_EQ(f->open->rename("none\\f", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(f->open->rename("dirs\\f", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(f->open->rename("files\\theirs", true).error(), NtStatus::ACCESS_DENIED);
    EXPECT_TRUE(exists("f"));
    EXPECT_TRUE(f->open->rename("children\\theirs", true));
    EXPECT_TRUE(f->open->rename("files\\f", false));
    auto d = by(bert_uid, params("d", access::delete_, Disposition::open, option::directory_file));
    ASSERT_TRUE(d);
    EXPECT_EQ(d->open->rename("none\\d", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(d->open->rename("files\\d", false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_TRUE(d->open->rename("dirs\\d", false));
}

// MS-FSA 2.1.5.1: a directory that is to be deleted takes no new names.
TEST_F(SecurityTest, ADirectoryThatGoesTakesNoNames) {
    ASSERT_EQ(try_by(anna_uid, "f", access::all, Disposition::create), NtStatus::SUCCESS);
    auto d = by(anna_uid, params("d", access::all, Disposition::create, option::directory_file));
    ASSERT_TRUE(d);
    ASSERT_TRUE(d->open->set_disposition(true));
    auto f = by(anna_uid, params("f", access::delete_));
    ASSERT_TRUE(f);
    EXPECT_EQ(f->open->rename("d\\f", false).error(), NtStatus::DELETE_PENDING);
    EXPECT_EQ(f->open->link("d\\f", false).error(), NtStatus::DELETE_PENDING);
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

// Audit entries alone leave the DACL what it would be; what the client sends leaves the rest to the directory.
TEST_F(SecurityTest, EachAclIsInheritedByItself) {
    loop::take_root();
    make("audited", dacl({allow(well_known::everyone, access::all)}), true);
    Ace audit = allow(well_known::everyone, access::write_data, security::ace_flag::object_inherit | security::ace_flag::failed_access);
    audit.type = security::ace_type::system_audit;
    security::Token root = token_of(0);
    root.privileges = security::privilege::security;
    const auto share = share_for(root);
    act_as(0);
    auto opened = files_->create(*share, params("audited", access::system_security));
    ASSERT_TRUE(opened) << to_string(opened.error());
    SecurityDescriptor sacl, found;
    sacl.sacl = security::Acl{2, {audit}};
    EXPECT_TRUE(opened->open->set_security(part::sacl, sacl));
    EXPECT_TRUE(files_->close(*opened->open));
    ASSERT_EQ(try_by(bert_uid, "audited\\f", access::all, Disposition::create), NtStatus::SUCCESS);
    EXPECT_EQ(try_by(bert_uid, "audited\\f", access::all), NtStatus::SUCCESS);
    act_as(0);
    opened = files_->create(*share, params("audited\\f", access::system_security));
    ASSERT_TRUE(opened);
    EXPECT_TRUE(opened->open->query_security(part::sacl, found));
    EXPECT_TRUE(found.sacl && found.sacl->aces.size() == 1);
    EXPECT_TRUE(files_->close(*opened->open));

    make("d", dacl({allow(well_known::everyone, access::all, security::ace_flag::object_inherit)}), true);
    SecurityDescriptor with_owner;
    with_owner.owner = bert_.user_sid;
    auto p = params("d\\f", access::all, Disposition::create);
    p.security_descriptor = &with_owner;
    auto made = by(bert_uid, p);
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->open->query_security(part::dacl, found));
    ASSERT_TRUE(found.dacl && found.dacl->aces.size() == 1);
    EXPECT_EQ(found.dacl->aces[0].sid, well_known::everyone);
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
    SecurityDescriptor group;
    group.group = security::unix_group_sid(64003);  // one that he is not in
    EXPECT_EQ(r->open->set_security(part::group, group).error(), NtStatus::INVALID_OWNER);
    group.group = security::unix_group_sid(bert_uid);
    EXPECT_TRUE(r->open->set_security(part::group, group));
    owner.owner = bert_.user_sid;  // who may take it takes it
    EXPECT_TRUE(r->open->set_security(part::owner, owner));
    struct stat now {};
    ASSERT_EQ(::stat(at("f").c_str(), &now), 0);
    EXPECT_EQ(now.st_uid, bert_uid);
    EXPECT_EQ(now.st_gid, bert_uid);
}

}  // namespace
}  // namespace Atoll::fsa

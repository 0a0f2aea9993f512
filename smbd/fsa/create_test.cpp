// MS-FSA 2.1.5.1, rule by rule.
#include <sys/xattr.h>

#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;

TEST_F(FsaTest, Dispositions) {  // MS-SMB2 2.2.13, CreateDisposition
    EXPECT_EQ(status(params("a", rw_access, D::open)), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("a", rw_access, D::overwrite)), NtStatus::OBJECT_NAME_NOT_FOUND);
    for (const auto d : {D::create, D::open_if, D::overwrite_if, D::supersede}) {
        auto made = create(params("a", rw_access, d));
        ASSERT_TRUE(made) << static_cast<int>(d);
        EXPECT_EQ(made->action, CreateAction::created);
        EXPECT_EQ(made->info.basic.attributes, attribute::archive);  // 2.1.5.1.1
        close(*made->open);
        std::filesystem::remove(at("a"));
    }
    write("a", "0123456789");
    EXPECT_EQ(status(params("a", rw_access, D::create)), NtStatus::OBJECT_NAME_COLLISION);
    auto opened = create(params("a", rw_access, D::open_if));
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->action, CreateAction::opened);
    EXPECT_EQ(opened->info.end_of_file, 10u);
    close(*opened->open);
    auto over = create(params("a", read_access, D::overwrite));
    ASSERT_TRUE(over);
    EXPECT_EQ(over->action, CreateAction::overwritten);
    EXPECT_EQ(over->info.end_of_file, 0u);
    EXPECT_EQ(over->open->granted_access(), read_access);  // the write access that overwriting needs is not handed out
    close(*over->open);
    write("a", "0123456789");
    auto super = create(params("a", rw_access, D::supersede));
    ASSERT_TRUE(super);
    EXPECT_EQ(super->action, CreateAction::superseded);
    EXPECT_EQ(read("a"), "");
}

TEST_F(FsaTest, ParametersOfPhase1) {
    write("a");
    auto check = [&](auto change) {
        CreateParams p = params("a");
        change(p);
        return status(p);
    };
    const auto invalid = NtStatus::INVALID_PARAMETER;
    EXPECT_EQ(check([](auto& p) { p.share_access = 8; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.disposition = 6; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.options = 0x01000000; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.attributes = 0x8; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.options = option::delete_on_close; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.options = option::directory_file | option::non_directory_file; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.options = option::directory_file | option::random_access; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.options = option::directory_file, p.disposition = 5; }), invalid);
    EXPECT_EQ(check([](auto& p) { p.desired_access = 0; }), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(check([](auto& p) { p.desired_access = 0x200; }), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(check([](auto& p) { p.options = option::open_by_file_id; }), NtStatus::NOT_SUPPORTED);
    EXPECT_EQ(check([](auto& p) { p.options = option::reserve_opfilter; }), NtStatus::NOT_SUPPORTED);
    EXPECT_EQ(check([](auto& p) { p.options = option::open_requiring_oplock; }), NtStatus::SUCCESS);  // ignored, MS-SMB2 2.2.13
    EXPECT_EQ(check([](auto& p) { p.desired_access |= access::system_security; }), NtStatus::PRIVILEGE_NOT_HELD);
    // MS-SMB2 3.3.5.9: FILE_APPEND_DATA does not count without buffering.
    EXPECT_EQ(check([](auto& p) { p.options = option::no_intermediate_buffering, p.desired_access = access::append_data; }),
              NtStatus::ACCESS_DENIED);
}

TEST_F(FsaTest, NamesThatAreNone) {  // MS-FSCC 2.1.5
    write("a");
    for (const char* bad : {"a*", "a?", "<", "a|b", "a\"", "x/y", ".", "a\x1f", ":", "a:", "\\a\\:s"}) {
        const NtStatus s = status(params(bad));
        EXPECT_TRUE(s == NtStatus::OBJECT_NAME_INVALID || (bad[0] == '\\' && s == NtStatus::INVALID_PARAMETER))
            << bad << " " << to_string(s);
    }
    EXPECT_EQ(status(params(std::string_view("a\0b", 3))), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params(std::string(256, 'n'), rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params(std::string(255, 'n'), rw_access, D::create)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("\\a")), NtStatus::INVALID_PARAMETER);
    for (const char* up : {"..", "..\\a", "d\\..\\..\\a", "..\\..\\etc\\passwd"})
        EXPECT_EQ(status(params(up)), NtStatus::OBJECT_PATH_SYNTAX_BAD) << up;
    EXPECT_EQ(status(params("d\\..\\a")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("d\\..")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("d\\..\\..a")), NtStatus::OBJECT_NAME_NOT_FOUND);
}

TEST_F(FsaTest, AFileMadeAgainByItsShortNameHasItsLongOne) {  // 2.1.5.1.1, tunnel caching
    write("A long name.txt");
    const std::string short_name(open(params("A long name.txt")).short_name());
    ASSERT_FALSE(short_name.empty());
    for (Open* o : opened_) (void)files_->close(*o).ok();
    opened_.clear();
    EXPECT_EQ(status(params(short_name, access::delete_, D::open, option::delete_on_close)), NtStatus::SUCCESS);
    EXPECT_FALSE(exists("A long name.txt"));
    EXPECT_EQ(status(params(short_name, rw_access, D::create)), NtStatus::SUCCESS);
    EXPECT_TRUE(exists("A long name.txt"));
    EXPECT_EQ(status(params("A long name.txt", access::delete_, D::open, option::delete_on_close)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params(short_name, rw_access, D::create)), NtStatus::SUCCESS);  // once
    EXPECT_TRUE(exists(short_name));
}

TEST_F(FsaTest, NoStreams) {  // phases 5 to 7, where no module keeps streams
    write("a");
    mkdir("d");
    EXPECT_EQ(status(params("a::$DATA")), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("d::$DATA")), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("d::$INDEX_ALLOCATION")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("d:$I30:$INDEX_ALLOCATION")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("a::$INDEX_ALLOCATION")), NtStatus::NOT_A_DIRECTORY);
    EXPECT_EQ(status(params("a:stream")), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("a:stream:$DATA", rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("a::$BITMAP")), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("d:stream\\x")), NtStatus::OBJECT_NAME_INVALID);
}

TEST_F(FsaTest, WhatIsMissingOrOfTheWrongKind) {  // phases 6 and 7
    write("a");
    mkdir("d");
    EXPECT_EQ(status(params("no\\x")), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("a\\x")), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("no\\x", rw_access, D::create)), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("d", read_access, D::open, option::non_directory_file)), NtStatus::FILE_IS_A_DIRECTORY);
    EXPECT_EQ(status(params("a", read_access, D::open, option::directory_file)), NtStatus::NOT_A_DIRECTORY);
    EXPECT_EQ(status(params("a", read_access, D::create, option::directory_file)), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(status(params("d", read_access, D::create, option::directory_file)), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(status(params("d", read_access, D::create, option::non_directory_file)), NtStatus::FILE_IS_A_DIRECTORY);
    EXPECT_EQ(status(params("d", rw_access, D::overwrite_if)), NtStatus::OBJECT_NAME_COLLISION);  // 2.1.5.1.2
    EXPECT_EQ(status(params("", rw_access, D::overwrite_if)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("d\\", read_access, D::open)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("a\\", read_access, D::open)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("new\\", rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("d\\", read_access, D::open, option::non_directory_file)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("", read_access)), NtStatus::SUCCESS);
}

TEST_F(FsaTest, NamesInAnyCaseKeepTheirStoredForm) {
    mkdir("Dir");
    write("Dir/File.txt");
    Open& found = open(params("dIR\\fILE.TXT"));
    EXPECT_EQ(found.path(), "Dir/File.txt");
    EXPECT_EQ(found.info()->name, "\\Dir\\File.txt");
    Open& made = open(params("DIR\\New", rw_access, D::create));
    EXPECT_EQ(made.path(), "Dir/New");
    EXPECT_TRUE(exists("Dir/New"));
    EXPECT_EQ(status(params("dir\\NEW", rw_access, D::create)), NtStatus::OBJECT_NAME_COLLISION);
}

TEST_F(FsaTest, NothingOutsideTheShare) {
    std::filesystem::create_symlink("/etc/passwd", at("leaf"));
    std::filesystem::create_symlink("/etc", at("dir"));
    std::filesystem::create_symlink("gone", at("dangling"));
    EXPECT_EQ(status(params("leaf")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("dir\\passwd")), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("dir\\new", rw_access, D::create)), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("dangling", rw_access, D::open_if)), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_FALSE(exists("gone"));
}

TEST_F(FsaTest, ReadonlyFiles) {  // 2.1.5.1.1, 2.1.5.1.2.1
    CreateParams p = params("r", rw_access, D::create);
    p.attributes = attribute::readonly;
    Open& made = open(p);  // whoever makes it may write it
    EXPECT_TRUE(made.write_now(as_bytes("x"), 0, false));
    close(made);
    EXPECT_EQ(status(params("r", access::write_data)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("r", access::append_data)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("r", read_access)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("r", access::delete_, D::open, option::delete_on_close)), NtStatus::CANNOT_DELETE);
    EXPECT_EQ(status(params("r", read_access, D::overwrite)), NtStatus::ACCESS_DENIED);
    CreateParams both = params("r2", access::delete_, D::create, option::delete_on_close);
    both.attributes = attribute::readonly;
    EXPECT_EQ(status(both), NtStatus::CANNOT_DELETE);
    EXPECT_FALSE(exists("r2"));
    CreateParams maximum = params("r", access::maximum_allowed);
    Open& most = open(maximum);
    EXPECT_EQ(most.granted_access() & (access::write_data | access::append_data | access::delete_child), 0u);
    EXPECT_NE(most.granted_access() & access::read_data, 0u);
}

TEST_F(FsaTest, OverwritingHiddenAndSystemFiles) {  // 2.1.5.1.2
    CreateParams p = params("h", rw_access, D::create);
    p.attributes = attribute::hidden | attribute::system;
    close(open(p));
    CreateParams over = params("h", rw_access, D::overwrite);
    EXPECT_EQ(status(over), NtStatus::ACCESS_DENIED);
    over.attributes = attribute::hidden;
    EXPECT_EQ(status(over), NtStatus::ACCESS_DENIED);
    over.attributes = attribute::hidden | attribute::system | attribute::not_content_indexed;
    auto r = create(over);
    ASSERT_TRUE(r);
    EXPECT_EQ(r->info.basic.attributes, attribute::hidden | attribute::system | attribute::archive);
    close(open(params(".dot", rw_access, D::create)));  // hidden by its name only
    EXPECT_EQ(status(params(".dot", rw_access, D::overwrite)), NtStatus::SUCCESS);
}

TEST_F(FsaTest, NewDirectories) {  // 2.1.5.1.1
    auto made = create(params("d", read_access, D::create, option::directory_file));
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->info.directory);
    EXPECT_EQ(made->info.basic.attributes, attribute::directory);
    EXPECT_EQ(made->info.end_of_file, 0u);
    CreateParams temporary = params("t", read_access, D::create, option::directory_file);
    temporary.attributes = attribute::temporary;
    EXPECT_EQ(status(temporary), NtStatus::INVALID_PARAMETER);
    EXPECT_FALSE(exists("t"));
}

TEST_F(FsaTest, ModesOfNewFiles) {  // smb.conf(5): create mask, directory mask
    connect("create mask = 0640\nforce create mode = 0002\ndirectory mask = 0700\n");
    close(open(params("f", rw_access, D::create)));
    close(open(params("d", read_access, D::create, option::directory_file)));
    struct stat s {};
    ASSERT_EQ(::stat(at("f").c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 07777, 0642u);
    ASSERT_EQ(::stat(at("d").c_str(), &s), 0);
    EXPECT_EQ(s.st_mode & 07777, 0700u);
}

TEST_F(FsaTest, ReadOnlyShare) {
    write("a");
    share_.reset();
    connect("read only = yes\n");
    EXPECT_EQ(status(params("a", read_access)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("a", access::write_data)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("a", access::delete_)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("a", read_access, D::overwrite)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("new", read_access, D::open_if)), NtStatus::ACCESS_DENIED);
    Open& most = open(params("a", access::maximum_allowed));
    EXPECT_EQ(most.granted_access() & (access::write_data | access::delete_ | access::write_dac), 0u);
    EXPECT_EQ(share_->maximal_access() & access::write_data, 0u);
}

TEST_F(FsaTest, VetoedAndHiddenFiles) {  // smb.conf(5)
    write("x.tmp");
    write("h.log");
    mkdir("vetoed");
    write("vetoed/a");
    connect("veto files = /*.tmp/vetoed/\nhide files = /*.log/\n");
    EXPECT_EQ(status(params("x.tmp")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("vetoed\\a")), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(status(params("new.tmp", rw_access, D::create)), NtStatus::OBJECT_NAME_NOT_FOUND);
    auto hidden = create(params("h.log"));
    ASSERT_TRUE(hidden);
    EXPECT_NE(hidden->info.basic.attributes & attribute::hidden, 0u);
}

TEST_F(FsaTest, GenericAndMaximumAccess) {  // MS-SMB2 2.2.13.1
    write("a");
    ::chmod(at("a").c_str(), 0744);  // without x, an owner may not execute (smb.conf(5), "acl allow execute always")
    EXPECT_EQ(open(params("a", access::generic_read)).granted_access(), 0x120089u);
    EXPECT_EQ(open(params("a", access::generic_write)).granted_access(), 0x120116u);
    EXPECT_EQ(open(params("a", access::generic_all)).granted_access(), access::all);
    CreateParams p = params("new", access::maximum_allowed, D::create);
    p.want_maximal_access = true;
    auto made = create(p);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->open->granted_access(), access::all);
    EXPECT_EQ(made->maximal_access, access::all);
}

TEST_F(FsaTest, RightsOfOrdinaryUsers) {
    if (!loop::is_privileged()) GTEST_SKIP() << "needs root";
    write("root_only");
    write("readable");
    ::chmod(at("root_only").c_str(), 0600);
    ::chmod(at("readable").c_str(), 0644);
    mkdir("open");
    ::chmod(at("open").c_str(), 0777);
    mkdir("sticky");
    ::chmod(at("sticky").c_str(), 01777);
    write("sticky/other");
    act_as(12345);
    EXPECT_EQ(status(params("root_only", read_access)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("root_only", access::read_attributes)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("readable", read_access)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("readable", rw_access)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("readable", access::delete_)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("readable", access::write_dac)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("new", rw_access, D::create)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("sticky\\other", access::delete_)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(open(params("readable", access::maximum_allowed)).granted_access(), 0x120089u);
    Open& own = open(params("open\\own", rw_access | access::delete_, D::create));
    EXPECT_EQ(own.granted_access(), rw_access | access::delete_);
    struct stat s {};
    ASSERT_EQ(::stat(at("open/own").c_str(), &s), 0);
    EXPECT_EQ(s.st_uid, 12345u);
    loop::take_root();
    EXPECT_EQ(status(params("root_only", rw_access)), NtStatus::SUCCESS);
}

TEST_F(FsaTest, TooManyAndNothingLeftBehind) {
    write("a");
    EXPECT_EQ(status(params("a", read_access, D::create)), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(files_->opens(), 0u);
    EXPECT_EQ(share_->opens(), 0u);
    EXPECT_EQ(locking_->size(), 0u);
    Open& one = open(params("a"));
    EXPECT_EQ(files_->opens(), 1u);
    EXPECT_EQ(locking_->size(), 1u);
    close(one);
    EXPECT_EQ(locking_->size(), 0u);
    EXPECT_EQ(files_->opens(), 0u);
}

TEST_F(FsaTest, AFailingDatabaseFailsTheCreate) {
    locking_->fail_writes(1, Code::io);
    EXPECT_EQ(status(params("a", rw_access, D::create)), NtStatus::INSUFFICIENT_RESOURCES);
    EXPECT_TRUE(exists("a")) << "without a record nobody knows who else has it open by now: it is not deleted";
    EXPECT_EQ(files_->opens(), 0u);
}

TEST_F(FsaTest, UnknownModuleMakesTheShareUnavailable) {
    auto loaded = conf::load_text("[test]\npath = " + root_ + "\nvfs objects = no_such\n");
    ASSERT_TRUE(loaded);
    ShareParams p;
    p.conf = (*loaded)->find_share("test");
    p.path = root_;
    auto share = files_->connect(p);
    ASSERT_FALSE(share);
    EXPECT_NE(share.error().message().find("no_such"), std::string::npos);
}

}  // namespace
}  // namespace Atoll::fsa

// Data, information, names and listings of open files: MS-FSA 2.1.5.3 to 2.1.5.7, 2.1.5.12, 2.1.5.15.
#include <unistd.h>

#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;
constexpr uint64_t year_2001 = 126227808000000000;  // 2001-01-01
constexpr uint64_t year_2002 = 126543168000000000;

TEST_F(FsaTest, ReadsAndWrites) {  // 2.1.5.3, 2.1.5.4
    write("a", "0123456789");
    Open& file = open(params("a", rw_access));
    std::array<uint8_t, 16> bytes;
    EXPECT_EQ(as_text({bytes.data(), *file.run_read(bytes, 2)}), "23456789");
    auto now = file.read_now(bytes, 0);
    ASSERT_TRUE(now);
    if (now->done) {
        EXPECT_EQ(now->bytes, 10u);
        EXPECT_EQ(file.info()->position, 10u);
        EXPECT_EQ(file.read_now(bytes, 10).error(), NtStatus::END_OF_FILE);
    }
    EXPECT_EQ(file.run_read(bytes, 10).error(), NtStatus::END_OF_FILE);
    EXPECT_TRUE(file.read_now({}, 100)->done);  // nothing asked for is nothing read
    EXPECT_EQ(file.read_now(bytes, UINT64_MAX - 3).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(*file.write_now(as_bytes("xyz"), 8, true), 3u);
    EXPECT_EQ(read("a"), "01234567xyz");
    EXPECT_EQ(file.write_now(as_bytes("!"), UINT64_MAX, false).error(), NtStatus::INVALID_PARAMETER);  // -1 is no offset on the wire
    EXPECT_EQ(file.write_now(as_bytes("x"), 0x8000000000000000, false).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_TRUE(file.check_flush());
    EXPECT_TRUE(file.run_flush());
}

TEST_F(FsaTest, DataNeedsItsAccess) {  // MS-SMB2 3.3.5.11 to 3.3.5.13
    write("a");
    ::chmod(at("a").c_str(), 0744);
    mkdir("d");
    std::array<uint8_t, 4> bytes;
    Open& attributes_only = open(params("a", access::read_attributes));
    EXPECT_EQ(attributes_only.read_now(bytes, 0).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(attributes_only.write_now(as_bytes("x"), 0, false).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(attributes_only.check_flush().error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(attributes_only.set_end_of_file(0).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(open(params("d")).read_now(bytes, 0).error(), NtStatus::INVALID_DEVICE_REQUEST);
    Open& appender = open(params("a", access::append_data));
    EXPECT_TRUE(appender.write_now(as_bytes("x"), 7, false));
    Open& executor = open(params("a", access::execute));
    EXPECT_TRUE(executor.run_read(bytes, 0));
    Open& maker = open(params("d", access::add_file));
    EXPECT_TRUE(maker.check_flush());
    EXPECT_TRUE(maker.run_flush());
}

TEST_F(FsaTest, Sizes) {  // 2.1.5.15.1, 2.1.5.15.5
    Open& file = open(params("a", rw_access, D::create));
    ASSERT_TRUE(file.set_end_of_file(5000));
    EXPECT_EQ(file.info()->end_of_file, 5000u);
    ASSERT_TRUE(file.set_allocation_size(1 << 20));
    EXPECT_EQ(file.info()->end_of_file, 5000u);
    ASSERT_TRUE(file.set_allocation_size(100));
    EXPECT_EQ(file.info()->end_of_file, 100u);
    EXPECT_EQ(file.set_end_of_file(UINT64_MAX).error(), NtStatus::INVALID_PARAMETER);
    mkdir("d");
    EXPECT_EQ(open(params("d")).set_end_of_file(0).error(), NtStatus::INVALID_PARAMETER);
    CreateParams p = params("b", rw_access, D::create);
    p.allocation_size = 1 << 20;
    auto made = create(p);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->info.end_of_file, 0u);
}

TEST_F(FsaTest, BasicInformation) {  // 2.1.5.15.2
    write("a");
    Open& file = open(params("a", rw_access));
    SetBasic set;
    set.creation.ticks = year_2001;
    set.write.ticks = year_2002;
    set.attributes = attribute::hidden;
    ASSERT_TRUE(file.set_basic(set));
    auto info = file.info();
    ASSERT_TRUE(info);
    EXPECT_EQ(info->basic.creation.ticks, year_2001);
    EXPECT_EQ(info->basic.write.ticks, year_2002);
    EXPECT_EQ(info->basic.attributes, attribute::hidden);
    ASSERT_TRUE(file.set_basic({}));  // nothing is kept for nothing
    EXPECT_EQ(file.info()->basic.creation.ticks, year_2001);
    SetBasic normal;
    normal.attributes = attribute::normal;
    ASSERT_TRUE(file.set_basic(normal));
    EXPECT_EQ(file.info()->basic.attributes, attribute::normal);
    EXPECT_EQ(open(params("a")).info()->basic.creation.ticks, year_2001);
    SetBasic wrong;
    wrong.write.ticks = 0xFFFFFFFFFFFFFFFD;  // -3
    EXPECT_EQ(file.set_basic(wrong).error(), NtStatus::INVALID_PARAMETER);
    wrong = {};
    wrong.attributes = attribute::directory;
    EXPECT_EQ(file.set_basic(wrong).error(), NtStatus::INVALID_PARAMETER);
    mkdir("d");
    Open& directory = open(params("d", rw_access));
    wrong.attributes = attribute::temporary;
    EXPECT_EQ(directory.set_basic(wrong).error(), NtStatus::INVALID_PARAMETER);
    wrong.attributes = attribute::hidden | attribute::directory;
    ASSERT_TRUE(directory.set_basic(wrong));
    EXPECT_EQ(directory.info()->basic.attributes, attribute::hidden | attribute::directory);
}

TEST_F(FsaTest, AWriteTimeThatTheUserSetStays) {  // 2.1.5.15.2, Open.UserSetModificationTime
    write("a");
    Open& file = open(params("a", rw_access));
    SetBasic set;
    set.write.ticks = year_2002;
    ASSERT_TRUE(file.set_basic(set));
    ASSERT_TRUE(file.write_now(as_bytes("x"), 0, false));
    EXPECT_EQ(file.info()->basic.write.ticks, year_2002);
    set.write.ticks = NtTime::thaw;
    ASSERT_TRUE(file.set_basic(set));
    ASSERT_TRUE(file.write_now(as_bytes("y"), 0, false));
    EXPECT_GT(file.info()->basic.write.ticks, year_2002);
    set.write.ticks = NtTime::freeze;
    ASSERT_TRUE(file.set_basic(set));
    const auto frozen = file.info()->basic.write;
    ASSERT_TRUE(file.write_now(as_bytes("z"), 0, false));
    EXPECT_EQ(file.info()->basic.write, frozen);
}

TEST_F(FsaTest, WritingSetsTheArchiveAttribute) {  // 2.1.4.17
    write("a");
    Open& file = open(params("a", rw_access));
    SetBasic set;
    set.attributes = attribute::normal;
    ASSERT_TRUE(file.set_basic(set));
    ASSERT_TRUE(file.write_now(as_bytes("x"), 0, false));
    EXPECT_EQ(file.info()->basic.attributes, attribute::archive);
}

TEST_F(FsaTest, PositionModeAndValidDataLength) {  // 2.1.5.15.8, 2.1.5.15.10, 2.1.5.15.15
    write("a");
    Open& file = open(params("a", rw_access, D::open, option::write_through | option::random_access));
    EXPECT_EQ(file.info()->mode, option::write_through);
    ASSERT_TRUE(file.set_position(77));
    EXPECT_EQ(file.info()->position, 77u);
    EXPECT_EQ(file.set_position(UINT64_MAX).error(), NtStatus::INVALID_PARAMETER);
    ASSERT_TRUE(file.set_mode(option::sequential_only));
    EXPECT_EQ(file.info()->mode, option::sequential_only);
    EXPECT_EQ(file.set_mode(option::synchronous_io_alert | option::synchronous_io_nonalert).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(file.set_mode(option::delete_on_close).error(), NtStatus::INVALID_PARAMETER);
    Open& direct = open(params("a", rw_access, D::open, option::no_intermediate_buffering));
    EXPECT_EQ(direct.set_position(100).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_TRUE(direct.set_position(1024));
}

TEST_F(FsaTest, Renames) {  // 2.1.5.15.12
    write("a", "A");
    write("b", "B");
    mkdir("d");
    Open& file = open(params("a", access::delete_ | access::read_attributes));
    EXPECT_EQ(file.rename("b", false).error(), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(file.rename("no\\x", false).error(), NtStatus::OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(file.rename("d", true).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(file.rename("bad*", true).error(), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(file.rename("", true).error(), NtStatus::INVALID_PARAMETER);
    ASSERT_TRUE(file.rename("d\\moved", false));
    EXPECT_EQ(file.path(), "d/moved");
    EXPECT_EQ(file.info()->name, "\\d\\moved");
    ASSERT_TRUE(file.rename("B", true));  // replaces b, and has the case that was asked for
    EXPECT_EQ(read("B"), "A");
    EXPECT_FALSE(exists("b"));
    ASSERT_TRUE(file.rename("b", false));  // only the case
    EXPECT_EQ(file.path(), "b");
    EXPECT_TRUE(exists("b"));
    EXPECT_FALSE(exists("B"));
    EXPECT_EQ(open(params("b")).rename("c", false).error(), NtStatus::ACCESS_DENIED);
}

TEST_F(FsaTest, RenamesAndOtherOpens) {  // 2.1.4.2, 2.1.5.15.12
    write("a");
    write("b");
    mkdir("d");
    mkdir("d/sub");
    write("d/sub/x");
    Open& target = open(params("b"));
    Open& file = open(params("a", access::delete_ | access::read_attributes));
    EXPECT_EQ(file.rename("b", true).error(), NtStatus::ACCESS_DENIED);  // open
    close(target);
    Open& below = open(params("d\\sub\\x"));
    Open& directory = open(params("d", access::delete_));
    EXPECT_EQ(directory.rename("e", false).error(), NtStatus::ACCESS_DENIED);
    close(below);
    ASSERT_TRUE(directory.rename("e", false));
    EXPECT_TRUE(exists("e/sub/x"));
    EXPECT_EQ(directory.rename("e\\inside", false).error(), NtStatus::INVALID_PARAMETER);
    ASSERT_TRUE(file.set_disposition(true));
    EXPECT_EQ(file.rename("c", false).error(), NtStatus::ACCESS_DENIED);
}

// MS-FSA 2.1.4.2, and `strict rename` of smb.conf(5): what another process has open below a directory.
TEST_F(FsaTest, StrictRename) {
    auto others = make_process(2);
    auto others_share = make_share(*others);
    mkdir("d");
    mkdir("d/sub");
    write("d/sub/x");
    CreateParams p = params("d\\sub\\x", rw_access | access::delete_);
    p.options = option::delete_on_close;
    auto below = others->create(*others_share, p);
    ASSERT_TRUE(below);
    connect("strict rename = yes\n");
    Open& strict = open(params("d", access::delete_));
    EXPECT_EQ(strict.rename("e", false).error(), NtStatus::ACCESS_DENIED);
    close(strict);
    connect("strict rename = no\n");
    Open& directory = open(params("d", access::delete_));
    EXPECT_TRUE(directory.rename("e", false));
    close(directory);
    mkdir("d");
    mkdir("d/sub");
    write("d/sub/x", "another");
    EXPECT_TRUE(exists("e/sub/x"));
    EXPECT_TRUE(others->close(*below->open));  // and it is deleted where it is now
    EXPECT_FALSE(exists("e/sub/x"));
    EXPECT_EQ(read("d/sub/x"), "another");
}

TEST_F(FsaTest, WhatAKilledProcessWasToDeleteIsFoundInARenamedDirectory) {
    auto others = make_process(2);
    auto others_share = make_share(*others);
    mkdir("d");
    mkdir("d/sub");
    mkdir("d2");
    write("d/sub/x");
    write("d2/y");
    std::vector<Open*> doomed;
    for (const char* name : {"d\\sub\\x", "d2\\y"}) {
        auto made = others->create(*others_share, params(name, rw_access | access::delete_));
        ASSERT_TRUE(made);
        doomed.push_back(made->open);
        ASSERT_TRUE(made->open->set_disposition(true));
    }
    Open& directory = open(params("d", access::delete_));
    EXPECT_TRUE(directory.rename("e", false));
    close(directory);
    dead_.insert(2);
    files_->end_holders({{0, 2, 0}}, [&](const std::string&) { return share_.get(); });
    EXPECT_FALSE(exists("e/sub/x"));
    EXPECT_FALSE(exists("d2/y"));
    EXPECT_EQ(locking_->size(), 0u);
    for (Open* open : doomed) EXPECT_TRUE(others->close(*open));
}

TEST_F(FsaTest, RenamesAndOpensOfTheNewDirectory) {  // 2.1.5.15.12, note 185
    write("a");
    mkdir("d");
    Open& file = open(params("a", access::delete_ | access::read_attributes));
    const auto renamed_beside = [&](uint32_t desired, uint32_t share) {
        CreateParams p = params("d", desired);
        p.share_access = share;
        Open& directory = open(p);
        auto r = file.rename("d\\a", false);
        close(directory);
        if (r) {
            EXPECT_TRUE(file.rename("a", false));
        }
        return r ? NtStatus::SUCCESS : r.error();
    };
    EXPECT_EQ(renamed_beside(access::list_directory | access::delete_, sharing::all), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(renamed_beside(access::list_directory, sharing::read), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(renamed_beside(access::list_directory, sharing::read | sharing::write), NtStatus::SUCCESS);
    EXPECT_EQ(renamed_beside(access::read_attributes, 0), NtStatus::SUCCESS);
}

TEST_F(FsaTest, AChangeTimeThatWasSetStaysUntilTheFileChanges) {  // 2.1.5.15.2, 2.1.4.17
    write("a");
    const NtTime then{0x01d00000000000a0};
    Open& file = open(params("a", rw_access));
    SetBasic basic;
    basic.change = then;
    ASSERT_TRUE(file.set_basic(basic));
    EXPECT_EQ(open(params("a")).info()->basic.change, then);
    ASSERT_TRUE(file.write_now(as_bytes("x"), 0, false));  // through the open that has set it: it stays
    EXPECT_EQ(open(params("a")).info()->basic.change, then);
    close(file);
    ::usleep(30000);  // more than a tick of the clock of file systems
    Open& other = open(params("a", rw_access));
    ASSERT_TRUE(other.write_now(as_bytes("y"), 0, false));
    EXPECT_GT(other.info()->basic.change.ticks, then.ticks + 1000000);
}

TEST_F(FsaTest, RenamedFilesAreDeletedWhereTheyAre) {
    write("a");
    auto other = make_process(2);
    auto other_share = make_share(*other);
    auto doomed = other->create(*other_share, params("a", access::delete_, D::open, option::delete_on_close));
    ASSERT_TRUE(doomed);
    Open& file = open(params("a", access::delete_));
    ASSERT_TRUE(file.rename("b", false));
    close(file);
    write("a", "another file");
    ASSERT_TRUE(other->close(*doomed->open));
    EXPECT_FALSE(exists("b"));
    EXPECT_TRUE(exists("a"));
}

TEST_F(FsaTest, Links) {  // 2.1.5.15.7
    write("a", "A");
    write("b", "B");
    mkdir("d");
    Open& file = open(params("a"));
    ASSERT_TRUE(file.link("d\\second", false));
    EXPECT_EQ(read("d/second"), "A");
    EXPECT_EQ(file.info()->links, 2u);
    EXPECT_EQ(file.link("b", false).error(), NtStatus::OBJECT_NAME_COLLISION);
    ASSERT_TRUE(file.link("b", true));
    EXPECT_EQ(read("b"), "A");
    EXPECT_EQ(open(params("d")).link("e", false).error(), NtStatus::FILE_IS_A_DIRECTORY);
    Open& renamed = open(params("b", access::delete_));
    ASSERT_TRUE(renamed.rename("a", true));  // onto another link of the same file: one name goes
    EXPECT_FALSE(exists("b"));
    EXPECT_TRUE(exists("a"));
}

TEST_F(FsaTest, DeletingOneLinkLeavesTheOthers) {  // 2.1.5.5, phase 3
    write("a", "A");
    Open& file = open(params("a"));
    ASSERT_TRUE(file.link("b", false));
    close(open(params("b", access::delete_, D::open, option::delete_on_close)));
    EXPECT_TRUE(exists("b"));  // still open as a
    close(file);
    EXPECT_TRUE(exists("a"));
    EXPECT_FALSE(exists("b"));
}

class ListingTest : public FsaTest {
 protected:
    std::multiset<std::string> list(Open& directory, const QueryDirectory& query, EntryDetail detail = EntryDetail::information) {
        std::multiset<std::string> names;
        EXPECT_TRUE(directory.begin_query(query));
        while (true) {
            auto item = directory.next_entry(detail);
            EXPECT_TRUE(item);
            if (!item || *item == nullptr) return names;
            names.emplace((*item)->name);
        }
    }
    std::multiset<std::string> list(std::string_view pattern) {
        QueryDirectory query;
        query.pattern = pattern;
        Open& directory = open(params("d"));
        auto names = list(directory, query);
        close(directory);
        return names;
    }
    using Names = std::multiset<std::string>;
};

TEST_F(ListingTest, PatternsAndDots) {  // 2.1.5.6.3
    mkdir("d");
    for (const char* name : {"d/one.txt", "d/two.TXT", "d/three", "d/x.tar.gz"}) write(name);
    EXPECT_EQ(list("*"), (Names{".", "..", "one.txt", "two.TXT", "three", "x.tar.gz"}));
    EXPECT_EQ(list(""), (Names{".", "..", "one.txt", "two.TXT", "three", "x.tar.gz"}));
    EXPECT_EQ(list("*.txt"), (Names{"one.txt", "two.TXT"}));
    EXPECT_EQ(list("T*"), (Names{"two.TXT", "three"}));
    EXPECT_EQ(list("three"), Names{"three"});
    EXPECT_EQ(list("THREE"), Names{"three"});
    EXPECT_EQ(list("."), Names{"."});
    EXPECT_EQ(list("<.gz"), Names{"x.tar.gz"});
    Open& directory = open(params("d"));
    QueryDirectory query;
    query.pattern = "none*";
    EXPECT_TRUE(list(directory, query).empty());
    EXPECT_EQ(directory.nothing_found(), NtStatus::NO_SUCH_FILE);
    query.pattern = "a\\b";
    query.restart = true;
    EXPECT_EQ(directory.begin_query(query).error(), NtStatus::OBJECT_NAME_INVALID);
    write("f");
    EXPECT_EQ(open(params("f")).begin_query({}).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(open(params("d", access::read_attributes)).begin_query({}).error(), NtStatus::ACCESS_DENIED);
}

TEST_F(ListingTest, ResumeRestartReopen) {
    mkdir("d");
    for (int i = 0; i < 10; i++) write("d/f" + std::to_string(i));
    Open& directory = open(params("d"));
    QueryDirectory query;
    query.pattern = "f*";
    ASSERT_TRUE(directory.begin_query(query));
    const std::string first((*directory.next_entry(EntryDetail::information))->name);
    const std::string second((*directory.next_entry(EntryDetail::information))->name);
    directory.put_back_entry();
    query.pattern = "ignored*";  // a pattern counts on the first query, or with restart
    ASSERT_TRUE(directory.begin_query(query));
    EXPECT_EQ((*directory.next_entry(EntryDetail::information))->name, second);
    EXPECT_EQ(list(directory, query).size(), 8u);
    EXPECT_EQ(directory.nothing_found(), NtStatus::NO_MORE_FILES);
    query.pattern = "";
    query.restart = true;
    EXPECT_EQ(list(directory, query).size(), 10u);
    query.pattern = "f3";
    EXPECT_EQ(list(directory, query), Names{"f3"});
    query = {};
    query.reopen = true;
    query.pattern = "*";
    EXPECT_EQ(list(directory, query, EntryDetail::name).size(), 12u);
}

TEST_F(ListingTest, WhatIsNotListed) {
    mkdir("d");
    write("d/plain");
    write("d/x.tmp");
    write("d/back\\slash");
    write("d/\xFF\xFE");
    std::filesystem::create_symlink("/etc/passwd", at("d/out"));
    std::filesystem::create_symlink("gone", at("d/dangling"));
    std::filesystem::create_symlink("plain", at("d/link"));
    connect("veto files = /*.tmp/\nmangled names = no\n");
    EXPECT_EQ(list("*"), (Names{".", "..", "plain", "link"}));
}

TEST_F(ListingTest, NamesThatCannotBeSaidAreShownByTheirShortNames) {  // smb.conf(5), "mangled names"
    mkdir("d");
    write("d/a:b", "colon");
    const auto names = list("*");
    ASSERT_EQ(names.size(), 3u);
    const std::string shown = *names.rbegin();
    ASSERT_EQ(shown.size(), 8u);
    EXPECT_EQ(shown[6], '~');
    EXPECT_EQ(list(shown), Names{shown});
    Open& file = open(params("d\\" + shown));
    EXPECT_EQ(file.path(), "d/a:b");
    EXPECT_EQ(file.short_name(), shown);
}

TEST_F(ListingTest, EntriesTellWhatTheFileIs) {
    mkdir("d");
    write("d/file", "12345");
    mkdir("d/sub");
    Open& directory = open(params("d"));
    ASSERT_TRUE(directory.begin_query({}));
    int seen = 0;
    for (auto item = directory.next_entry(EntryDetail::information); item && *item != nullptr;
         item = directory.next_entry(EntryDetail::information)) {
        seen++;
        if ((*item)->name == "file") {
            EXPECT_EQ((*item)->end_of_file, 5u);
            EXPECT_EQ((*item)->basic.attributes & attribute::directory, 0u);
            EXPECT_EQ((*item)->id.index_number, open(params("d\\file")).info()->id.index_number);
        } else {
            EXPECT_NE((*item)->basic.attributes & attribute::directory, 0u) << (*item)->name;
            EXPECT_EQ((*item)->end_of_file, 0u);
        }
        EXPECT_NE((*item)->basic.write.ticks, 0u);
    }
    EXPECT_EQ(seen, 4);
}

TEST_F(FsaTest, VolumeAndSize) {  // 2.1.5.13
    auto volume = share_->volume();
    ASSERT_TRUE(volume);
    EXPECT_EQ(volume->label, "test");
    EXPECT_EQ(volume->file_system_name, "NTFS");
    EXPECT_NE(volume->serial_number, 0u);
    auto size = share_->size();
    ASSERT_TRUE(size);
    std::error_code ignored;
    const auto space = std::filesystem::space(root_, ignored);
    EXPECT_EQ(size->total_units * size->sectors_per_unit * size->bytes_per_sector, space.capacity);
    EXPECT_EQ(share_->maximal_access(), access::all);
}

}  // namespace
}  // namespace Atoll::fsa

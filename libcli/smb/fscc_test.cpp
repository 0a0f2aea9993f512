#include <array>

#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/fscc_fs.h"
#include "libcli/smb/wire_test.h"

namespace Atoll::smb {
namespace {

// A structure of fixed size: round trip, that size, and nothing shorter accepted.
template <class T>
void check_fixed(const T& value) {
    Buffer p = check_payload(value);
    EXPECT_EQ(p.size(), T::size);
    EXPECT_EQ(T::decode(p.bytes().first(T::size / 2)).error(), NtStatus::INFO_LENGTH_MISMATCH);
    EXPECT_FALSE(T::decode({}).ok());
}

FileTimesAndSizes some_info() { return {{1}, {2}, {3}, {4}, 4096, 100, file_attribute::archive}; }

TEST(FileInformation, FixedSizes) {
    check_fixed(FileBasicInformation{{1}, {2}, {3}, {4}, file_attribute::hidden});
    check_fixed(FileStandardInformation{4096, 100, 2, true, false});
    check_fixed(FileStandardLinkInformation{1, 2, false, true});
    check_fixed(FileInternalInformation{0x1122334455667788});
    check_fixed(FileEaInformation{5});
    check_fixed(FileAccessInformation{0x120089});
    check_fixed(FilePositionInformation{77});
    check_fixed(FileModeInformation{2});
    check_fixed(FileAlignmentInformation{0});
    check_fixed(FileAllocationInformation{8192});
    check_fixed(FileEndOfFileInformation{5});
    check_fixed(FileValidDataLengthInformation{5});
    check_fixed(FileCompressionInformation{100, 2, 16, 12, 12});
    check_fixed(FileNetworkOpenInformation{some_info()});
    check_fixed(FileAttributeTagInformation{file_attribute::reparse_point, reparse_tag::symlink});
    check_fixed(FileDispositionInformation{true});
    check_fixed(FileDispositionInformationEx{disposition_flags::delete_file | disposition_flags::posix_semantics});
    check_fixed(FileIdInformation{1, {2, 3}});
    check_fixed(FileObjectIdInformation{1, {2, 3}});
    check_fixed(FileReparsePointInformation{1, reparse_tag::nfs});
    check_fixed(FilePipeInformation{1, 1});
    check_fixed(FilePipeLocalInformation{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    check_fixed(FilePipeRemoteInformation{1, 2});
}

TEST(FileInformation, All) {
    Buffer name = utf16("\\dir\\file");
    FileAllInformation all;
    all.basic.creation_time.ticks = 5;
    all.standard.end_of_file = 6;
    all.internal.value = 7;
    all.ea.value = 8;
    all.access.value = 9;
    all.position.value = 10;
    all.mode.value = 11;
    all.alignment.value = 12;
    all.name.name = name;
    Buffer p = check_payload(all);
    EXPECT_EQ(p.size(), FileAllInformation::fixed_size + name.size());
    auto d = FileAllInformation::decode(p);
    EXPECT_EQ(d->position.value, 10u);
    EXPECT_EQ(vec(d->name.name), vec(name));
    for (size_t n = 0; n < p.size(); ++n) EXPECT_EQ(FileAllInformation::decode(p.bytes().first(n)).error(), NtStatus::INFO_LENGTH_MISMATCH);
    check_payload(FileNameInformation{name});
}

TEST(FileInformation, Rename) {
    Buffer name = utf16("new name");
    for (bool ex : {false, true}) {
        FileRenameInformation r{ex ? rename_flags::replace_if_exists | rename_flags::posix_semantics : rename_flags::replace_if_exists, 0,
                                name};
        Buffer p = check_payload(
            r, [&](const FileRenameInformation& v, ByteWriter& out) { v.encode(out, ex); },
            [&](Bytes b) { return FileRenameInformation::decode(b, ex); });
        auto d = FileRenameInformation::decode(p, ex);
        EXPECT_EQ(vec(d->name), vec(name));
        EXPECT_EQ(d->flags, r.flags);
        store_le<uint32_t>(p.data() + 16, 3);
        EXPECT_EQ(FileRenameInformation::decode(p, ex).error(), NtStatus::INVALID_PARAMETER);
        store_le<uint32_t>(p.data() + 16, 300);
        EXPECT_EQ(FileRenameInformation::decode(p, ex).error(), NtStatus::INFO_LENGTH_MISMATCH);
    }
    Buffer p;
    ByteWriter out(p);
    FileRenameInformation{0, 0, name.bytes().first(2)}.encode(out, false);
    EXPECT_EQ(p.size(), 24u);  // MS-FSCC 2.4.42.2
}

TEST(FsInformation, Structures) {
    Buffer label = utf16("label");
    FsVolumeInformation v{{5}, 0x1234, true, label};
    EXPECT_EQ(check_payload(v).size(), 18 + label.size());
    check_payload(FsLabelInformation{label});
    check_fixed(FsSizeInformation{100, 50, 8, 512});
    check_fixed(FsFullSizeInformation{100, 50, 60, 8, 512});
    check_fixed(FsDeviceInformation{fs_device::type_disk, fs_device::device_is_mounted});
    FsAttributeInformation a{fs_attribute::case_preserved_names, 255, label};
    EXPECT_EQ(check_payload(a).size(), 12 + label.size());
    check_fixed(FsControlInformation{1, 2, 3, 4, 5, 6});
    check_fixed(FsObjectIdInformation{Guid::random(), {1, 2}});
    check_fixed(FsSectorSizeInformation{512, 4096, 4096, 4096, 3, 0, 0});
}

constexpr std::array directory_classes = {FileInformationClass::directory,
                                          FileInformationClass::full_directory,
                                          FileInformationClass::both_directory,
                                          FileInformationClass::names,
                                          FileInformationClass::id_full_directory,
                                          FileInformationClass::id_both_directory,
                                          FileInformationClass::id_extd_directory,
                                          FileInformationClass::id_64_extd_directory,
                                          FileInformationClass::id_64_extd_both_directory,
                                          FileInformationClass::id_all_extd_directory,
                                          FileInformationClass::id_all_extd_both_directory};

// Offsets of FileName in the diagrams of MS-FSCC 2.4.
TEST(Directory, FixedSizesOfTheSpecification) {
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::directory), 64u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::full_directory), 68u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::both_directory), 94u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::names), 12u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_full_directory), 80u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_both_directory), 104u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_extd_directory), 88u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_64_extd_directory), 80u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_64_extd_both_directory), 106u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_all_extd_directory), 96u);
    EXPECT_EQ(directory_entry_fixed_size(FileInformationClass::id_all_extd_both_directory), 122u);
    EXPECT_FALSE(is_directory_class(FileInformationClass::basic));
}

TEST(Directory, EveryClassRoundTrips) {
    Buffer short_name = utf16("A~1");
    for (auto c : directory_classes) {
        Buffer b;
        ByteWriter out(b);
        DirectoryListWriter writer(out, c, 4096);
        for (const char* text : {".", "file.txt", "ü"}) {
            Buffer name = utf16(text);
            DirectoryEntry e;
            e.info = some_info();
            e.ea_size = 5;
            e.reparse_tag = 6;
            e.file_id = 7;
            e.file_id_128[0] = 8;
            e.short_name = short_name;
            e.name = name;
            ASSERT_TRUE(writer.add(e));
        }
        EXPECT_EQ(writer.count(), 3u);
        DirectoryListReader reader(b, c);
        std::vector<std::string> names;
        while (auto e = reader.next()) {
            names.push_back(*utf16le_to_utf8(e->name));
            if (c == FileInformationClass::names) continue;
            EXPECT_EQ(e->info.end_of_file, 100u);
            EXPECT_EQ(e->info.change_time.ticks, 4u);
        }
        EXPECT_FALSE(reader.malformed());
        EXPECT_EQ(names, (std::vector<std::string>{".", "file.txt", "ü"})) << static_cast<int>(c);
        EXPECT_EQ(load_le<uint32_t>(b.data()) % 8, 0u);
        for (size_t n = 1; n < b.size(); ++n) {
            std::vector<uint8_t> prefix(b.data(), b.data() + n);
            DirectoryListReader short_reader(Bytes(prefix), c);
            while (short_reader.next()) {
            }
            EXPECT_TRUE(short_reader.malformed()) << n;
        }
    }
}

TEST(Directory, FieldsStandWhereTheyShould) {
    Buffer b;
    ByteWriter out(b);
    DirectoryListWriter writer(out, FileInformationClass::id_both_directory, 4096);
    Buffer name = utf16("n");
    DirectoryEntry e;
    e.ea_size = 0x11;
    e.file_id = 0x22;
    e.name = name;
    ASSERT_TRUE(writer.add(e));
    EXPECT_EQ(b[64], 0x11);
    EXPECT_EQ(b[96], 0x22);
    EXPECT_EQ(b[104], 'n');
}

TEST(Directory, LimitIsKept) {
    Buffer name = utf16("12345678");
    DirectoryEntry e;
    e.name = name;
    for (size_t limit : {0u, 79u, 80u, 159u, 160u, 161u}) {
        Buffer b;
        ByteWriter out(b);
        DirectoryListWriter writer(out, FileInformationClass::directory, limit);
        while (writer.add(e)) {
        }
        EXPECT_LE(b.size(), limit);
        EXPECT_EQ(writer.count(), limit / 80);
        EXPECT_EQ(writer.size(), b.size());
    }
}

TEST(Lists, StreamsLinksQuotas) {
    Buffer name = utf16(":s:$DATA");
    Buffer b;
    ByteWriter out(b);
    EntryListWriter list(out, 1000);
    ASSERT_TRUE(add_stream(list, {5, 8, name}));
    ASSERT_TRUE(add_stream(list, {6, 16, name}));
    EntryListReader reader(b);
    EXPECT_EQ(next_stream(reader)->size, 5u);
    EXPECT_EQ(next_stream(reader)->allocation_size, 16u);
    EXPECT_FALSE(next_stream(reader));
    EXPECT_FALSE(reader.malformed());

    b.clear();
    ByteWriter link_out(b);
    EntryListWriter links(link_out, 1000);
    ASSERT_TRUE(add_link(links, {9, name}));
    EntryListReader link_reader(b);
    auto link = next_link(link_reader);
    ASSERT_TRUE(link);
    EXPECT_EQ(link->parent_file_id, 9u);
    EXPECT_EQ(vec(link->name), vec(name));
    Buffer hard;
    ByteWriter hard_out(hard);
    hard_out.u32(100);
    hard_out.u32(1);
    hard_out.bytes(b);
    EXPECT_EQ(FileHardLinkInformation::decode(hard)->entries.size(), b.size());
    EXPECT_FALSE(FileHardLinkInformation::decode(hard.bytes().first(7)).ok());

    b.clear();
    ByteWriter quota_out(b);
    EntryListWriter quotas(quota_out, 1000);
    ASSERT_TRUE(add_quota(quotas, {{1}, 2, 3, 4, name}));
    EntryListReader quota_reader(b);
    EXPECT_EQ(next_quota(quota_reader)->limit, 4u);
    b.clear();
    ByteWriter get_out(b);
    EntryListWriter gets(get_out, 1000, 4);
    ASSERT_TRUE(add_get_quota(gets, name));
    EntryListReader get_reader(b);
    EXPECT_EQ(vec(*next_get_quota(get_reader)), vec(name));
}

TEST(Lists, ExtendedAttributes) {
    Buffer b;
    ByteWriter out(b);
    EntryListWriter list(out, 1000, EaEntry::alignment);
    ASSERT_TRUE(add_ea(list, {0, as_bytes("ONE"), as_bytes("value")}));
    ASSERT_TRUE(add_ea(list, {EaEntry::need_ea, as_bytes("TWO"), {}}));
    EntryListReader reader(b);
    auto one = next_ea(reader);
    ASSERT_TRUE(one);
    EXPECT_EQ(as_text(one->name), "ONE");
    EXPECT_EQ(as_text(one->value), "value");
    auto two = next_ea(reader);
    ASSERT_TRUE(two);
    EXPECT_EQ(two->flags, EaEntry::need_ea);
    EXPECT_FALSE(next_ea(reader));
    EXPECT_FALSE(reader.malformed());
    b[8 + 3] = 'x';  // the terminator of the first name
    EntryListReader bad(b);
    EXPECT_FALSE(next_ea(bad));
    EXPECT_TRUE(bad.malformed());

    b.clear();
    ByteWriter get_out(b);
    EntryListWriter get(get_out, 1000, EaEntry::alignment);
    ASSERT_TRUE(add_get_ea(get, as_bytes("ONE")));
    ASSERT_TRUE(add_get_ea(get, as_bytes("THREE")));
    EntryListReader names(b);
    EXPECT_EQ(as_text(*next_get_ea(names)), "ONE");
    EXPECT_EQ(as_text(*next_get_ea(names)), "THREE");
}

TEST(Lists, Notify) {
    Buffer name = utf16("changed");
    Buffer b;
    ByteWriter out(b);
    EntryListWriter list(out, 100, NotifyEntry::alignment);
    ASSERT_TRUE(add_notify(list, {NotifyAction::renamed_old_name, name}));
    ASSERT_TRUE(add_notify(list, {NotifyAction::renamed_new_name, name}));
    EXPECT_TRUE(add_notify(list, {NotifyAction::added, name}));
    EXPECT_FALSE(add_notify(list, {NotifyAction::added, name}));
    EntryListReader reader(b);
    EXPECT_EQ(next_notify(reader)->action, NotifyAction::renamed_old_name);
    EXPECT_EQ(next_notify(reader)->action, NotifyAction::renamed_new_name);
}

TEST(Lists, OffsetsThatLeaveTheList) {
    std::vector<uint8_t> b(24);
    for (uint32_t next : {1u, 3u, 24u, 25u, 0xFFFFFFFFu}) {
        store_le<uint32_t>(b.data(), next);
        EntryListReader reader{Bytes(b)};
        EXPECT_FALSE(reader.next()) << next;
        EXPECT_TRUE(reader.malformed()) << next;
    }
    EntryListReader empty{Bytes{}};
    EXPECT_FALSE(empty.next());
    EXPECT_FALSE(empty.malformed());
}

}  // namespace
}  // namespace Atoll::smb

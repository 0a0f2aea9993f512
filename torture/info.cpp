// atoll.info: QUERY_INFO and SET_INFO.
#include "base/utf.h"
#include "libcli/smb/fscc_fs.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::FileInformationClass;
using smb::FsInformationClass;
using smb::InfoType;

void basic(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    smb::FileBasicInformation set;
    set.creation_time.ticks = 0;  // keep
    set.last_access_time.ticks = 131000000000000000;
    set.last_write_time.ticks = 131000000010000000;
    set.change_time.ticks = 0;
    set.file_attributes = smb::file_attribute::hidden;
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::SUCCESS);
    REQUIRE(t, got, f->query<smb::FileBasicInformation>(FileInformationClass::basic));
    CHECK(t, got->last_write_time == set.last_write_time, "write time {}", got->last_write_time.ticks);
    CHECK(t, got->last_access_time == set.last_access_time, "access time {}", got->last_access_time.ticks);
    CHECK(t, got->creation_time.ticks != 0, "creation time 0");
    CHECK(t, got->file_attributes == smb::file_attribute::hidden, "attributes {:#x}", got->file_attributes);
    // Attributes 0 are kept (MS-FSCC 2.4.7).
    set = {};
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::SUCCESS);
    REQUIRE(t, kept, f->query<smb::FileBasicInformation>(FileInformationClass::basic));
    CHECK(t, kept->file_attributes == smb::file_attribute::hidden, "attributes {:#x}", kept->file_attributes);
    CHECK(t, kept->last_write_time == got->last_write_time, "the write time changed");
}

void creation_time(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    smb::FileBasicInformation set;
    set.creation_time.ticks = 130000000000000000;
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), {}));
    CHECK(t, g->created().info.creation_time == set.creation_time, "creation time {}", g->created().info.creation_time.ticks);
}

void bad_attributes(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    smb::FileBasicInformation set;
    set.file_attributes = smb::file_attribute::directory;
    // MS-FSA 2.1.5.15.2: a file does not become a directory; times below -2 are no times.
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::INVALID_PARAMETER);
    set.file_attributes = 0;
    set.last_write_time.ticks = static_cast<uint64_t>(-3);
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::INVALID_PARAMETER);
}

void end_of_file(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(1000)));
    for (uint64_t size : {500u, 0u, 100000u}) {
        CHECK_STATUS(t, f->set(FileInformationClass::end_of_file, smb::FileEndOfFileInformation{size}), NtStatus::SUCCESS);
        REQUIRE(t, info, f->query<smb::FileStandardInformation>(FileInformationClass::standard));
        CHECK(t, info->end_of_file == size, "size {}", info->end_of_file);
    }
    CHECK_STATUS(t, f->set(FileInformationClass::end_of_file, smb::FileEndOfFileInformation{1ull << 63}), NtStatus::INVALID_PARAMETER);
    REQUIRE(t, reader, File::open(*c->tree, t.path(*c, "f"), {}));
    CHECK_STATUS(t, reader->set(FileInformationClass::end_of_file, smb::FileEndOfFileInformation{1}), NtStatus::ACCESS_DENIED);
}

void allocation(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10000)));
    // MS-FSA 2.1.5.15.1: less than the size truncates, more does not extend it.
    CHECK_STATUS(t, f->set(FileInformationClass::allocation, smb::FileAllocationInformation{1 << 20}), NtStatus::SUCCESS);
    REQUIRE(t, grown, f->query<smb::FileStandardInformation>(FileInformationClass::standard));
    CHECK(t, grown->end_of_file == 10000, "size {}", grown->end_of_file);
    CHECK_STATUS(t, f->set(FileInformationClass::allocation, smb::FileAllocationInformation{0}), NtStatus::SUCCESS);
    REQUIRE(t, cut, f->query<smb::FileStandardInformation>(FileInformationClass::standard));
    CHECK(t, cut->end_of_file == 0, "size {}", cut->end_of_file);
}

void rename(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "old", pattern_bytes(10)));
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->rename(t.path(*c, "d\\new"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, client::get(*c->tree, t.path(*c, "d\\new"), back), NtStatus::SUCCESS);
    CHECK(t, back.size() == 10, "{} bytes", back.size());
    CHECK_STATUS(t, client::get(*c->tree, t.path(*c, "old"), back), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void rename_onto(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "target"), pattern_bytes(20)), NtStatus::SUCCESS);
    REQUIRE(t, f, t.file(*c, "source", pattern_bytes(10)));
    CHECK_STATUS(t, f->rename(t.path(*c, "target"), false), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, f->rename(t.path(*c, "no such directory\\target"), false), NtStatus::OBJECT_PATH_NOT_FOUND);
    CHECK_STATUS(t, f->rename(t.path(*c, "target"), true), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, client::get(*c->tree, t.path(*c, "target"), back), NtStatus::SUCCESS);
    CHECK(t, back.size() == 10, "{} bytes", back.size());
}

void rename_without_access(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(20)), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), {}));
    CHECK_STATUS(t, f->rename(t.path(*c, "g"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, f->set_delete(true), NtStatus::ACCESS_DENIED);
}

void rename_directory(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "d\\f"), pattern_bytes(20)), NtStatus::SUCCESS);
    OpenOptions o = OpenOptions::directory(false);
    o.access |= smb::access_mask::delete_access;
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d"), o));
    CHECK_STATUS(t, d->rename(t.path(*c, "e"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, client::get(*c->tree, t.path(*c, "e\\f"), back), NtStatus::SUCCESS);
}

void change_of_case(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "name"));
    CHECK_STATUS(t, f->rename(t.path(*c, "NAME"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, ""), OpenOptions::directory(false)));
    REQUIRE(t, items, d->list("name"));
    CHECK(t, items->size() == 1 && (*items)[0].name == "NAME", "the name did not change");
}

void all_classes(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(77)));
    REQUIRE(t, all, f->query<smb::FileAllInformation>(FileInformationClass::all));
    REQUIRE(t, standard, f->query<smb::FileStandardInformation>(FileInformationClass::standard));
    REQUIRE(t, basic_info, f->query<smb::FileBasicInformation>(FileInformationClass::basic));
    REQUIRE(t, internal, f->query<smb::FileInternalInformation>(FileInformationClass::internal));
    REQUIRE(t, open, f->query<smb::FileNetworkOpenInformation>(FileInformationClass::network_open));
    REQUIRE(t, tag, f->query<smb::FileAttributeTagInformation>(FileInformationClass::attribute_tag));
    REQUIRE(t, ea, f->query<smb::FileEaInformation>(FileInformationClass::ea));
    REQUIRE(t, position, f->query<smb::FilePositionInformation>(FileInformationClass::position));
    REQUIRE(t, mode, f->query<smb::FileModeInformation>(FileInformationClass::mode));
    REQUIRE(t, alignment, f->query<smb::FileAlignmentInformation>(FileInformationClass::alignment));
    REQUIRE(t, granted, f->query<smb::FileAccessInformation>(FileInformationClass::access));
    CHECK(t, all->standard.end_of_file == 77 && standard->end_of_file == 77 && open->info.end_of_file == 77, "sizes differ");
    CHECK(t, standard->number_of_links == 1 && !standard->directory && !standard->delete_pending, "standard information is wrong");
    CHECK(t,
          all->basic.file_attributes == basic_info->file_attributes && tag->file_attributes == basic_info->file_attributes &&
              open->info.file_attributes == basic_info->file_attributes,
          "attributes differ");
    CHECK(t, all->internal.value == internal->value && internal->value != 0, "file ids differ");
    CHECK(t, all->access.value == granted->value, "access differs");
    CHECK(t, all->basic.creation_time == open->info.creation_time, "creation times differ");
}

void position(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(77)));
    CHECK_STATUS(t, f->set(FileInformationClass::position, smb::FilePositionInformation{50}), NtStatus::SUCCESS);
    REQUIRE(t, got, f->query<smb::FilePositionInformation>(FileInformationClass::position));
    CHECK(t, got->value == 50, "position {}", got->value);
}

void name_in_all(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    REQUIRE(t, all, f->query<smb::FileAllInformation>(FileInformationClass::all));
    auto name = utf16le_to_utf8(all->name.name);
    CHECK(t, name && *name == "\\" + t.path(*c, "f"), "name {}", name.value_or("(invalid)"));
}

void buffer_too_small(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    const std::pair<FileInformationClass, uint32_t> classes[] = {{FileInformationClass::basic, 40},
                                                                 {FileInformationClass::standard, 24},
                                                                 {FileInformationClass::internal, 8},
                                                                 {FileInformationClass::network_open, 56},
                                                                 {FileInformationClass::all, 100}};
    for (auto [info_class, size] : classes) {
        Buffer out;
        const NtStatus status = f->query(InfoType::file, static_cast<uint8_t>(info_class), out, size - 4);
        CHECK(t, status == NtStatus::INFO_LENGTH_MISMATCH, "class {} in {} bytes: {}", static_cast<int>(info_class), size - 4,
              to_string(status));
    }
    // The name of FileAllInformation does not fit: a part is a success with a warning (MS-FSA 2.1.5.12.2).
    Buffer out;
    CHECK_STATUS(t, f->query(InfoType::file, static_cast<uint8_t>(FileInformationClass::all), out, 104), NtStatus::BUFFER_OVERFLOW);
    CHECK(t, out.size() == 104, "{} bytes", out.size());
}

void bad_class(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    Buffer out;
    CHECK_STATUS(t, f->query(InfoType::file, 250, out), NtStatus::INVALID_INFO_CLASS);
    CHECK_STATUS(t, f->query(InfoType::filesystem, 250, out), NtStatus::INVALID_INFO_CLASS);
    CHECK_STATUS(t, f->set(InfoType::file, 250, pattern_bytes(100)), NtStatus::INVALID_INFO_CLASS);
    CHECK_STATUS(t, f->query(static_cast<InfoType>(9), 4, out), NtStatus::INVALID_PARAMETER);
    // A class of directories is none of files.
    CHECK_STATUS(t, f->query(InfoType::file, static_cast<uint8_t>(FileInformationClass::id_both_directory), out),
                 NtStatus::INVALID_INFO_CLASS);
}

void set_too_short(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    const std::pair<FileInformationClass, size_t> classes[] = {{FileInformationClass::basic, 39},
                                                               {FileInformationClass::end_of_file, 7},
                                                               {FileInformationClass::rename, 19},
                                                               {FileInformationClass::position, 7},
                                                               {FileInformationClass::allocation, 7}};
    for (auto [info_class, size] : classes) {
        const NtStatus status = f->set(InfoType::file, static_cast<uint8_t>(info_class), std::vector<uint8_t>(size));
        CHECK(t, one_of(status, {NtStatus::INFO_LENGTH_MISMATCH, NtStatus::INVALID_PARAMETER}), "class {} of {} bytes: {}",
              static_cast<int>(info_class), size, to_string(status));
    }
}

void file_system(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    REQUIRE(t, size, f->query<smb::FsSizeInformation>(FsInformationClass::size));
    REQUIRE(t, full, f->query<smb::FsFullSizeInformation>(FsInformationClass::full_size));
    REQUIRE(t, device, f->query<smb::FsDeviceInformation>(FsInformationClass::device));
    REQUIRE(t, attribute, f->query<smb::FsAttributeInformation>(FsInformationClass::attribute));
    REQUIRE(t, volume, f->query<smb::FsVolumeInformation>(FsInformationClass::volume));
    CHECK(t, size->total_units > 0 && size->total_units >= size->available_units, "size information is wrong");
    CHECK(t, size->bytes_per_sector >= 512 && size->sectors_per_unit >= 1, "sectors of {} bytes", size->bytes_per_sector);
    CHECK(t, full->actual_available_units >= full->caller_available_units, "full size information is wrong");
    CHECK(t, device->device_type == smb::fs_device::type_disk, "device type {}", device->device_type);
    constexpr uint32_t basic_attributes = smb::fs_attribute::case_preserved_names | smb::fs_attribute::unicode_on_disk;
    CHECK(t, (attribute->attributes & basic_attributes) == basic_attributes, "attributes {:#x}", attribute->attributes);
    CHECK(t, attribute->maximum_component_name_length == 255, "names of {}", attribute->maximum_component_name_length);
}

void write_time_of_writes(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    smb::FileBasicInformation set;
    set.last_write_time.ticks = 131000000010000000;
    CHECK_STATUS(t, f->set(FileInformationClass::basic, set), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    OpenOptions o;
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), o));
    REQUIRE(t, written, g->write(0, pattern_bytes(5)));
    REQUIRE(t, closed, g->close_with_attributes());
    CHECK(t, closed->info.last_write_time > set.last_write_time, "the write time did not move");
}

constexpr TestCase tests[] = {
    {"basic", "MS-FSA 2.1.5.15.2", basic},
    {"creation_time", "MS-FSA 2.1.5.15.2", creation_time},
    {"bad_attributes", "MS-FSA 2.1.5.15.2", bad_attributes},
    {"end_of_file", "MS-FSA 2.1.5.15.5", end_of_file},
    {"allocation", "MS-FSA 2.1.5.15.1", allocation},
    {"rename", "MS-FSA 2.1.5.15.12", rename},
    {"rename_onto", "MS-FSA 2.1.5.15.12", rename_onto},
    {"rename_without_access", "MS-SMB2 3.3.5.21.1", rename_without_access},
    {"rename_directory", "MS-FSA 2.1.5.15.12", rename_directory},
    {"change_of_case", "MS-FSA 2.1.5.15.12", change_of_case},
    {"all_classes", "MS-FSCC 2.4", all_classes},
    {"position", "MS-FSA 2.1.5.15.10", position},
    {"name_in_all", "MS-FSCC 2.4.2", name_in_all},
    {"buffer_too_small", "MS-FSA 2.1.5.12", buffer_too_small},
    {"bad_class", "MS-SMB2 3.3.5.20.1, 3.3.5.21.1", bad_class},
    {"set_too_short", "MS-FSA 2.1.5.15", set_too_short},
    {"file_system", "MS-FSCC 2.5", file_system},
    {"write_time_of_writes", "MS-FSA 2.1.5.4", write_time_of_writes},
};

}  // namespace

const Suite info_suite{"atoll.info", tests};

}  // namespace Atoll::torture

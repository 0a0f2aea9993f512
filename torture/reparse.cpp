// atoll.reparse: reparse points, of which symbolic links are one kind, and object ids.
#include "libcli/smb/reparse.h"

#include <algorithm>

#include "base/utf.h"
#include "libcli/smb/error.h"
#include "libcli/smb/ioctl.h"
#include "torture/control.h"
#include "torture/descriptors.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using smb::Command;
using smb::ControlCode;

constexpr uint32_t open_itself = 0x00200000;  // FILE_OPEN_REPARSE_POINT
constexpr uint32_t own_tag = 0x00000123;      // not Microsoft's

Buffer symlink_to(std::string_view target, uint32_t tag = smb::reparse_tag::symlink) {
    const Buffer name = utf8_to_utf16le(target).value_or(Buffer());
    Buffer out;
    ByteWriter writer(out);
    smb::SymlinkReparse{smb::SymlinkReparse::relative, name, name}.encode(writer, tag);
    return out;
}

// A buffer with a GUID, whose first byte tells it from others.
Buffer of_vendor(uint8_t guid, std::string_view data, uint32_t tag = own_tag) {
    Buffer out;
    ByteWriter writer(out);
    writer.u32(tag);
    writer.u16(static_cast<uint16_t>(data.size()));
    writer.u16(0);
    writer.u8(guid);
    writer.zeros(15);
    writer.bytes(as_bytes(data));
    return out;
}

Buffer header_of(uint32_t tag) {
    Buffer out;
    ByteWriter writer(out);
    smb::ReparseData{tag, {}}.encode(writer);
    return out;
}

client::OpenOptions making(bool directory) {
    client::OpenOptions options;
    options.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write | smb::access_mask::delete_access;
    options.disposition = smb::CreateDisposition::open_if;
    options.options = open_itself | (directory ? smb::create_options::directory_file : 0);
    return options;
}

// What is made there is a symbolic link to the target.
std::optional<client::File> link(Test& t, Client& c, std::string_view leaf, std::string_view target, bool directory) {
    auto file = client::File::open(*c.tree, t.path(c, leaf), making(directory));
    if (!file.ok()) {
        t.fail(fmt::format("making {} gives {}", leaf, to_string(file.error())));
        return std::nullopt;
    }
    const NtStatus status = control(*file, ControlCode::set_reparse_point, symlink_to(target)).status;
    if (status != NtStatus::SUCCESS) {
        t.fail(fmt::format("FSCTL_SET_REPARSE_POINT of {} gives {}", leaf, to_string(status)));
        return std::nullopt;
    }
    return std::move(*file);
}

struct Stopped {
    NtStatus status = NtStatus::SUCCESS;
    uint16_t unparsed = 0;
    uint32_t flags = 0;
    std::string substitute, print;
};

Stopped open_stopped(Client& c, const std::string& path, const client::OpenOptions& options = {}) {
    auto exchange = c.tree->start(Command::create, client::CreateCall(path, options));
    Stopped out;
    out.status = c.connection->wait(exchange);
    const auto error = smb::ErrorResponse::decode(exchange->message());
    if (!error.ok()) return out;
    const auto data = error->data();
    if (!data) return out;
    const auto link = smb::SymlinkError::decode(*data);
    if (!link.ok()) return out;
    out.unparsed = link->unparsed_path_length;
    out.flags = link->flags;
    out.substitute = utf16le_to_utf8(link->substitute_name).value_or("");
    out.print = utf16le_to_utf8(link->print_name).value_or("");
    return out;
}

void a_link(Test& t, bool directory) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, link(t, *c, "link", "..\\elsewhere\\target", directory));
    const Answer got = control(*made, ControlCode::get_reparse_point, {}, 1024);
    CHECK_STATUS(t, got.status, NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(got.output.bytes(), symlink_to("..\\elsewhere\\target").bytes()), "another buffer than was set");
    CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);

    const Stopped stopped = open_stopped(*c, t.path(*c, "LINK"));
    CHECK_STATUS(t, stopped.status, NtStatus::STOPPED_ON_SYMLINK);
    CHECK(t, stopped.unparsed == 0 && stopped.flags == smb::SymlinkError::relative, "{} {}", stopped.unparsed, stopped.flags);
    CHECK(t, stopped.substitute == "..\\elsewhere\\target" && stopped.print == stopped.substitute, "it leads to {}", stopped.substitute);
    client::OpenOptions overwriting = client::OpenOptions::write();
    if (!directory) CHECK_STATUS(t, open_stopped(*c, t.path(*c, "link"), overwriting).status, NtStatus::STOPPED_ON_SYMLINK);

    client::OpenOptions itself;
    itself.options = open_itself;
    REQUIRE(t, opened, client::File::open(*c->tree, t.path(*c, "link"), itself));
    CHECK(t, (opened->created().info.file_attributes & smb::file_attribute::reparse_point) != 0, "attributes {:#x}",
          opened->created().info.file_attributes);
    REQUIRE(t, tag, opened->query<smb::FileAttributeTagInformation>(smb::FileInformationClass::attribute_tag));
    CHECK(t, tag->reparse_tag == smb::reparse_tag::symlink, "tag {:#x}", tag->reparse_tag);
    CHECK_STATUS(t, opened->close(), NtStatus::SUCCESS);

    REQUIRE(t, again, client::File::open(*c->tree, t.path(*c, "link"), making(directory)));
    CHECK_STATUS(t, control(*again, ControlCode::delete_reparse_point, header_of(smb::reparse_tag::mount_point)).status,
                 NtStatus::IO_REPARSE_TAG_MISMATCH);
    CHECK_STATUS(t, control(*again, ControlCode::delete_reparse_point, header_of(smb::reparse_tag::symlink)).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, control(*again, ControlCode::get_reparse_point, {}, 1024).status, NtStatus::NOT_A_REPARSE_POINT);
    CHECK_STATUS(t, again->close(), NtStatus::SUCCESS);
    REQUIRE(t, plain, client::File::open(*c->tree, t.path(*c, "link")));
    CHECK(t, (plain->created().info.file_attributes & smb::file_attribute::reparse_point) == 0, "it still is one");
}

void symlink_of_a_file(Test& t) { a_link(t, false); }
void symlink_of_a_directory(Test& t) { a_link(t, true); }

// Whatever is behind a symbolic link in a path is given back to the client, whether it would be there or not.
void symlink_on_the_way(Test& t) {
    REQUIRE(t, c, t.client());
    for (const bool directory : {false, true}) {
        const std::string name = directory ? "d" : "f";
        REQUIRE(t, made, link(t, *c, name, "target", directory));
        CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);
        for (const std::string behind : {"\\a", "\\a\\b.doc"}) {
            for (const auto disposition : {smb::CreateDisposition::open, smb::CreateDisposition::create}) {
                client::OpenOptions options;
                options.disposition = disposition;
                options.access = smb::access_mask::file_read_data | smb::access_mask::file_write_data;
                const Stopped stopped = open_stopped(*c, t.path(*c, name + behind), options);
                CHECK_STATUS(t, stopped.status, NtStatus::STOPPED_ON_SYMLINK);
                CHECK(t, stopped.unparsed == 2 * behind.size(), "{} bytes of {} are unparsed", stopped.unparsed, behind);
                CHECK(t, stopped.substitute == "target", "it leads to {}", stopped.substitute);
            }
        }
    }
}

void listed(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, link(t, *c, "link", "target", false));
    REQUIRE(t, directory, client::File::open(*c->tree, t.path(*c, ""), client::OpenOptions::directory(false)));
    REQUIRE(t, items, directory->list("link"));
    CHECK(t, items->size() == 1, "{} entries", items->size());
    CHECK(t, (items->front().info.file_attributes & smb::file_attribute::reparse_point) != 0, "attributes {:#x}",
          items->front().info.file_attributes);
    CHECK_STATUS(t, made->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);
    REQUIRE(t, none, client::File::open(*c->tree, t.path(*c, ""), client::OpenOptions::directory(false)));
    REQUIRE(t, left, none->list("link"));
    CHECK(t, left->empty(), "it is still there");
}

void other_tags(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, client::File::open(*c->tree, t.path(*c, "f"), making(false)));
    CHECK_STATUS(t, control(*f, ControlCode::set_reparse_point, of_vendor(1, "some data")).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, control(*f, ControlCode::set_reparse_point, of_vendor(2, "some data")).status, NtStatus::REPARSE_ATTRIBUTE_CONFLICT);
    CHECK_STATUS(t, control(*f, ControlCode::set_reparse_point, symlink_to("x")).status, NtStatus::IO_REPARSE_TAG_MISMATCH);
    CHECK_STATUS(t, control(*f, ControlCode::set_reparse_point, of_vendor(1, "other data")).status, NtStatus::SUCCESS);
    const Answer got = control(*f, ControlCode::get_reparse_point, {}, 1024);
    CHECK(t, std::ranges::equal(got.output.bytes(), of_vendor(1, "other data").bytes()), "another buffer than was set");
    const Answer part = control(*f, ControlCode::get_reparse_point, {}, 26);
    CHECK_STATUS(t, part.status, NtStatus::BUFFER_OVERFLOW);
    CHECK(t, part.output.size() == 26, "{} bytes", part.output.size());
    CHECK_STATUS(t, control(*f, ControlCode::get_reparse_point, {}, 7).status, NtStatus::BUFFER_TOO_SMALL);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_stopped(*c, t.path(*c, "f")).status, NtStatus::IO_REPARSE_TAG_NOT_HANDLED);
    CHECK_STATUS(t, open_stopped(*c, t.path(*c, "f"), client::OpenOptions::write()).status, NtStatus::IO_REPARSE_TAG_NOT_HANDLED);
    CHECK_STATUS(t, open_stopped(*c, t.path(*c, "f\\behind")).status, NtStatus::IO_REPARSE_TAG_NOT_HANDLED);
    REQUIRE(t, directory, client::File::open(*c->tree, t.path(*c, ""), client::OpenOptions::directory(false)));
    REQUIRE(t, items, directory->list("f"));
    CHECK(t, items->size() == 1 && (items->front().info.file_attributes & smb::file_attribute::reparse_point) != 0,
          "it is not listed as one");
    client::OpenOptions itself;
    itself.options = open_itself;
    REQUIRE(t, opened, client::File::open(*c->tree, t.path(*c, "f"), itself));
    REQUIRE(t, tag, opened->query<smb::FileAttributeTagInformation>(smb::FileInformationClass::attribute_tag));
    CHECK(t, tag->reparse_tag == own_tag, "tag {:#x}", tag->reparse_tag);
    CHECK_STATUS(t, opened->close(), NtStatus::SUCCESS);
    REQUIRE(t, again, client::File::open(*c->tree, t.path(*c, "f"), making(false)));
    CHECK_STATUS(t, control(*again, ControlCode::delete_reparse_point, of_vendor(2, "")).status, NtStatus::REPARSE_ATTRIBUTE_CONFLICT);
    CHECK_STATUS(t, control(*again, ControlCode::delete_reparse_point, of_vendor(1, "x")).status, NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, control(*again, ControlCode::delete_reparse_point, of_vendor(1, "")).status, NtStatus::SUCCESS);
}

void refused(Test& t) {
    REQUIRE(t, c, t.client());
    const auto set = [](client::File& file, Bytes buffer) { return control(file, ControlCode::set_reparse_point, buffer).status; };
    REQUIRE(t, full, t.file(*c, "full", pattern_bytes(10)));
    CHECK_STATUS(t, set(*full, symlink_to("x")), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, set(*full, symlink_to("x", smb::reparse_tag::mount_point)), NtStatus::NOT_A_DIRECTORY);
    REQUIRE(t, f, t.file(*c, "f"));
    CHECK_STATUS(t, set(*f, symlink_to("x").bytes().first(7)), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, set(*f, symlink_to("x").bytes().first(19)), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, set(*f, of_vendor(1, std::string(16384 - 23, 'x'))), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, set(*f, header_of(own_tag)), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, set(*f, of_vendor(1, "", 1)), NtStatus::IO_REPARSE_DATA_INVALID);
    CHECK_STATUS(t, control(*f, ControlCode::delete_reparse_point, of_vendor(1, "", 1)).status, NtStatus::IO_REPARSE_TAG_INVALID);
    CHECK_STATUS(t, control(*f, ControlCode::delete_reparse_point, of_vendor(1, "")).status, NtStatus::NOT_A_REPARSE_POINT);
    client::OpenOptions reading;
    reading.access = smb::access_mask::file_read_data | smb::access_mask::file_read_attributes;
    REQUIRE(t, r, client::File::open(*c->tree, t.path(*c, "f"), reading));
    CHECK_STATUS(t, set(*r, symlink_to("x")), NtStatus::ACCESS_DENIED);

    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d\\below")), NtStatus::SUCCESS);
    REQUIRE(t, d, client::File::open(*c->tree, t.path(*c, "d"), making(true)));
    CHECK_STATUS(t, set(*d, symlink_to("x")), NtStatus::DIRECTORY_NOT_EMPTY);
}

void object_ids(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    const auto get = [&](ControlCode code) { return control(*f, code, {}, 64); };
    CHECK_STATUS(t, get(ControlCode::get_object_id).status, NtStatus::OBJECTID_NOT_FOUND);
    CHECK_STATUS(t, control(*f, ControlCode::set_object_id_extended, pattern_bytes(48)).status, NtStatus::OBJECTID_NOT_FOUND);
    CHECK_STATUS(t, control(*f, ControlCode::delete_object_id, {}).status, NtStatus::SUCCESS);
    const Answer made = get(ControlCode::create_or_get_object_id);
    CHECK_STATUS(t, made.status, NtStatus::SUCCESS);
    CHECK(t, made.output.size() == 64, "{} bytes", made.output.size());
    CHECK(t, std::ranges::equal(made.output.bytes().first(16), made.output.bytes().subspan(32, 16)), "it was born as another");
    CHECK(t, std::ranges::equal(get(ControlCode::get_object_id).output.bytes(), made.output.bytes()), "the id has changed");
    CHECK_STATUS(t, control(*f, ControlCode::set_object_id_extended, pattern_bytes(47)).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, control(*f, ControlCode::set_object_id_extended, pattern_bytes(48)).status, NtStatus::SUCCESS);
    const Answer extended = get(ControlCode::get_object_id);
    CHECK(t, std::ranges::equal(extended.output.bytes().first(16), made.output.bytes().first(16)), "the id has changed");
    CHECK(t, std::ranges::equal(extended.output.bytes().subspan(16), Bytes(pattern_bytes(48))), "what was set is not there");
    CHECK_STATUS(t, control(*f, ControlCode::set_object_id, pattern_bytes(63)).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, control(*f, ControlCode::set_object_id, pattern_bytes(64)).status, NtStatus::ACCESS_DENIED);  // no SeRestorePrivilege
    CHECK_STATUS(t, control(*f, ControlCode::delete_object_id, {}).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, get(ControlCode::get_object_id).status, NtStatus::OBJECTID_NOT_FOUND);
}

// Who may restore gives files the ids that they had; an id is one file's, whoever gave it and whatever it is called since.
void object_ids_are_unique(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, client_as(t, "admin"));
    Buffer id;
    id.assign(Bytes(Guid::random().bytes));
    id.resize(64);
    const auto set = [&](client::File& file) { return control(file, ControlCode::set_object_id, id).status; };
    const auto open = [&](std::string_view leaf) { return client::File::open(*root->tree, t.path(*c, leaf), making(false)); };
    REQUIRE(t, one, open("one"));
    REQUIRE(t, two, open("two"));
    CHECK_STATUS(t, set(*one), NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*one), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, set(*two), NtStatus::DUPLICATE_NAME);
    CHECK_STATUS(t, one->rename(t.path(*c, "renamed"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*two), NtStatus::DUPLICATE_NAME);
    CHECK_STATUS(t, control(*two, ControlCode::get_object_id, {}, 64).status, NtStatus::OBJECTID_NOT_FOUND);
    CHECK_STATUS(t, control(*one, ControlCode::delete_object_id, {}).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*two), NtStatus::SUCCESS);
    // An id that the server made is taken as well, and one whose file has gone is free.
    const Answer made = control(*one, ControlCode::create_or_get_object_id, {}, 64);
    CHECK_STATUS(t, made.status, NtStatus::SUCCESS);
    id.assign(made.output);
    REQUIRE(t, three, open("three"));
    CHECK_STATUS(t, set(*three), NtStatus::DUPLICATE_NAME);
    CHECK_STATUS(t, one->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, one->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*three), NtStatus::SUCCESS);
}

void regions(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(1000)));
    const auto query = [&](uint64_t offset, uint64_t length, uint32_t usage, uint32_t room) {
        Buffer input;
        ByteWriter out(input);
        out.u64(offset);
        out.u64(length);
        out.u32(usage);
        out.u32(0);
        return control(*f, ControlCode::query_file_regions, input, room);
    };
    const Answer all = control(*f, ControlCode::query_file_regions, {}, 1024);
    CHECK_STATUS(t, all.status, NtStatus::SUCCESS);
    CHECK(t, all.output.size() == 40, "{} bytes", all.output.size());
    CHECK(t, load_le<uint32_t>(all.output.data() + 8) == 1 && load_le<uint64_t>(all.output.data() + 24) == 1000, "not all of it");
    const Answer part = query(100, 50, 1, 40);
    CHECK(t,
          part.output.size() == 40 && load_le<uint64_t>(part.output.data() + 16) == 100 && load_le<uint64_t>(part.output.data() + 24) == 50,
          "not what was asked for");
    CHECK(t, query(1000, 1, 1, 40).output.empty(), "something behind the end");
    CHECK_STATUS(t, query(0, 0, 1, 40).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, query(1, INT64_MAX, 1, 40).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, query(0, 1, 2, 40).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, query(0, 1, 1, 39).status, NtStatus::BUFFER_TOO_SMALL);
    CHECK_STATUS(t, control(*f, ControlCode::query_file_regions, pattern_bytes(23), 40).status, NtStatus::BUFFER_TOO_SMALL);
}

constexpr TestCase tests[] = {
    {"symlink_of_a_file", "MS-FSA 2.1.5.10.37, .14, .3, MS-SMB2 2.2.2.2.1", symlink_of_a_file},
    {"symlink_of_a_directory", "MS-FSA 2.1.5.10.37, .14, .3, MS-SMB2 2.2.2.2.1", symlink_of_a_directory},
    {"symlink_on_the_way", "MS-SMB2 3.3.5.9, 2.2.2.2.1", symlink_on_the_way},
    {"listed", "MS-FSA 2.1.5.6.3", listed},
    {"other_tags", "MS-FSA 2.1.5.10.37, .14, .3", other_tags},
    {"refused", "MS-FSA 2.1.5.10.37, MS-FSCC 2.3.6, 2.3.82", refused},
    {"object_ids", "MS-FSA 2.1.5.10.1, .2, .13, .35, .36", object_ids},
    {"object_ids_are_unique", "MS-FSA 2.1.5.10.35", object_ids_are_unique},
    {"regions", "MS-FSA 2.1.5.10.24", regions},
};

}  // namespace

const Suite reparse_suite = {"atoll.reparse", tests};

}  // namespace Atoll::torture

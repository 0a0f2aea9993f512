// atoll.rights: what each operation asks of the rights that its open was granted, and of those on the directories that it changes.
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/ioctl.h"
#include "base/utf.h"
#include "torture/descriptors.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::ControlCode;
using smb::FileInformationClass;
namespace access = smb::access_mask;
namespace options = smb::create_options;

constexpr uint32_t everything = access::file_all_access;
constexpr uint32_t entering = access::file_generic_read | access::file_traverse;

OpenOptions making(uint32_t desired, bool directory = false) {
    OpenOptions o = wanting(desired, directory ? options::directory_file : 0);
    o.disposition = smb::CreateDisposition::create;
    return o;
}

// Everyone may do `mask`, and its maker everything.
NtStatus make_for(Client& owner, const std::string& name, uint32_t mask, bool directory = false) {
    auto file = File::open(*owner.tree, name, making(access::write_dac | access::read_control, directory));
    if (!file) return file.error();
    const auto its = query_security(*file, security::part::owner);
    if (!its) return its.error();
    const auto aces = dacl({allow(its->owner.value_or(Sid()), everything), allow(well_known::everyone, mask)});
    const NtStatus set = set_security(*file, security::part::dacl, aces);
    const NtStatus closed = file->close();
    return is_error(set) ? set : closed;
}

struct Users {
    std::unique_ptr<Client> owner, other;
    explicit operator bool() const { return owner && other; }
};

Users users(Test& t) {
    Users u;
    u.owner = t.client();
    if (u.owner) u.other = client_as(t, "user2");
    return u;
}

NtStatus link(File& f, const std::string& name, bool replace = false) {
    Buffer wide, bytes;
    if (!append_utf16le(wide, name)) return NtStatus::OBJECT_NAME_INVALID;
    smb::FileLinkInformation info;
    info.flags = replace ? 1 : 0;
    info.name = wide;
    ByteWriter out(bytes);
    info.encode(out, false);
    return f.set(smb::InfoType::file, static_cast<uint8_t>(FileInformationClass::link), bytes);
}

void creating(Test& t) {
    REQUIRE(t, u, users(t));
    CHECK_STATUS(t, make_for(*u.owner, t.path(*u.owner, "files"), entering | access::file_add_file, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, t.path(*u.owner, "dirs"), entering | access::file_add_subdirectory, true), NtStatus::SUCCESS);
    const std::string files = t.path(*u.owner, "files"), dirs = t.path(*u.owner, "dirs");
    CHECK_STATUS(t, try_open(*u.other, files + "\\f", making(everything)), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, files + "\\d", making(access::file_read_data, true)), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, dirs + "\\d", making(access::file_read_data, true)), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, dirs + "\\f", making(access::file_read_data)), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, dirs + "\\f:s", making(access::file_read_data)), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.owner, dirs + "\\f", access::file_read_attributes), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void renaming(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    CHECK_STATUS(t, make_for(*u.owner, path("from"), everything, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("none"), entering, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("files"), entering | access::file_add_file, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("dirs"), entering | access::file_add_subdirectory, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("from\\f"), everything), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("from\\d"), everything, true), NtStatus::SUCCESS);
    REQUIRE(t, undeletable, File::open(*u.other->tree, path("from\\f"), wanting(everything & ~access::delete_access)));
    CHECK_STATUS(t, undeletable->rename(path("from\\g"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, undeletable->close(), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*u.other->tree, path("from\\f"), wanting(access::delete_access | access::file_read_attributes)));
    CHECK_STATUS(t, f->rename(path("none\\f"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, f->rename(path("dirs\\f"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, f->rename(path("files\\f"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, d, File::open(*u.other->tree, path("from\\d"), wanting(access::delete_access, options::directory_file)));
    CHECK_STATUS(t, d->rename(path("none\\d"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, d->rename(path("files\\d"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, d->rename(path("dirs\\d"), false), NtStatus::SUCCESS);
}

// What is replaced goes: it needs DELETE, or its directory FILE_DELETE_CHILD.
void replacing(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    const uint32_t adding = entering | access::file_add_file;
    CHECK_STATUS(t, make_for(*u.owner, path("from"), everything, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d"), adding, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("children"), adding | access::file_delete_child, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\theirs"), access::file_generic_read), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\open"), everything), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("children\\theirs"), access::file_generic_read), NtStatus::SUCCESS);
    const auto rename_to = [&](const char* leaf) {
        auto made = try_open(*u.other, path("from\\f"), making(access::file_read_data));
        if (made != NtStatus::SUCCESS && made != NtStatus::OBJECT_NAME_COLLISION) return made;
        auto f = File::open(*u.other->tree, path("from\\f"), wanting(access::delete_access | access::file_read_attributes));
        if (!f) return f.error();
        const NtStatus status = f->rename(path(leaf), true);
        (void)f->close();
        return status;
    };
    CHECK_STATUS(t, rename_to("d\\theirs"), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, rename_to("d\\open"), NtStatus::SUCCESS);
    CHECK_STATUS(t, rename_to("children\\theirs"), NtStatus::SUCCESS);
}

void linking(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    CHECK_STATUS(t, make_for(*u.owner, path("none"), entering, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("dirs"), entering | access::file_add_subdirectory, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("files"), entering | access::file_add_file, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("files\\theirs"), access::file_generic_read), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("f"), making(everything)), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*u.other->tree, path("f"), wanting(everything)));
    CHECK_STATUS(t, link(*f, path("none\\f")), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, link(*f, path("dirs\\f")), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, link(*f, path("files\\theirs"), true), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, link(*f, path("files\\f")), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("files\\f"), access::file_read_data), NtStatus::SUCCESS);
}

// DELETE is the file's to give, or its directory's.
void deleting(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    CHECK_STATUS(t, make_for(*u.owner, path("d"), entering, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("children"), entering | access::file_delete_child, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\no"), access::file_generic_read), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\yes"), access::file_generic_read | access::delete_access), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("children\\f"), access::file_generic_read), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("d\\no"), access::delete_access), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, path("d\\no"), access::delete_access, options::delete_on_close), NtStatus::ACCESS_DENIED);
    REQUIRE(t, f, File::open(*u.other->tree, path("d\\no"), wanting(access::file_generic_read)));
    CHECK_STATUS(t, f->set_delete(true), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, path("d\\yes"), access::delete_access, options::delete_on_close), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.owner, path("d\\yes"), access::file_read_attributes), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, try_open(*u.other, path("children\\f"), access::delete_access, options::delete_on_close), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.owner, path("children\\f"), access::file_read_attributes), NtStatus::OBJECT_NAME_NOT_FOUND);
}

// What replaces data needs more than was asked for.
void overwriting(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    constexpr uint32_t writing = access::file_write_data | access::file_write_ea | access::file_write_attributes;
    CHECK_STATUS(t, make_for(*u.owner, path("d"), entering, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\read"), access::file_generic_read), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("d\\write"), access::file_generic_read | writing), NtStatus::SUCCESS);
    OpenOptions o = wanting(access::file_read_data);
    for (const auto disposition :
         {smb::CreateDisposition::overwrite, smb::CreateDisposition::overwrite_if, smb::CreateDisposition::supersede}) {
        o.disposition = disposition;
        CHECK_STATUS(t, try_open(*u.other, path("d\\read"), o), NtStatus::ACCESS_DENIED);
    }
    CHECK_STATUS(t, try_open(*u.other, path("d\\write"), o), NtStatus::ACCESS_DENIED);  // superseding needs DELETE
    o.disposition = smb::CreateDisposition::overwrite;
    CHECK_STATUS(t, try_open(*u.other, path("d\\write"), o), NtStatus::SUCCESS);
    // A stream that is made is written to the file.
    CHECK_STATUS(t, try_open(*u.other, path("d\\read:s"), making(access::file_read_data)), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, path("d\\write:s"), making(access::file_read_data)), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.owner, path("d\\read:t"), making(everything)), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("d\\read:t"), access::file_read_data), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("d\\read:t"), access::file_write_data), NtStatus::ACCESS_DENIED);
}

// The directory gives FILE_READ_ATTRIBUTES to whoever may list it.
void attributes_by_directory(Test& t) {
    REQUIRE(t, u, users(t));
    const auto path = [&](const char* leaf) { return t.path(*u.owner, leaf); };
    CHECK_STATUS(t, make_for(*u.owner, path("listed"), entering, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("closed"), access::file_traverse, true), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("listed\\f"), access::file_execute), NtStatus::SUCCESS);
    CHECK_STATUS(t, make_for(*u.owner, path("closed\\f"), access::file_execute), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("listed\\f"), access::file_read_attributes), NtStatus::SUCCESS);
    CHECK_STATUS(t, try_open(*u.other, path("listed\\f"), access::file_read_data), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, path("closed\\f"), access::file_read_attributes), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, try_open(*u.other, path("closed\\f"), access::file_execute), NtStatus::SUCCESS);
}

NtStatus query(File& f, FileInformationClass c) {
    Buffer bytes;
    return f.query(smb::InfoType::file, static_cast<uint8_t>(c), bytes);
}

void information(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, t.file(*c, "f", pattern_bytes(100)));
    CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);
    const auto opened = [&](uint32_t mask) { return File::open(*c->tree, t.path(*c, "f"), wanting(mask)); };
    using Class = FileInformationClass;
    REQUIRE(t, data, opened(access::file_read_data | access::file_execute | access::synchronize));
    for (const Class c_ : {Class::basic, Class::all, Class::network_open, Class::attribute_tag})
        CHECK_STATUS(t, query(*data, c_), NtStatus::ACCESS_DENIED);
    for (const Class c_ : {Class::standard, Class::internal, Class::ea, Class::access, Class::position, Class::mode, Class::alignment})
        CHECK_STATUS(t, query(*data, c_), NtStatus::SUCCESS);
    CHECK_STATUS(t, query(*data, Class::full_ea), NtStatus::ACCESS_DENIED);
    REQUIRE(t, attributes, opened(access::file_read_attributes));
    CHECK_STATUS(t, query(*attributes, Class::all), NtStatus::SUCCESS);
    REQUIRE(
        t, almost,
        opened(everything & ~(access::file_write_attributes | access::delete_access | access::file_write_ea | access::file_write_data)));
    smb::FileBasicInformation basic;
    basic.file_attributes = 0x20;
    CHECK_STATUS(t, almost->set(Class::basic, basic), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, almost->set_delete(true), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, almost->rename(t.path(*c, "g"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, almost->set(Class::end_of_file, smb::FileEndOfFileInformation{1}), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, almost->set(Class::allocation, smb::FileAllocationInformation{1}), NtStatus::ACCESS_DENIED);
    Buffer list;
    ByteWriter out(list);
    smb::EntryListWriter entries(out, 1024, smb::EaEntry::alignment);
    smb::add_ea(entries, {0, as_bytes("NAME"), as_bytes("value")});
    CHECK_STATUS(t, almost->set(smb::InfoType::file, static_cast<uint8_t>(Class::full_ea), list), NtStatus::ACCESS_DENIED);
}

void reading_and_writing(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, t.file(*c, "f", pattern_bytes(100)));
    CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);
    const auto opened = [&](uint32_t mask) { return File::open(*c->tree, t.path(*c, "f"), wanting(mask)); };
    REQUIRE(t, writer, opened(access::file_write_data));
    Buffer got;
    CHECK_STATUS(t, writer->read(0, 10, got), NtStatus::ACCESS_DENIED);
    CHECK(t, writer->write(0, as_bytes("x")).ok(), "FILE_WRITE_DATA does not write");
    REQUIRE(t, reader, opened(everything & ~(access::file_write_data | access::file_append_data)));
    const auto written = reader->write(0, as_bytes("x"));
    CHECK(t, !written && written.error() == NtStatus::ACCESS_DENIED, "written without a right to");
    CHECK_STATUS(t, reader->flush(), NtStatus::ACCESS_DENIED);
    REQUIRE(t, executing, opened(access::file_execute));
    CHECK_STATUS(t, executing->read(0, 10, got), NtStatus::SUCCESS);
    REQUIRE(t, looking, opened(access::file_read_attributes));
    CHECK_STATUS(t, looking->read(0, 10, got), NtStatus::ACCESS_DENIED);
}

void listing(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d"), wanting(everything & ~access::file_list_directory, options::directory_file)));
    const auto list = d->list();
    CHECK(t, !list && list.error() == NtStatus::ACCESS_DENIED, "listed without FILE_LIST_DIRECTORY");
    smb::ChangeNotifyRequest watch;
    watch.file_id = d->id();
    watch.output_buffer_length = 1000;
    watch.completion_filter = smb::notify_change::file_name;
    CHECK_STATUS(t, c->status_of(smb::Command::change_notify, watch), NtStatus::ACCESS_DENIED);
}

NtStatus control(File& f, ControlCode code, Bytes input, Buffer* answer = nullptr) {
    smb::IoctlRequest request;
    request.ctl_code = code;
    request.file_id = f.id();
    request.input = input;
    request.max_output_response = 1024;
    request.flags = smb::ioctl_flags::is_fsctl;
    const auto exchange = f.tree().start(smb::Command::ioctl, request);
    const NtStatus status = f.tree().connection().wait(exchange);
    if (is_error(status) || answer == nullptr) return status;
    const auto response = smb::IoctlResponse::decode(exchange->message());
    if (!response) return response.error();
    answer->assign(response->output);
    return status;
}

template <class T>
Buffer bytes_of(const T& structure) {
    Buffer bytes;
    ByteWriter out(bytes);
    structure.encode(out);
    return bytes;
}

void controls(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, t.file(*c, "f", pattern_bytes(100)));
    CHECK_STATUS(t, made->close(), NtStatus::SUCCESS);
    const auto opened = [&](uint32_t mask) { return File::open(*c->tree, t.path(*c, "f"), wanting(mask)); };
    REQUIRE(t, writer, opened(access::file_write_data | access::file_write_attributes));
    REQUIRE(t, reader, opened(everything & ~(access::file_write_data | access::file_append_data | access::file_write_attributes)));
    const Buffer range = bytes_of(smb::AllocatedRange{0, 100}), zero = bytes_of(smb::SetZeroData{0, 10});
    CHECK_STATUS(t, control(*reader, ControlCode::query_allocated_ranges, range), NtStatus::SUCCESS);
    CHECK_STATUS(t, control(*writer, ControlCode::query_allocated_ranges, range), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, control(*reader, ControlCode::set_zero_data, zero), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, control(*writer, ControlCode::set_zero_data, zero), NtStatus::SUCCESS);
    CHECK_STATUS(t, control(*reader, ControlCode::set_sparse, {}), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, control(*writer, ControlCode::set_sparse, {}), NtStatus::SUCCESS);
}

void copying(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, made, t.file(*c, "from", pattern_bytes(100)));
    REQUIRE(t, to, t.file(*c, "to", pattern_bytes(100)));
    const auto copy = [&](uint32_t source_access, uint32_t target_access, ControlCode code) {
        auto source = File::open(*c->tree, t.path(*c, "from"), wanting(source_access));
        auto target = File::open(*c->tree, t.path(*c, "to"), wanting(target_access));
        if (!source || !target) return NtStatus::UNSUCCESSFUL;
        Buffer answer, chunk;
        if (const NtStatus s = control(*source, ControlCode::srv_request_resume_key, {}, &answer); is_error(s)) return s;
        const auto key = smb::ResumeKeyResponse::decode(answer);
        if (!key) return key.error();
        ByteWriter out(chunk);
        smb::CopyChunkRequest::encode_chunk(out, {0, 0, 50});
        smb::CopyChunkRequest request;
        request.source_key = key->key;
        request.chunks = chunk;
        return control(*target, code, bytes_of(request), &answer);
    };
    const auto chunk = ControlCode::srv_copychunk, chunk_write = ControlCode::srv_copychunk_write;
    constexpr uint32_t read = access::file_read_data, write = access::file_write_data;
    CHECK_STATUS(t, copy(read, read | write, chunk), NtStatus::SUCCESS);
    CHECK_STATUS(t, copy(read, write, chunk), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, copy(read, write, chunk_write), NtStatus::SUCCESS);
    CHECK_STATUS(t, copy(read, read, chunk_write), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, copy(write, read | write, chunk_write), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, copy(access::file_read_attributes, write, chunk_write), NtStatus::ACCESS_DENIED);
}

constexpr TestCase tests[] = {
    {"creating", "MS-FSA 2.1.5.1.1", creating},
    {"renaming", "MS-FSA 2.1.5.15.12", renaming},
    {"replacing", "MS-FSA 2.1.5.15.12", replacing},
    {"linking", "MS-FSA 2.1.5.15.7", linking},
    {"deleting", "MS-FSA 2.1.5.1.2.1, 2.1.5.15.3", deleting},
    {"overwriting", "MS-FSA 2.1.5.1.2", overwriting},
    {"attributes_by_directory", "MS-FSA 2.1.5.1.2.1", attributes_by_directory},
    {"information", "MS-SMB2 3.3.5.20.1, 3.3.5.21.1", information},
    {"reading_and_writing", "MS-SMB2 3.3.5.11, 3.3.5.12, 3.3.5.13", reading_and_writing},
    {"listing", "MS-SMB2 3.3.5.18, 3.3.5.19", listing},
    {"controls", "MS-FSA 2.1.5.10.22, .38, .39", controls},
    {"copying", "MS-SMB2 3.3.5.15.6", copying},
};

}  // namespace

const Suite rights_suite{"atoll.rights", tests};

}  // namespace Atoll::torture

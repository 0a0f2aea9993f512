// atoll.create: CREATE and CLOSE.
#include "base/utf.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::CreateCall;
using client::File;
using client::OpenOptions;
using smb::Command;
using smb::CreateDisposition;
namespace access = smb::access_mask;
namespace options = smb::create_options;

// The status of a CREATE; what was opened is closed.
NtStatus create_status(Client& c, std::string_view name, const OpenOptions& o) {
    auto f = File::open(*c.tree, name, o);
    if (!f) return f.error();
    (void)f->close();
    return NtStatus::SUCCESS;
}

OpenOptions with(CreateDisposition disposition, uint32_t create_options = 0) {
    OpenOptions o;
    o.access = access::file_generic_read | access::file_generic_write | access::delete_access;
    o.disposition = disposition;
    o.options = create_options;
    return o;
}

// MS-FSA 2.1.5.1: what each disposition does where there is a file and where there is none.
void dispositions(Test& t) {
    struct Case {
        CreateDisposition disposition;
        NtStatus status_if_missing;
        smb::CreateAction action_if_missing;
        NtStatus status_if_there;
        smb::CreateAction action_if_there;
        uint64_t size_if_there;
    };
    using A = smb::CreateAction;
    const Case cases[] = {
        {CreateDisposition::supersede, NtStatus::SUCCESS, A::created, NtStatus::SUCCESS, A::superseded, 0},
        {CreateDisposition::open, NtStatus::OBJECT_NAME_NOT_FOUND, A::opened, NtStatus::SUCCESS, A::opened, 50},
        {CreateDisposition::create, NtStatus::SUCCESS, A::created, NtStatus::OBJECT_NAME_COLLISION, A::opened, 50},
        {CreateDisposition::open_if, NtStatus::SUCCESS, A::created, NtStatus::SUCCESS, A::opened, 50},
        {CreateDisposition::overwrite, NtStatus::OBJECT_NAME_NOT_FOUND, A::overwritten, NtStatus::SUCCESS, A::overwritten, 0},
        {CreateDisposition::overwrite_if, NtStatus::SUCCESS, A::created, NtStatus::SUCCESS, A::overwritten, 0},
    };
    REQUIRE(t, c, t.client());
    for (const Case& k : cases) {
        const int number = static_cast<int>(k.disposition);
        auto f = File::open(*c->tree, t.path(*c, "f"), with(k.disposition));
        const NtStatus missing = f ? NtStatus::SUCCESS : f.error();
        CHECK(t, missing == k.status_if_missing, "disposition {}, no file: {}", number, to_string(missing));
        if (f) {
            CHECK(t, f->created().action == k.action_if_missing, "disposition {}, no file: action {}", number,
                  static_cast<int>(f->created().action));
            CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
        }
        CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(50)), NtStatus::SUCCESS);
        auto g = File::open(*c->tree, t.path(*c, "f"), with(k.disposition));
        const NtStatus there = g ? NtStatus::SUCCESS : g.error();
        CHECK(t, there == k.status_if_there, "disposition {}, a file: {}", number, to_string(there));
        if (g) {
            // A superseded file may be told as overwritten by a server whose file system cannot tell them apart.
            const bool supersede = k.action_if_there == A::superseded && g->created().action == A::overwritten;
            CHECK(t, g->created().action == k.action_if_there || supersede, "disposition {}, a file: action {}", number,
                  static_cast<int>(g->created().action));
            CHECK(t, g->created().info.end_of_file == k.size_if_there, "disposition {}: size {}", number, g->created().info.end_of_file);
            CHECK_STATUS(t, g->close(), NtStatus::SUCCESS);
        }
        CHECK_STATUS(t, client::remove(*c->tree, t.path(*c, "f")), NtStatus::SUCCESS);
    }
}

void bad_values(Test& t) {
    REQUIRE(t, c, t.client());
    const std::string name = t.path(*c, "f");
    // MS-FSA 2.1.5.1, MS-SMB2 3.3.5.9
    CHECK_STATUS(t, create_status(*c, name, with(static_cast<CreateDisposition>(6))), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_status(*c, name, with(CreateDisposition::open_if, options::directory_file | options::non_directory_file)),
                 NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_status(*c, name, with(CreateDisposition::supersede, options::directory_file)), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_status(*c, name, with(CreateDisposition::overwrite, options::directory_file)), NtStatus::INVALID_PARAMETER);
    OpenOptions o = with(CreateDisposition::open_if);
    o.access = 0;
    CHECK_STATUS(t, create_status(*c, name, o), NtStatus::ACCESS_DENIED);
    o = with(CreateDisposition::open_if, options::delete_on_close);
    o.access = access::file_generic_read;
    CHECK_STATUS_ONE_OF(t, create_status(*c, name, o), NtStatus::INVALID_PARAMETER, NtStatus::ACCESS_DENIED);
    CreateCall call(name, with(CreateDisposition::open_if));
    call.request.impersonation = static_cast<smb::ImpersonationLevel>(0x12345);
    CHECK_STATUS(t, c->status_of(Command::create, call), NtStatus::BAD_IMPERSONATION_LEVEL);
}

void file_and_directory(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(5)), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), OpenOptions::directory(false)), NtStatus::NOT_A_DIRECTORY);
    OpenOptions o;
    o.options = options::non_directory_file;
    CHECK_STATUS(t, create_status(*c, t.path(*c, "d"), o), NtStatus::FILE_IS_A_DIRECTORY);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "d"), {}), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS_ONE_OF(t, create_status(*c, t.path(*c, "f\\below"), {}), NtStatus::OBJECT_PATH_NOT_FOUND, NtStatus::OBJECT_NAME_NOT_FOUND);
}

void not_found(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, create_status(*c, t.path(*c, "missing"), {}), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "missing\\file"), {}), NtStatus::OBJECT_PATH_NOT_FOUND);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "missing\\file"), with(CreateDisposition::create)), NtStatus::OBJECT_PATH_NOT_FOUND);
}

void any_case(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "MixedCase.Txt"), pattern_bytes(5)), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "mixedcase.TXT"), {}), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "MIXEDCASE.txt"), with(CreateDisposition::create)), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "ÄÖÜ"), pattern_bytes(5)), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "äöü"), {}), NtStatus::SUCCESS);
}

void bad_names(Test& t) {
    REQUIRE(t, c, t.client());
    for (const char* leaf : {"a<b", "a>b", "a\"b", "a|b", "a?b", "a*b"}) {
        const NtStatus status = create_status(*c, t.path(*c, leaf), with(CreateDisposition::open_if));
        CHECK(t, status == NtStatus::OBJECT_NAME_INVALID, "{}: {}", leaf, to_string(status));
    }
    // MS-SMB2 3.3.5.9: a name may not begin with a backslash.
    CHECK_STATUS(t, create_status(*c, "\\" + t.path(*c, "f"), with(CreateDisposition::open_if)), NtStatus::INVALID_PARAMETER);
}

// MS-FSA 2.1.5.1.2.2: each access against each sharing.
void sharing(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(5)), NtStatus::SUCCESS);
    const uint32_t accesses[] = {access::file_read_data, access::file_write_data, access::delete_access};
    const uint32_t shares[] = {smb::file_share::read, smb::file_share::write, smb::file_share::delete_access};
    for (uint32_t first_share = 0; first_share < 8; ++first_share) {
        for (int i = 0; i < 3; ++i) {
            OpenOptions first;
            first.access = access::file_read_attributes | access::file_execute;
            first.share = first_share;
            REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), first));
            OpenOptions second;
            second.access = accesses[i];
            second.share = smb::file_share::all;
            const NtStatus expected = (first_share & shares[i]) != 0 ? NtStatus::SUCCESS : NtStatus::SHARING_VIOLATION;
            const NtStatus status = create_status(*c, t.path(*c, "f"), second);
            CHECK(t, status == expected, "access {:#x} against sharing {}: {}", second.access, first_share, to_string(status));
            CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
        }
    }
}

void sharing_between_clients(Test& t) {
    REQUIRE(t, a, t.client());
    REQUIRE(t, b, t.client());
    OpenOptions exclusive = with(CreateDisposition::overwrite_if);
    exclusive.share = 0;
    REQUIRE(t, f, File::open(*a->tree, t.path(*a, "f"), exclusive));
    CHECK_STATUS(t, create_status(*b, t.path(*a, "f"), {}), NtStatus::SHARING_VIOLATION);
    // Attributes alone conflict with nothing.
    OpenOptions attributes;
    attributes.access = access::file_read_attributes;
    CHECK_STATUS(t, create_status(*b, t.path(*a, "f"), attributes), NtStatus::SUCCESS);
    a->connection->close();
    // The open ends with its connection.
    NtStatus status = NtStatus::SHARING_VIOLATION;
    for (int i = 0; i < 100 && status == NtStatus::SHARING_VIOLATION; ++i) {
        status = create_status(*b, t.path(*b, "f"), {});
        if (status == NtStatus::SHARING_VIOLATION) b->connection->wait_until([] { return false; }, std::chrono::milliseconds(50));
    }
    CHECK(t, status == NtStatus::SUCCESS, "after the connection's end: {}", to_string(status));
}

void delete_on_close(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), with(CreateDisposition::create, options::delete_on_close)));
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), {}), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void delete_pending(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), {}));
    CHECK_STATUS(t, f->set_delete(true), NtStatus::SUCCESS);
    REQUIRE(t, info, g->query<smb::FileStandardInformation>(smb::FileInformationClass::standard));
    CHECK(t, info->delete_pending, "the other open does not see it");
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), {}), NtStatus::DELETE_PENDING);
    CHECK_STATUS(t, f->set_delete(false), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), {}), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), {}), NtStatus::DELETE_PENDING);
    CHECK_STATUS(t, g->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), {}), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void read_only(Test& t) {
    REQUIRE(t, c, t.client());
    OpenOptions o = with(CreateDisposition::create);
    o.attributes = smb::file_attribute::readonly;
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), o));
    // MS-FSA 2.1.5.15.3
    CHECK_STATUS(t, f->set_delete(true), NtStatus::CANNOT_DELETE);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    OpenOptions write;
    write.access = access::file_write_data;
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), write), NtStatus::ACCESS_DENIED);
    OpenOptions doc;
    doc.access = access::delete_access;
    doc.options = options::delete_on_close;
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), doc), NtStatus::CANNOT_DELETE);
    OpenOptions attributes;
    attributes.access = access::file_write_attributes;
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), attributes));
    smb::FileBasicInformation basic;
    basic.file_attributes = smb::file_attribute::normal;
    CHECK_STATUS(t, g->set(smb::FileInformationClass::basic, basic), NtStatus::SUCCESS);
    CHECK_STATUS(t, g->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::remove(*c->tree, t.path(*c, "f")), NtStatus::SUCCESS);
}

void attributes(Test& t) {
    REQUIRE(t, c, t.client());
    OpenOptions o = with(CreateDisposition::create);
    o.attributes = smb::file_attribute::hidden | smb::file_attribute::system;
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), o));
    constexpr uint32_t expected = smb::file_attribute::hidden | smb::file_attribute::system | smb::file_attribute::archive;
    CHECK(t, f->created().info.file_attributes == expected, "attributes {:#x}", f->created().info.file_attributes);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    // MS-FSA 2.1.5.1.2.1: a hidden file is overwritten only by who asks for a hidden file.
    CHECK_STATUS(t, create_status(*c, t.path(*c, "f"), with(CreateDisposition::overwrite)), NtStatus::ACCESS_DENIED);
}

void maximal_access(Test& t) {
    REQUIRE(t, c, t.client());
    OpenOptions o = with(CreateDisposition::create);
    o.contexts.query_maximal_access = true;
    o.contexts.query_on_disk_id = true;
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), o));
    CHECK(t, f->contexts().maximal_access.has_value(), "no MxAc context in the response");
    CHECK_STATUS(t, f->contexts().maximal_access->query_status, NtStatus::SUCCESS);
    CHECK(t, (f->contexts().maximal_access->maximal_access & access::file_generic_read) == access::file_generic_read, "access {:#x}",
          f->contexts().maximal_access->maximal_access);
    CHECK(t, f->contexts().on_disk_id.has_value(), "no QFid context in the response");
    REQUIRE(t, internal, f->query<smb::FileInternalInformation>(smb::FileInformationClass::internal));
    CHECK(t, f->contexts().on_disk_id->disk_file_id == internal->value, "DiskFileId {:#x} is not the file's {:#x}",
          f->contexts().on_disk_id->disk_file_id, internal->value);
}

void maximum_allowed(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(5)), NtStatus::SUCCESS);
    OpenOptions o;
    o.access = access::maximum_allowed;
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), o));
    REQUIRE(t, granted, f->query<smb::FileAccessInformation>(smb::FileInformationClass::access));
    CHECK(t, (granted->value & access::file_write_data) != 0 && (granted->value & access::maximum_allowed) == 0, "access {:#x}",
          granted->value);
}

void generic_access(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(5)), NtStatus::SUCCESS);
    const std::pair<uint32_t, uint32_t> cases[] = {{access::generic_read, access::file_generic_read},
                                                   {access::generic_write, access::file_generic_write},
                                                   {access::generic_all, access::file_all_access}};
    for (auto [generic, specific] : cases) {
        OpenOptions o;
        o.access = generic;
        REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), o));
        REQUIRE(t, granted, f->query<smb::FileAccessInformation>(smb::FileInformationClass::access));
        // Who has more rights may be told so.
        CHECK(t, (granted->value & specific) == specific && granted->value >> 28 == 0, "{:#x} gives {:#x}", generic, granted->value);
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }
}

// A CREATE whose context list is what the test wants.
NtStatus create_with_list(Client& c, const std::string& name, Bytes list) {
    struct Raw {
        smb::CreateRequest request;
        void encode(ByteWriter& out) const { request.encode(out); }
    };
    CreateCall call(name, with(CreateDisposition::open_if));
    Raw raw{call.request};
    raw.request.contexts = list;
    return c.status_of(Command::create, raw);
}

void bad_contexts(Test& t) {
    REQUIRE(t, c, t.client());
    const std::string name = t.path(*c, "f");
    auto one = [](std::string_view context, size_t size) {
        Buffer b;
        ByteWriter out(b);
        smb::CreateContextWriter writer(out);
        writer.add(as_bytes(context), std::vector<uint8_t>(size));
        return b;
    };
    // MS-SMB2 3.3.5.9: a wrong size; a name of fewer than four bytes; unknown ones are ignored.
    CHECK_STATUS(t, create_with_list(*c, name, one("AlSi", 4)), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_with_list(*c, name, one("MxAc", 4)), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_with_list(*c, name, one("Abc", 8)), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create_with_list(*c, name, one("Zzzz", 8)), NtStatus::SUCCESS);
    Buffer loop = one("Zzzz", 8);
    store_le<uint32_t>(loop.data(), 0xFFFFFFF8);
    CHECK_STATUS(t, create_with_list(*c, name, loop), NtStatus::INVALID_PARAMETER);
}

void close_attributes(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(321)));
    REQUIRE(t, response, f->close_with_attributes());
    CHECK(t, response->flags == smb::close_flags::postquery_attrib, "flags {:#x}", response->flags);
    CHECK(t, response->info.end_of_file == 321, "size {}", response->info.end_of_file);
    CHECK(t, response->info.creation_time.ticks != 0, "no time");
    REQUIRE(t, g, t.file(*c, "g", pattern_bytes(321)));
    auto exchange = c->tree->start(Command::close, smb::CloseRequest{0, g->id()});
    CHECK_STATUS(t, c->connection->wait(exchange), NtStatus::SUCCESS);
    REQUIRE(t, bare, exchange->decode<smb::CloseResponse>());
    CHECK(t, bare->flags == 0 && bare->info.end_of_file == 0, "attributes that were not asked for");
}

void root(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, "", OpenOptions::directory(false)));
    CHECK(t, (f->created().info.file_attributes & smb::file_attribute::directory) != 0, "the root is no directory");
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void many_opens(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "f"), pattern_bytes(5)), NtStatus::SUCCESS);
    std::vector<File> files;
    for (int i = 0; i < 300; ++i) {
        REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), {}));
        files.push_back(std::move(*f));
    }
    for (auto& f : files) CHECK_STATUS(t, f.close(), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"dispositions", "MS-FSA 2.1.5.1", dispositions},
    {"bad_values", "MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1", bad_values},
    {"file_and_directory", "MS-FSA 2.1.5.1.2", file_and_directory},
    {"not_found", "MS-FSA 2.1.5.1", not_found},
    {"any_case", "MS-FSA 2.1.5.1", any_case},
    {"bad_names", "MS-FSCC 2.1.5.2, MS-SMB2 3.3.5.9", bad_names},
    {"sharing", "MS-FSA 2.1.5.1.2.2", sharing},
    {"sharing_between_clients", "MS-FSA 2.1.5.1.2.2", sharing_between_clients},
    {"delete_on_close", "MS-FSA 2.1.5.5", delete_on_close},
    {"delete_pending", "MS-FSA 2.1.5.1.2, 2.1.5.15.3", delete_pending},
    {"read_only", "MS-FSA 2.1.5.1.2.1, 2.1.5.15.3", read_only},
    {"attributes", "MS-FSA 2.1.5.1.1, 2.1.5.1.2.1", attributes},
    {"maximal_access", "MS-SMB2 3.3.5.9.5, 3.3.5.9.9", maximal_access},
    {"maximum_allowed", "MS-FSA 2.1.5.1.2.1", maximum_allowed},
    {"generic_access", "MS-FSA 2.1.5.1", generic_access},
    {"bad_contexts", "MS-SMB2 3.3.5.9", bad_contexts},
    {"close_attributes", "MS-SMB2 3.3.5.10", close_attributes},
    {"root", "MS-SMB2 3.3.5.9", root},
    {"many_opens", "MS-SMB2 3.3.5.9", many_opens},
};

}  // namespace

const Suite create_suite{"atoll.create", tests};

}  // namespace Atoll::torture

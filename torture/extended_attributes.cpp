// atoll.ea: extended attributes.
#include <map>

#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::FileInformationClass;
using Map = std::map<std::string, std::string>;

constexpr auto full_ea = static_cast<uint8_t>(FileInformationClass::full_ea);
constexpr uint32_t restart_scan = 1, return_single_entry = 2, index_specified = 4;  // MS-SMB2 2.2.37

Buffer list_of(std::initializer_list<std::pair<std::string, std::string>> entries, uint8_t entry_flags = 0) {
    Buffer bytes;
    ByteWriter out(bytes);
    smb::EntryListWriter list(out, 1 << 20, smb::EaEntry::alignment);
    for (const auto& [name, value] : entries) smb::add_ea(list, {entry_flags, as_bytes(name), as_bytes(value)});
    return bytes;
}

Buffer names_of(std::initializer_list<std::string> names) {
    Buffer bytes;
    ByteWriter out(bytes);
    smb::EntryListWriter list(out, 1 << 20, smb::EaEntry::alignment);
    for (const auto& name : names) smb::add_get_ea(list, as_bytes(name));
    return bytes;
}

NtStatus set(File& f, Bytes list) { return f.set(smb::InfoType::file, full_ea, list); }

struct Query {
    uint32_t size = 65536;
    uint32_t flags = 0;
    uint32_t index = 0;
    Bytes names = {};
};

struct Answer {
    NtStatus status = NtStatus::UNSUCCESSFUL;
    Map all;
    size_t bytes = 0;
};

Answer query(File& f, const Query& q = {}) {
    smb::QueryInfoRequest request;
    request.info_class = full_ea;
    request.output_buffer_length = q.size;
    request.flags = q.flags;
    request.additional_information = q.index;
    request.input = q.names;
    request.file_id = f.id();
    client::RequestOptions options;
    options.payload = 65536;
    auto exchange = f.tree().start(smb::Command::query_info, request, options);
    Answer answer;
    answer.status = f.tree().connection().wait(exchange);
    if (answer.status != NtStatus::SUCCESS && answer.status != NtStatus::BUFFER_OVERFLOW) return answer;
    const auto response = smb::OutputBufferResponse::decode(exchange->message());
    if (!response) {
        answer.status = response.error();
        return answer;
    }
    answer.bytes = response->output.size();
    smb::EntryListReader list(response->output);
    while (const auto ea = smb::next_ea(list)) answer.all[std::string(as_text(ea->name))] = as_text(ea->value);
    if (list.malformed()) answer.status = NtStatus::EA_LIST_INCONSISTENT;
    return answer;
}

// The test's file "f" with these attributes.
std::optional<File> file_with(Test& t, Client& c, std::initializer_list<std::pair<std::string, std::string>> entries) {
    auto f = t.file(c, "f", pattern_bytes(10));
    if (!f || entries.size() == 0) return f;
    if (const NtStatus status = set(*f, list_of(entries)); status == NtStatus::SUCCESS) return f;
    t.fail("the attributes cannot be set");
    return std::nullopt;
}

void set_and_query(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
    CHECK_STATUS(t, set(*f, list_of({{"One", "1"}, {"two.2", std::string("\0\xff", 2)}})), NtStatus::SUCCESS);
    const Map both = {{"One", "1"}, {"two.2", std::string("\0\xff", 2)}};
    CHECK(t, query(*f, {.flags = restart_scan}).all == both, "the attributes differ");
    // Found in any case, and the first name stays; without a value, it is deleted.
    CHECK_STATUS(t, set(*f, list_of({{"oNE", "other"}, {"TWO.2", ""}, {"not there", ""}})), NtStatus::SUCCESS);
    CHECK(t, query(*f, {.flags = restart_scan}).all == (Map{{"One", "other"}}), "the attributes differ after a change");
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, again, File::open(*c->tree, t.path(*c, "f"), {}));
    CHECK(t, query(*again).all == (Map{{"One", "other"}}), "the attributes differ after a close");
}

void bad_names(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    for (const char* bad :
         {"a:b", "a*b", "a/b", "a\\b", "a?b", "a\"b", "a<b", "a>b", "a|b", "a,b", "a+b", "a=b", "a[b", "a]b", "a;b", "a\x1f"})
        CHECK(t, set(*f, list_of({{"good", "1"}, {bad, "1"}})) == NtStatus::INVALID_EA_NAME, "'{}' is a name", bad);
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
}

void bad_flags(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    CHECK_STATUS(t, set(*f, list_of({{"a", "1"}}, 0x40)), NtStatus::INVALID_EA_NAME);
    CHECK_STATUS(t, set(*f, list_of({{"a", "1"}}, smb::EaEntry::need_ea)), NtStatus::SUCCESS);
}

void bad_lists(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    for (const std::string& bad : {std::string("\0\0\0\0\0\5\0\0ab\0", 11), std::string("\3\0\0\0\0\1\1\0a\0b", 11),
                                   std::string("\0\0\0\0", 4), std::string("\0\0\0\0\0\1\1\0abc", 11)})
        CHECK_STATUS(t, set(*f, as_bytes(bad)), NtStatus::EA_LIST_INCONSISTENT);
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
}

void too_large(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    const std::string half(33000, 'x');
    CHECK_STATUS(t, set(*f, list_of({{"a", half}, {"b", half}})), NtStatus::EA_TOO_LARGE);
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
}

void the_servers_own(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {{"mine", "1"}}));
    CHECK_STATUS(t, set(*f, list_of({{"DOSATTRIB", "1"}})), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, set(*f, list_of({{"DosStream.x:$DATA", "1"}})), NtStatus::INVALID_EA_NAME);
    CHECK_STATUS(t, set(*f, list_of({{"dosstream.x", "1"}})), NtStatus::ACCESS_DENIED);
    CHECK(t, query(*f).all == (Map{{"mine", "1"}}), "the attributes differ");
}

void whole_entries(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {{"a", "1"}, {"b", "2"}}));
    CHECK_STATUS(t, query(*f, {.size = 7}).status, NtStatus::INFO_LENGTH_MISMATCH);
    CHECK_STATUS(t, query(*f, {.size = 10}).status, NtStatus::BUFFER_TOO_SMALL);
    const Answer first = query(*f, {.size = 22});
    CHECK_STATUS(t, first.status, NtStatus::BUFFER_OVERFLOW);
    CHECK(t, first.bytes == 11 && first.all.size() == 1, "{} bytes, {} entries", first.bytes, first.all.size());
    const Answer rest = query(*f, {.size = 11});
    CHECK_STATUS(t, rest.status, NtStatus::SUCCESS);
    CHECK(t, rest.all.size() == 1 && rest.all != first.all, "the query does not go on behind the first entry");
    CHECK(t, query(*f, {.size = 23, .flags = restart_scan}).all.size() == 2, "the query does not begin again");
}

void scan(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {{"a", "1"}, {"b", "2"}, {"c", "3"}}));
    Map found;
    for (int i = 0; i < 3; ++i) {
        const Answer one = query(*f, {.flags = return_single_entry});
        CHECK_STATUS(t, one.status, NtStatus::SUCCESS);
        CHECK(t, one.all.size() == 1, "{} entries, not one", one.all.size());
        found.insert(one.all.begin(), one.all.end());
    }
    CHECK(t, found.size() == 3, "{} entries by one at a time", found.size());
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
    // An index counts from 1, restarts nothing, and is where this query begins.
    for (uint32_t index : {1u, 2u, 3u}) {
        const Answer from = query(*f, {.flags = index_specified, .index = index});
        CHECK(t, from.all.size() == 4 - index, "{} entries from {} on", from.all.size(), index);
    }
    CHECK_STATUS(t, query(*f, {.flags = index_specified, .index = 4}).status, NtStatus::NONEXISTENT_EA_ENTRY);
    CHECK_STATUS(t, query(*f).status, NtStatus::NO_EAS_ON_FILE);
    CHECK(t, query(*f, {.flags = restart_scan}).all.size() == 3, "the query does not begin again");
}

void by_name(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {{"a", "1"}, {"b", "2"}}));
    // In the list's order, whatever the flags say; one that is not there has no value.
    const Answer answer = query(*f, {.flags = restart_scan | index_specified, .index = 7, .names = names_of({"B", "other"})});
    CHECK_STATUS(t, answer.status, NtStatus::SUCCESS);
    CHECK(t, answer.all == (Map{{"b", "2"}, {"other", ""}}), "the attributes differ");
    CHECK(t, query(*f).all.size() == 2, "a list moves the scan");
    CHECK_STATUS(t, query(*f, {.names = as_bytes(std::string_view("\1\0\0\0\5ab", 7))}).status, NtStatus::EA_LIST_INCONSISTENT);
}

void needed_access(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {{"a", "1"}}));
    OpenOptions options;
    options.access = smb::access_mask::file_read_data | smb::access_mask::file_write_data;
    REQUIRE(t, data, File::open(*c->tree, t.path(*c, "f"), options));
    CHECK_STATUS(t, query(*data).status, NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, set(*data, list_of({{"a", "2"}})), NtStatus::ACCESS_DENIED);
    REQUIRE(t, size, data->query<smb::FileEaInformation>(FileInformationClass::ea));
    CHECK(t, size->value > 0, "the size is 0");
    options.access = smb::access_mask::file_read_ea;
    REQUIRE(t, reader, File::open(*c->tree, t.path(*c, "f"), options));
    CHECK_STATUS(t, query(*reader).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*reader, list_of({{"a", "2"}})), NtStatus::ACCESS_DENIED);
}

// EaSize of the one entry that the directory's listing has for "f".
std::optional<uint32_t> listed_size(Test& t, Client& c, FileInformationClass info_class) {
    auto directory = File::open(*c.tree, t.path(c, ""), OpenOptions::directory(false));
    if (!directory) return std::nullopt;
    smb::QueryDirectoryRequest request;
    request.information_class = info_class;
    request.output_buffer_length = 4096;
    request.file_id = directory->id();
    request.pattern = as_bytes(std::string_view("f\0", 2));
    auto exchange = c.tree->start(smb::Command::query_directory, request);
    if (c.connection->wait(exchange) != NtStatus::SUCCESS) return std::nullopt;
    const auto response = smb::OutputBufferResponse::decode(exchange->message());
    if (!response) return std::nullopt;
    smb::DirectoryListReader list(response->output, info_class);
    const auto entry = list.next();
    return entry ? std::optional(entry->ea_size) : std::nullopt;
}

void sizes(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    REQUIRE(t, none, f->query<smb::FileEaInformation>(FileInformationClass::ea));
    CHECK(t, none->value == 0, "EaSize {} of nothing", none->value);
    CHECK_STATUS(t, set(*f, list_of({{"a", "1"}, {"bb", "22"}})), NtStatus::SUCCESS);
    const Answer list = query(*f);
    CHECK_STATUS(t, list.status, NtStatus::SUCCESS);
    const auto length = static_cast<uint32_t>(list.bytes);
    for (auto info_class : {FileInformationClass::full_directory, FileInformationClass::both_directory,
                            FileInformationClass::id_both_directory, FileInformationClass::id_full_directory}) {
        REQUIRE(t, listed, listed_size(t, *c, info_class));
        CHECK(t, *listed == length, "class {}: EaSize {}, the list has {} bytes", static_cast<int>(info_class), *listed, length);
    }
    REQUIRE(t, size, f->query<smb::FileEaInformation>(FileInformationClass::ea));
    CHECK(t, size->value == length + 4, "EaSize {}, the list has {} bytes", size->value, length);
    REQUIRE(t, all, f->query<smb::FileAllInformation>(FileInformationClass::all));
    CHECK(t, all->ea.value == length + 4, "EaSize {} of FileAllInformation", all->ea.value);
}

void archive(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, file_with(t, *c, {}));
    smb::FileBasicInformation basic;
    basic.file_attributes = smb::file_attribute::normal;
    CHECK_STATUS(t, f->set(FileInformationClass::basic, basic), NtStatus::SUCCESS);
    CHECK_STATUS(t, set(*f, list_of({{"a", "1"}})), NtStatus::SUCCESS);
    REQUIRE(t, got, f->query<smb::FileBasicInformation>(FileInformationClass::basic));
    CHECK(t, got->file_attributes == smb::file_attribute::archive, "attributes {:#x}", got->file_attributes);
}

NtStatus create(Test& t, Client& c, const char* leaf, smb::CreateDisposition disposition, Bytes list, Map* all = nullptr,
                uint32_t options = 0) {
    OpenOptions o;
    o.access = smb::access_mask::generic_all;
    o.disposition = disposition;
    o.options = options;
    o.contexts.extended_attributes = list;
    const client::CreateCall call(t.path(c, leaf), o);
    auto exchange = c.tree->start(smb::Command::create, call);
    const NtStatus status = c.connection->wait(exchange);
    if (status != NtStatus::SUCCESS) return status;
    const auto response = smb::CreateResponse::decode(exchange->message());
    if (!response) return response.error();
    File f(*c.tree, *response);
    if (all != nullptr) *all = query(f).all;
    return f.close();
}

void create_with(Test& t) {
    using D = smb::CreateDisposition;
    REQUIRE(t, c, t.client());
    Map all;
    CHECK_STATUS(t, create(t, *c, "new", D::create, list_of({{"a", "1"}, {"b", "2"}}), &all), NtStatus::SUCCESS);
    CHECK(t, all == (Map{{"a", "1"}, {"b", "2"}}), "the attributes of a new file differ");
    CHECK_STATUS(t, create(t, *c, "new", D::open_if, list_of({{"a", "3"}}), &all), NtStatus::SUCCESS);
    CHECK(t, all == (Map{{"a", "1"}, {"b", "2"}}), "a file that was there is changed");
    CHECK_STATUS(t, create(t, *c, "d", D::create, list_of({{"a", "1"}}), &all, smb::create_options::directory_file), NtStatus::SUCCESS);
    CHECK(t, all == (Map{{"a", "1"}}), "the attributes of a new directory differ");
}

void create_refused(Test& t) {
    using D = smb::CreateDisposition;
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, create(t, *c, "n1", D::create, list_of({{"a", "1"}, {"b:c", "2"}})), NtStatus::INVALID_EA_NAME);
    CHECK_STATUS(t, create(t, *c, "n2", D::create, as_bytes(std::string_view("\0\0\0\0\0\5\0\0ab\0", 11))), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, create(t, *c, "n3", D::create, list_of({{"DOSATTRIB", "1"}})), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, create(t, *c, "n4", D::create, list_of({{"a", "1"}}), nullptr, 0x200 /* FILE_NO_EA_KNOWLEDGE */),
                 NtStatus::ACCESS_DENIED);
    for (const char* leaf : {"n1", "n2", "n3", "n4"}) {
        const auto f = File::open(*c->tree, t.path(*c, leaf), {});
        CHECK(t, !f && f.error() == NtStatus::OBJECT_NAME_NOT_FOUND, "{} is there", leaf);
    }
}

constexpr TestCase tests[] = {
    {"set_and_query", "MS-FSA 2.1.5.15.6", set_and_query},
    {"bad_names", "MS-FSCC 2.4.16", bad_names},
    {"bad_flags", "MS-FSA 2.1.5.15.6", bad_flags},
    {"bad_lists", "MS-SMB2 3.3.5.21.1", bad_lists},
    {"too_large", "MS-FSA 2.1.5.15.6", too_large},
    {"the_servers_own", "MS-FSA 2.1.5.15.6", the_servers_own},
    {"whole_entries", "MS-FSA 2.1.5.12.12", whole_entries},
    {"scan", "MS-SMB2 3.3.5.20.1", scan},
    {"by_name", "MS-SMB2 3.3.5.20.1", by_name},
    {"needed_access", "MS-SMB2 3.3.5.20.1", needed_access},
    {"sizes", "MS-FSA 2.1.5.12.10", sizes},
    {"archive", "MS-FSA 2.1.5.15.6", archive},
    {"create_with", "MS-SMB2 3.3.5.9.1", create_with},
    {"create_refused", "MS-SMB2 3.3.5.9.1", create_refused},
};

}  // namespace

const Suite ea_suite{"atoll.ea", tests};

}  // namespace Atoll::torture

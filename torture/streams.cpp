// atoll.streams: named data streams.
#include <algorithm>

#include "base/utf.h"
#include "libcli/smb/fscc_directory.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/fscc_fs.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::CreateDisposition;
namespace access = smb::access_mask;
namespace options = smb::create_options;

OpenOptions with(CreateDisposition disposition,
                 uint32_t desired = access::file_generic_read | access::file_generic_write | access::delete_access) {
    OpenOptions o;
    o.access = desired;
    o.disposition = disposition;
    return o;
}

NtStatus open_status(Client& c, std::string_view name, const OpenOptions& o = {}) {
    auto f = File::open(*c.tree, name, o);
    if (!f) return f.error();
    (void)f->close();
    return NtStatus::SUCCESS;
}

// "::$DATA=5 :s:$DATA=3 ", in the order of names.
std::string stream_list(File& f) {
    Buffer bytes;
    const NtStatus status = f.query(smb::InfoType::file, static_cast<uint8_t>(smb::FileInformationClass::stream), bytes);
    if (is_error(status)) return std::string(to_string(status));
    std::vector<std::string> found;
    smb::EntryListReader list(bytes);
    while (auto entry = smb::next_stream(list))
        found.push_back(utf16le_to_utf8(entry->name).value_or("?") + "=" + std::to_string(entry->size));
    std::sort(found.begin(), found.end());
    std::string text;
    for (const auto& s : found) text += s + " ";
    return text;
}

void data(Test& t) {  // MS-FSA 2.1.5.3, 2.1.5.4, 2.1.5.15.5: each stream has data of its own
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f");
    CHECK_STATUS(t, client::put(*c->tree, base, pattern_bytes(50)), NtStatus::SUCCESS);
    REQUIRE(t, s, File::open(*c->tree, base + ":s", with(CreateDisposition::create)));
    CHECK(t, s->created().action == smb::CreateAction::created, "action {}", static_cast<int>(s->created().action));
    REQUIRE(t, n, s->write(3000, as_bytes("end")));
    CHECK(t, *n == 3, "{} bytes written", *n);
    Buffer got;
    CHECK_STATUS(t, s->read(0, 5000, got), NtStatus::SUCCESS);
    CHECK(t, got.size() == 3003 && got.bytes()[0] == 0 && got.bytes()[3000] == 'e', "{} bytes read", got.size());
    CHECK_STATUS(t, s->set(smb::FileInformationClass::end_of_file, smb::FileEndOfFileInformation{10}), NtStatus::SUCCESS);
    CHECK_STATUS(t, s->close(), NtStatus::SUCCESS);
    Buffer whole;
    CHECK_STATUS(t, client::get(*c->tree, base + "::$DATA", whole), NtStatus::SUCCESS);
    CHECK(t, whole.size() == 50, "the file has {} bytes", whole.size());
    REQUIRE(t, f, File::open(*c->tree, base, {}));
    const std::string list = stream_list(*f);
    CHECK(t, list == "::$DATA=50 :s:$DATA=10 ", "{}", list);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void names(Test& t) {  // MS-FSCC 2.1.5.3, MS-FSA 2.1.5.1, phases 5 to 7
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f");
    CHECK_STATUS(t, open_status(*c, base + ":Some \"<Name>\"?*|", with(CreateDisposition::create)), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base + ":SOME \"<name>\"?*|:$data"), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base + ":other"), NtStatus::OBJECT_NAME_NOT_FOUND);
    for (const char* bad : {":", "::", ":a:", ":a:$FOO", ":a:$DATA:b", "::$FOO"})
        CHECK_STATUS(t, open_status(*c, base + bad, with(CreateDisposition::open_if)), NtStatus::OBJECT_NAME_INVALID);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "d") + "::$DATA"), NtStatus::FILE_IS_A_DIRECTORY);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "d") + ":s", with(CreateDisposition::create)), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "d") + ":s", OpenOptions::directory(false)), NtStatus::NOT_A_DIRECTORY);
}

void dispositions(Test& t) {  // MS-FSA 2.1.5.1.2
    REQUIRE(t, c, t.client());
    const std::string name = t.path(*c, "f") + ":s";
    CHECK_STATUS(t, open_status(*c, name, with(CreateDisposition::overwrite)), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, open_status(*c, name, with(CreateDisposition::open_if)), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, name, with(CreateDisposition::create)), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, client::put(*c->tree, name, pattern_bytes(9)), NtStatus::SUCCESS);
    REQUIRE(t, s, File::open(*c->tree, name, with(CreateDisposition::overwrite_if)));
    CHECK(t, s->created().action == smb::CreateAction::overwritten && s->created().info.end_of_file == 0, "size {}",
          s->created().info.end_of_file);
    CHECK_STATUS(t, s->close(), NtStatus::SUCCESS);
}

void sharing(Test& t) {  // MS-FSA 2.1.5.1.2.1, 2.1.5.1.2.2
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f");
    CHECK_STATUS(t, client::put(*c->tree, base, pattern_bytes(5)), NtStatus::SUCCESS);
    OpenOptions alone = with(CreateDisposition::open_if, access::file_generic_read | access::file_generic_write);
    alone.share = 0;
    REQUIRE(t, s, File::open(*c->tree, base + ":s", alone));
    CHECK_STATUS(t, open_status(*c, base + ":s"), NtStatus::SHARING_VIOLATION);
    CHECK_STATUS(t, open_status(*c, base, alone), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base + ":other", alone), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base, with(CreateDisposition::open, access::delete_access)), NtStatus::SHARING_VIOLATION);
    CHECK_STATUS(t, s->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base, with(CreateDisposition::open, access::delete_access)), NtStatus::SUCCESS);
}

void deletion(Test& t) {  // MS-FSA 2.1.5.5, phases 1 to 3
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f");
    CHECK_STATUS(t, client::put(*c->tree, base + ":s", pattern_bytes(5)), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, base + ":kept", pattern_bytes(5)), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::remove(*c->tree, base + ":s"), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base + ":s"), NtStatus::OBJECT_NAME_NOT_FOUND);
    REQUIRE(t, kept, File::open(*c->tree, base + ":kept", {}));
    CHECK_STATUS(t, client::remove(*c->tree, base), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base), NtStatus::DELETE_PENDING);
    CHECK_STATUS(t, kept->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, base), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void renaming(Test& t) {  // MS-FSA 2.1.5.15.12.1
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f");
    CHECK_STATUS(t, client::put(*c->tree, base + ":there", pattern_bytes(5)), NtStatus::SUCCESS);
    REQUIRE(t, s, File::open(*c->tree, base + ":s", with(CreateDisposition::create)));
    CHECK_STATUS(t, s->rename(":a:", false), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, s->rename(":there", false), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, s->rename(":there", true), NtStatus::INVALID_PARAMETER);  // it has data
    CHECK_STATUS(t, s->rename(":new:$DATA", false), NtStatus::SUCCESS);
    REQUIRE(t, n, s->write(0, as_bytes("through the open")));
    CHECK(t, *n == 16, "{} bytes", *n);
    CHECK_STATUS(t, s->close(), NtStatus::SUCCESS);
    Buffer got;
    CHECK_STATUS(t, client::get(*c->tree, base + ":new", got), NtStatus::SUCCESS);
    CHECK(t, as_text(got) == "through the open", "{}", as_text(got));
    CHECK_STATUS(t, open_status(*c, base + ":s"), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void file_renamed(Test& t) {  // MS-FSA 2.1.5.15.12: an open stream is no obstacle, and goes along
    REQUIRE(t, c, t.client());
    const std::string base = t.path(*c, "f"), moved = t.path(*c, "g");
    CHECK_STATUS(t, client::put(*c->tree, base + ":s", pattern_bytes(5)), NtStatus::SUCCESS);
    REQUIRE(t, s, File::open(*c->tree, base + ":s", {}));
    REQUIRE(t, f, File::open(*c->tree, base, with(CreateDisposition::open)));
    CHECK_STATUS(t, f->rename(moved, false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    Buffer got;
    CHECK_STATUS(t, s->read(0, 10, got), NtStatus::SUCCESS);
    CHECK_STATUS(t, s->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, moved + ":s"), NtStatus::SUCCESS);
}

void offered(Test& t) {  // MS-FSCC 2.5.1
    REQUIRE(t, c, t.client());
    REQUIRE(t, root, File::open(*c->tree, "", OpenOptions::directory(false)));
    REQUIRE(t, info, root->query<smb::FsAttributeInformation>(smb::FsInformationClass::attribute));
    CHECK(t, (info->attributes & smb::fs_attribute::named_streams) != 0, "attributes {:#x}", info->attributes);
    CHECK_STATUS(t, root->close(), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"data", "MS-FSA 2.1.5.3, 2.1.5.4, 2.1.5.12.29, 2.1.5.15.5", data},
    {"names", "MS-FSCC 2.1.5.3, MS-FSA 2.1.5.1", names},
    {"dispositions", "MS-FSA 2.1.5.1.2", dispositions},
    {"sharing", "MS-FSA 2.1.5.1.2.1, 2.1.5.1.2.2", sharing},
    {"deletion", "MS-FSA 2.1.5.5", deletion},
    {"renaming", "MS-FSA 2.1.5.15.12.1", renaming},
    {"file_renamed", "MS-FSA 2.1.5.15.12", file_renamed},
    {"offered", "MS-FSCC 2.5.1", offered},
};

}  // namespace

const Suite streams_suite{"atoll.streams", tests};

}  // namespace Atoll::torture

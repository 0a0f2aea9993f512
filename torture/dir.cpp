// atoll.dir: QUERY_DIRECTORY.
#include <set>

#include "torture/test.h"

namespace Atoll::torture {
namespace {

using smb::FileInformationClass;
namespace flags = smb::query_directory_flags;
using Items = std::vector<client::DirectoryItem>;

constexpr auto id_both = FileInformationClass::id_both_directory;

// The test's directory with these files in it, open.
std::optional<client::File> directory_with(Test& t, Client& c, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        auto f = t.file(c, name);
        if (!f) return std::nullopt;
        (void)f->close();
    }
    auto d = client::File::open(*c.tree, t.path(c, ""), client::OpenOptions::directory(false));
    if (d) return std::move(*d);
    t.fail("cannot open the directory: " + to_string(d.error()));
    return std::nullopt;
}

std::set<std::string> names(const Items& items) {
    std::set<std::string> all;
    for (const auto& item : items) all.insert(item.name);
    return all;
}

using Names = std::set<std::string>;

void list_all(Test& t) {
    REQUIRE(t, c, t.client());
    std::set<std::string> expected = {".", ".."};
    for (int i = 0; i < 500; ++i) {
        const std::string name = fmt::format("a file with the number {:04}", i);
        REQUIRE(t, f, t.file(*c, name));
        (void)f->close();
        expected.insert(name);
    }
    REQUIRE(t, d, directory_with(t, *c, {}));
    REQUIRE(t, items, d->list());
    CHECK(t, items->size() == 502, "{} entries", items->size());
    CHECK(t, names(*items) == expected, "the names differ");
}

void dots_first(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"x"}));
    REQUIRE(t, items, d->list());
    CHECK(t, items->size() == 3 && (*items)[0].name == "." && (*items)[1].name == "..", "the list does not begin with . and ..");
    CHECK(t, ((*items)[0].info.file_attributes & smb::file_attribute::directory) != 0, ". is no directory");
}

void every_class(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "file", pattern_bytes(77)));
    (void)f->close();
    REQUIRE(t, d, directory_with(t, *c, {}));
    for (auto info_class : {FileInformationClass::directory, FileInformationClass::full_directory, FileInformationClass::both_directory,
                            FileInformationClass::names, FileInformationClass::id_full_directory, id_both}) {
        Items items;
        CHECK_STATUS(t, d->query_directory(info_class, flags::restart_scans, "file", 4096, items), NtStatus::SUCCESS);
        CHECK(t, items.size() == 1 && items[0].name == "file", "class {}: {} entries", static_cast<int>(info_class), items.size());
        if (info_class == FileInformationClass::names) continue;
        CHECK(t, items[0].info.end_of_file == 77, "class {}: size {}", static_cast<int>(info_class), items[0].info.end_of_file);
        CHECK(t, items[0].info.last_write_time.ticks != 0, "class {}: no time", static_cast<int>(info_class));
    }
}

void file_id_is_the_files(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "file"));
    REQUIRE(t, internal, f->query<smb::FileInternalInformation>(FileInformationClass::internal));
    REQUIRE(t, d, directory_with(t, *c, {}));
    Items items;
    CHECK_STATUS(t, d->query_directory(id_both, 0, "file", 4096, items), NtStatus::SUCCESS);
    CHECK(t, items.size() == 1 && items[0].file_id == internal->value, "the file's id is {:#x}", internal->value);
}

void single_entry(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a", "b"}));
    Items items;
    for (size_t i = 1; i <= 4; ++i) {
        CHECK_STATUS(t, d->query_directory(id_both, flags::return_single_entry, "*", 4096, items), NtStatus::SUCCESS);
        CHECK(t, items.size() == i, "{} entries after {} queries", items.size(), i);
    }
    CHECK_STATUS(t, d->query_directory(id_both, flags::return_single_entry, "*", 4096, items), NtStatus::NO_MORE_FILES);
    CHECK(t, names(items) == (Names{".", "..", "a", "b"}), "the names differ");
}

void small_buffer(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a", "b", "c", "d", "e"}));
    Items items;
    NtStatus status = NtStatus::SUCCESS;
    for (int i = 0; i < 20 && status == NtStatus::SUCCESS; ++i) status = d->query_directory(id_both, 0, "*", 240, items);
    CHECK(t, status == NtStatus::NO_MORE_FILES, "{}", to_string(status));
    CHECK(t, items.size() == 7 && names(items) == (Names{".", "..", "a", "b", "c", "d", "e"}), "{} entries", items.size());
}

void buffer_too_small(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a-name-of-some-length"}));
    Items items;
    // MS-FSA 2.1.5.6.3: less than the fixed part of an entry; then less than the first entry needs.
    CHECK_STATUS(t, d->query_directory(id_both, flags::restart_scans, "a*", 50, items), NtStatus::INFO_LENGTH_MISMATCH);
    CHECK_STATUS(t, d->query_directory(id_both, flags::restart_scans, "a*", 110, items), NtStatus::BUFFER_OVERFLOW);
}

void patterns(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"one.txt", "two.txt", "three.doc", "noext"}));
    const std::pair<const char*, Names> cases[] = {{"*.txt", {"one.txt", "two.txt"}},
                                                   {"t*", {"two.txt", "three.doc"}},
                                                   {"???.txt", {"one.txt", "two.txt"}},
                                                   {"noext", {"noext"}},
                                                   {"ONE.TXT", {"one.txt"}},
                                                   {"*", {".", "..", "one.txt", "two.txt", "three.doc", "noext"}}};
    for (const auto& [pattern, expected] : cases) {
        Items items;
        uint8_t flag = flags::reopen;
        for (;;) {
            const NtStatus status = d->query_directory(id_both, flag, pattern, 65536, items);
            if (status == NtStatus::NO_MORE_FILES) break;
            CHECK(t, status == NtStatus::SUCCESS, "{}: {}", pattern, to_string(status));
            flag = 0;
        }
        CHECK(t, names(items) == expected && items.size() == expected.size(), "{}: {} entries", pattern, items.size());
    }
}

void no_match(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a"}));
    Items items;
    // MS-FSA 2.1.5.6.3: nothing matches at the first query; then the end.
    CHECK_STATUS(t, d->query_directory(id_both, 0, "nothing*", 4096, items), NtStatus::NO_SUCH_FILE);
}

void restart(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a", "b"}));
    REQUIRE(t, first, d->list());
    Items items;
    CHECK_STATUS(t, d->query_directory(id_both, 0, "*", 4096, items), NtStatus::NO_MORE_FILES);
    CHECK_STATUS(t, d->query_directory(id_both, flags::restart_scans, "*", 4096, items), NtStatus::SUCCESS);
    CHECK(t, names(items) == names(*first), "the second scan differs");
}

void sees_changes_after_restart(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a"}));
    REQUIRE(t, before, d->list());
    REQUIRE(t, f, t.file(*c, "new"));
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::remove(*c->tree, t.path(*c, "a")), NtStatus::SUCCESS);
    Items items;
    CHECK_STATUS(t, d->query_directory(id_both, flags::restart_scans, "*", 4096, items), NtStatus::SUCCESS);
    CHECK(t, names(items) == (Names{".", "..", "new"}), "the second scan shows the old names");
}

void bad_class(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {}));
    Items items;
    // MS-SMB2 3.3.5.18
    CHECK_STATUS(t, d->query_directory(FileInformationClass::basic, 0, "*", 4096, items), NtStatus::INVALID_INFO_CLASS);
}

void of_a_file(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    Items items;
    // MS-SMB2 3.3.5.18: the open must be of a directory.
    CHECK_STATUS(t, f->query_directory(id_both, 0, "*", 4096, items), NtStatus::INVALID_PARAMETER);
}

void empty_pattern(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"a"}));
    Items items;
    // MS-SMB2 3.3.5.18: at the first query the pattern must be there.
    CHECK_STATUS_ONE_OF(t, d->query_directory(id_both, 0, "", 4096, items), NtStatus::INVALID_PARAMETER, NtStatus::OBJECT_NAME_INVALID,
                        NtStatus::SUCCESS);
}

void not_empty(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "d\\f"), pattern_bytes(5)), NtStatus::SUCCESS);
    client::OpenOptions o = client::OpenOptions::directory(false);
    o.access |= smb::access_mask::delete_access;
    REQUIRE(t, d, client::File::open(*c->tree, t.path(*c, "d"), o));
    CHECK_STATUS(t, d->set_delete(true), NtStatus::DIRECTORY_NOT_EMPTY);
    CHECK_STATUS(t, client::remove(*c->tree, t.path(*c, "d\\f")), NtStatus::SUCCESS);
    CHECK_STATUS(t, d->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    auto gone = client::File::open(*c->tree, t.path(*c, "d"), client::OpenOptions::directory(false));
    CHECK(t, !gone && gone.error() == NtStatus::OBJECT_NAME_NOT_FOUND, "the directory is still there");
}

void unicode_names(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, directory_with(t, *c, {"äöü", "日本語", "\xF0\x9F\x98\x80 smile"}));
    REQUIRE(t, items, d->list());
    CHECK(t, names(*items) == (Names{".", "..", "äöü", "日本語", "\xF0\x9F\x98\x80 smile"}), "the names differ");
}

constexpr TestCase tests[] = {
    {"list_all", "MS-SMB2 3.3.5.18", list_all},
    {"dots_first", "MS-FSA 2.1.5.6.3", dots_first},
    {"every_class", "MS-FSCC 2.4", every_class},
    {"file_id_is_the_files", "MS-FSCC 2.1.9", file_id_is_the_files},
    {"single_entry", "MS-SMB2 3.3.5.18", single_entry},
    {"small_buffer", "MS-FSA 2.1.5.6.3", small_buffer},
    {"buffer_too_small", "MS-FSA 2.1.5.6.3", buffer_too_small},
    {"patterns", "MS-FSA 2.1.4.4", patterns},
    {"no_match", "MS-FSA 2.1.5.6.3", no_match},
    {"restart", "MS-SMB2 3.3.5.18", restart},
    {"sees_changes_after_restart", "MS-SMB2 3.3.5.18", sees_changes_after_restart},
    {"bad_class", "MS-SMB2 3.3.5.18", bad_class},
    {"of_a_file", "MS-SMB2 3.3.5.18", of_a_file},
    {"empty_pattern", "MS-SMB2 3.3.5.18", empty_pattern},
    {"not_empty", "MS-FSA 2.1.5.15.3", not_empty},
    {"unicode_names", "MS-FSCC 2.1.5", unicode_names},
};

}  // namespace

const Suite dir_suite{"atoll.dir", tests};

}  // namespace Atoll::torture

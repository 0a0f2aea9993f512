// atoll.rename: new names for what is open.
#include "libcli/smb/fscc_file.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::CreateDisposition;
namespace access = smb::access_mask;

OpenOptions with(uint32_t desired, uint32_t share = 7) {
    OpenOptions o;
    o.access = desired;
    o.share = share;
    return o;
}
constexpr uint32_t deleting = access::delete_access | access::file_generic_read;

NtStatus open_status(Client& c, std::string_view name, const OpenOptions& o = {}) {
    auto f = File::open(*c.tree, name, o);
    if (!f) return f.error();
    (void)f->close();
    return NtStatus::SUCCESS;
}

void files(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "a"), pattern_bytes(1)), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "b"), pattern_bytes(2)), NtStatus::SUCCESS);
    REQUIRE(t, plain, File::open(*c->tree, t.path(*c, "a"), with(access::file_generic_read)));
    CHECK_STATUS(t, plain->rename(t.path(*c, "c"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, plain->close(), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "a"), with(deleting)));
    CHECK_STATUS(t, f->rename(t.path(*c, "b"), false), NtStatus::OBJECT_NAME_COLLISION);
    CHECK_STATUS(t, f->rename(t.path(*c, "none\\b"), false), NtStatus::OBJECT_PATH_NOT_FOUND);
    REQUIRE(t, target, File::open(*c->tree, t.path(*c, "b"), {}));
    CHECK_STATUS(t, f->rename(t.path(*c, "b"), true), NtStatus::ACCESS_DENIED);  // open
    CHECK_STATUS(t, target->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->rename(t.path(*c, "b"), true), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->rename(t.path(*c, "B"), false), NtStatus::SUCCESS);  // only the case
    CHECK_STATUS(t, f->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->rename(t.path(*c, "c"), false), NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "b")), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void directories(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d\\sub")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "d\\sub\\f"), pattern_bytes(1)), NtStatus::SUCCESS);
    REQUIRE(t, other, t.client());
    REQUIRE(t, below, File::open(*other->tree, t.path(*other, "d\\sub\\f"), {}));
    OpenOptions o = OpenOptions::directory(false);
    o.access = deleting;
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d"), o));
    CHECK_STATUS(t, d->rename(t.path(*c, "e"), false), NtStatus::ACCESS_DENIED);  // 2.1.4.2
    CHECK_STATUS(t, below->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, d->rename(t.path(*c, "e"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "e\\sub\\f")), NtStatus::SUCCESS);
}

void new_directory(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "a"), pattern_bytes(1)), NtStatus::SUCCESS);
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "a"), with(deleting)));
    OpenOptions o = OpenOptions::directory(false);
    o.access = access::file_generic_read;
    o.share = 1;  // not for writing
    REQUIRE(t, d, File::open(*c->tree, t.path(*c, "d"), o));
    CHECK_STATUS(t, f->rename(t.path(*c, "d\\a"), false), NtStatus::SHARING_VIOLATION);
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->rename(t.path(*c, "d\\a"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
}

void other_opens_follow(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "a"), pattern_bytes(5)), NtStatus::SUCCESS);
    REQUIRE(t, other, t.client());
    REQUIRE(t, second, File::open(*other->tree, t.path(*other, "a"), with(deleting)));
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "a"), with(deleting)));
    CHECK_STATUS(t, f->rename(t.path(*c, "b"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, client::put(*c->tree, t.path(*c, "a"), pattern_bytes(1)), NtStatus::SUCCESS);  // another file
    CHECK_STATUS(t, second->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, second->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "b")), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, open_status(*c, t.path(*c, "a")), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"files", "MS-FSA 2.1.5.15.12", files},
    {"directories", "MS-FSA 2.1.4.2, 2.1.5.15.12", directories},
    {"new_directory", "MS-FSA 2.1.5.15.12 note 185", new_directory},
    {"other_opens_follow", "MS-FSA 2.1.5.15.12, 2.1.5.5", other_opens_follow},
};

}  // namespace

const Suite rename_suite{"atoll.rename", tests};

}  // namespace Atoll::torture

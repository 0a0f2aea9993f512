// Leases (MS-SMB2 3.3.4.7, 3.3.5.9.8, 3.3.5.9.11, 3.3.5.22.2; MS-FSA 2.1.4.12).
#include "base/guid.h"
#include "base/utf.h"
#include "libcli/smb/fscc_file.h"
#include "torture/breaks.h"

namespace Atoll::torture {
namespace {

using client::CreateCall;
using client::File;
using client::OpenOptions;
using smb::Command;
namespace access = smb::access_mask;

OpenOptions plain(smb::CreateDisposition disposition = smb::CreateDisposition::open) {
    OpenOptions o;
    o.access = access::file_generic_read | access::file_generic_write;
    o.disposition = disposition;
    return o;
}

void states_are_granted(Test& t) {
    REQUIRE(t, c, t.client());
    for (const uint32_t state : {0U, R, R | W, R | H, R | W | H}) {
        REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), leased(Guid::random(), state)));
        CHECK(t, lease_state_of(*f) == state, "asked for {}, got {}", state, lease_state_of(*f));
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }
    for (const uint32_t state : {H, W, H | W}) {
        REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), leased(Guid::random(), state)));
        CHECK(t, lease_state_of(*f) == 0, "asked for {}, got {}", state, lease_state_of(*f));
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }
}

void own_lease_is_not_broken(Test& t) {
    REQUIRE(t, c, t.client());
    Breaks breaks(t, *c);
    const Guid key = Guid::random();
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), leased(key, R)));
    REQUIRE(t, g, File::open(*c->tree, t.path(*c, "f"), leased(key, R | W | H)));
    CHECK(t, lease_state_of(*g) == (R | W | H), "not raised: {}", lease_state_of(*g));
    CHECK(t, g->contexts().lease->epoch == f->contexts().lease->epoch + 1, "epoch {} after {}", g->contexts().lease->epoch,
          f->contexts().lease->epoch);
    CHECK(t, breaks.none(), "a lease is broken by its own holder");
}

void another_file_under_the_key(Test& t) {
    REQUIRE(t, c, t.client());
    const Guid key = Guid::random();
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), leased(key, R)));
    const auto g = File::open(*c->tree, t.path(*c, "g"), leased(key, R));
    CHECK(t, !g.ok() && g.error() == NtStatus::INVALID_PARAMETER, "a lease is of two files");
}

void second_open_takes_write_caching(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const Guid key = Guid::random();
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, leased(key, R | W | H)));
    const auto pending = two->tree->start(Command::create, CreateCall(path, plain()));
    REQUIRE(t, broken, breaks.next_lease());
    CHECK(t, broken->key == key, "another lease breaks");
    CHECK(t, broken->current_state == (R | W | H) && broken->new_state == (R | H), "{} to {}", broken->current_state, broken->new_state);
    CHECK(t, broken->flags == smb::lease_break_flags::ack_required, "flags {}", broken->flags);
    CHECK(t, broken->new_epoch == f->contexts().lease->epoch + 1, "epoch {}", broken->new_epoch);
    CHECK_STATUS(t, acknowledge_lease(*one, key, R | W | H), NtStatus::REQUEST_NOT_ACCEPTED);
    CHECK_STATUS(t, acknowledge_lease(*one, Guid::random(), R), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, acknowledge_lease(*one, key, R | H), NtStatus::SUCCESS);
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::SUCCESS);
    CHECK_STATUS(t, acknowledge_lease(*one, key, R), NtStatus::UNSUCCESSFUL);
}

void refused_sharing_takes_handle_caching(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const Guid key = Guid::random();
    const std::string path = t.path(*one, "f");
    OpenOptions alone = leased(key, R | H);
    alone.share = 0;
    REQUIRE(t, f, File::open(*one->tree, path, alone));
    const auto pending = two->tree->start(Command::create, CreateCall(path, plain()));
    REQUIRE(t, broken, breaks.next_lease());
    CHECK(t, broken->new_state == R, "broken to {}", broken->new_state);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::SUCCESS);
}

void write_breaks_read_caching(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const Guid key = Guid::random();
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, leased(key, R)));
    REQUIRE(t, other, File::open(*two->tree, path, plain()));
    CHECK(t, breaks.none(), "an open breaks read caching");
    REQUIRE(t, written, other->write(0, pattern_bytes(10)));
    REQUIRE(t, broken, breaks.next_lease());
    CHECK(t, broken->current_state == R && broken->new_state == 0 && broken->flags == 0, "{} to {}, flags {}", broken->current_state,
          broken->new_state, broken->flags);
}

// The new name of a directory, which is asked for and not waited for.
client::ExchangePtr start_rename(File& directory, const std::string& path) {
    Buffer bytes;
    ByteWriter out(bytes);
    smb::FileRenameInformation{0, 0, utf8_to_utf16le(path).value_or(Buffer())}.encode(out, false);
    smb::SetInfoRequest request;
    request.info_type = smb::InfoType::file;
    request.info_class = static_cast<uint8_t>(smb::FileInformationClass::rename);
    request.file_id = directory.id();
    request.buffer = bytes;
    return directory.tree().start(Command::set_info, request);
}

void renamed_directory_takes_handle_caching(Test& t) {
    REQUIRE(t, c, t.client());
    Breaks breaks(t, *c);
    CHECK_STATUS(t, client::make_directory(*c->tree, t.path(*c, "d")), NtStatus::SUCCESS);
    const Guid key = Guid::random();
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "d\\f"), leased(key, R | H | W)));
    OpenOptions o;
    o.access = access::delete_access | access::file_read_attributes;
    o.options = smb::create_options::directory_file;
    REQUIRE(t, directory, File::open(*c->tree, t.path(*c, "d"), o));
    const auto refused = start_rename(*directory, t.path(*c, "e"));
    REQUIRE(t, broken, breaks.next_lease());
    CHECK(t, broken->new_state == (R | W), "broken to {}", broken->new_state);
    CHECK_STATUS(t, acknowledge_lease(*c, key, R | W), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(refused), NtStatus::ACCESS_DENIED);  // it stays open
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    REQUIRE(t, again, File::open(*c->tree, t.path(*c, "d\\f"), leased(key, R | H)));
    const auto renamed = start_rename(*directory, t.path(*c, "e"));
    REQUIRE(t, second, breaks.next_lease());
    CHECK(t, second->new_state == R, "broken to {}", second->new_state);
    CHECK_STATUS(t, again->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(renamed), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"states_are_granted", "MS-SMB2 3.3.5.9.11", states_are_granted},
    {"own_lease_is_not_broken", "MS-SMB2 3.3.1.4", own_lease_is_not_broken},
    {"another_file_under_the_key", "MS-SMB2 3.3.5.9.11", another_file_under_the_key},
    {"second_open_takes_write_caching", "MS-SMB2 3.3.5.22.2", second_open_takes_write_caching},
    {"refused_sharing_takes_handle_caching", "MS-FSA 2.1.5.1.2", refused_sharing_takes_handle_caching},
    {"write_breaks_read_caching", "MS-SMB2 3.3.1.4", write_breaks_read_caching},
    {"renamed_directory_takes_handle_caching", "MS-FSA 2.1.4.2", renamed_directory_takes_handle_caching},
};

}  // namespace

const Suite lease_suite{"atoll.lease", tests};

}  // namespace Atoll::torture

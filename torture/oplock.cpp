// Oplocks (MS-SMB2 3.3.4.6, 3.3.5.9, 3.3.5.22.1; MS-FSA 2.1.4.12, 2.1.5.18).
#include "torture/breaks.h"

namespace Atoll::torture {
namespace {

using client::CreateCall;
using client::File;
using client::OpenOptions;
using smb::Command;
using smb::OplockLevel;
namespace access = smb::access_mask;

OpenOptions with(OplockLevel level, uint32_t rights = access::file_generic_read | access::file_generic_write) {
    OpenOptions o;
    o.access = rights;
    o.disposition = smb::CreateDisposition::open_if;
    o.oplock = level;
    return o;
}

// An acknowledgment; its response is left in `level`.
NtStatus acknowledge(Client& c, const smb::FileId& id, OplockLevel to, OplockLevel* level = nullptr) {
    const auto sent = c.tree->start(Command::oplock_break, smb::OplockBreak{to, id});
    const NtStatus status = c.connection->wait(sent);
    if (status != NtStatus::SUCCESS || level == nullptr) return status;
    const auto answer = sent->decode<smb::OplockBreak>();
    if (!answer) return answer.error();
    *level = answer->oplock_level;
    return status;
}

void levels_are_granted(Test& t) {
    REQUIRE(t, c, t.client());
    for (const OplockLevel level : {OplockLevel::none, OplockLevel::ii, OplockLevel::exclusive, OplockLevel::batch}) {
        REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), with(level)));
        CHECK(t, f->created().oplock_level == level, "asked for {}, got {}", static_cast<int>(level),
              static_cast<int>(f->created().oplock_level));
        CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    }
}

void second_open_breaks_batch(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, with(OplockLevel::batch)));
    const auto pending = two->tree->start(Command::create, CreateCall(path, with(OplockLevel::batch)));
    REQUIRE(t, broken, breaks.next_oplock());
    CHECK(t, broken->file_id == f->id(), "the break names another file");
    CHECK(t, broken->oplock_level == OplockLevel::ii, "broken to {}", static_cast<int>(broken->oplock_level));
    OplockLevel kept = OplockLevel::none;
    CHECK_STATUS(t, acknowledge(*one, f->id(), OplockLevel::ii, &kept), NtStatus::SUCCESS);
    CHECK(t, kept == OplockLevel::ii, "{} is left", static_cast<int>(kept));
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::SUCCESS);
    REQUIRE(t, created, pending->decode<smb::CreateResponse>());
    CHECK(t, created->oplock_level == OplockLevel::ii, "granted {}", static_cast<int>(created->oplock_level));
}

void closing_lets_the_opener_in(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, with(OplockLevel::batch)));
    const auto pending = two->tree->start(Command::create, CreateCall(path, with(OplockLevel::batch)));
    REQUIRE(t, broken, breaks.next_oplock());
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::SUCCESS);
    REQUIRE(t, created, pending->decode<smb::CreateResponse>());
    CHECK(t, created->oplock_level == OplockLevel::batch, "granted {}", static_cast<int>(created->oplock_level));
}

void cancel_ends_the_wait(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, with(OplockLevel::batch)));
    const auto pending = two->tree->start(Command::create, CreateCall(path, with(OplockLevel::none)));
    REQUIRE(t, broken, breaks.next_oplock());
    two->connection->cancel(two->session.get(), pending);
    CHECK_STATUS(t, two->connection->wait(pending), NtStatus::CANCELLED);
    CHECK_STATUS(t, acknowledge(*one, f->id(), OplockLevel::none), NtStatus::SUCCESS);
}

void stat_open_breaks_nothing(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, with(OplockLevel::batch)));
    REQUIRE(t, other, File::open(*two->tree, path, with(OplockLevel::none, access::file_read_attributes)));
    CHECK(t, breaks.none(), "an open for attributes breaks an oplock");
}

void write_breaks_level_ii(Test& t) {
    REQUIRE(t, one, t.client());
    REQUIRE(t, two, t.client());
    Breaks breaks(t, *one);
    const std::string path = t.path(*one, "f");
    REQUIRE(t, f, File::open(*one->tree, path, with(OplockLevel::ii)));
    REQUIRE(t, other, File::open(*two->tree, path, with(OplockLevel::none)));
    REQUIRE(t, written, other->write(0, pattern_bytes(10)));
    REQUIRE(t, broken, breaks.next_oplock());
    CHECK(t, broken->oplock_level == OplockLevel::none, "broken to {}", static_cast<int>(broken->oplock_level));
}

void acknowledgment_of_nothing(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, File::open(*c->tree, t.path(*c, "f"), with(OplockLevel::batch)));
    CHECK_STATUS(t, acknowledge(*c, f->id(), OplockLevel::ii), NtStatus::INVALID_DEVICE_STATE);
    CHECK_STATUS(t, acknowledge(*c, {f->id().persistent_id, f->id().volatile_id + 1}, OplockLevel::ii), NtStatus::FILE_CLOSED);
}

constexpr TestCase tests[] = {
    {"levels_are_granted", "MS-FSA 2.1.5.18", levels_are_granted},
    {"second_open_breaks_batch", "MS-SMB2 3.3.4.6", second_open_breaks_batch},
    {"closing_lets_the_opener_in", "MS-FSA 2.1.4.12", closing_lets_the_opener_in},
    {"cancel_ends_the_wait", "MS-SMB2 3.3.5.16", cancel_ends_the_wait},
    {"stat_open_breaks_nothing", "MS-FSA 2.1.4.12", stat_open_breaks_nothing},
    {"write_breaks_level_ii", "MS-FSA 2.1.5.4", write_breaks_level_ii},
    {"acknowledgment_of_nothing", "MS-SMB2 3.3.5.22.1", acknowledgment_of_nothing},
};

}  // namespace

const Suite oplock_suite{"atoll.oplock", tests};

}  // namespace Atoll::torture

// Leases on directories (MS-SMB2 3.3.4.7, 3.3.5.9.11; MS-FSA 2.1.4.12 with PARENT_OBJECT).
#include "base/guid.h"
#include "libcli/smb/fscc_file.h"
#include "libcli/smb/negotiate.h"
#include "torture/breaks.h"

namespace Atoll::torture {
namespace {

using client::File;
using client::OpenOptions;
using smb::Command;
namespace access = smb::access_mask;

OpenOptions plain(smb::CreateDisposition disposition = smb::CreateDisposition::open_if) {
    OpenOptions o;
    o.access = access::file_generic_read | access::file_generic_write | access::delete_access;
    o.disposition = disposition;
    return o;
}

// A file below the directory whose lease has that key.
OpenOptions below(const Guid& parent) {
    OpenOptions o = plain();
    o.oplock = smb::OplockLevel::lease;
    smb::LeaseContext lease;
    lease.version = 2;
    lease.key = Guid::random();
    lease.state = R | H;
    lease.flags = smb::lease_flags::parent_lease_key_set;
    lease.parent_key = parent;
    o.contexts.lease = lease;
    return o;
}

void capability_is_offered(Test& t) {
    REQUIRE(t, c, t.client());
    CHECK(t, (c->connection->negotiated().capabilities & smb::global_cap::directory_leasing) != 0, "capabilities {:#x}",
          c->connection->negotiated().capabilities);
    client::NegotiateOptions without = t.negotiate_options();
    without.capabilities &= ~smb::global_cap::directory_leasing;
    REQUIRE(t, other, t.negotiate(without));
    CHECK(t, (other->negotiated().capabilities & smb::global_cap::directory_leasing) == 0, "offered to a client that does not know it");
}

void states_are_granted(Test& t) {
    REQUIRE(t, c, t.client());
    const std::string path = t.path(*c, "d");
    for (const uint32_t state : {R, R | H}) {
        REQUIRE(t, d, File::open(*c->tree, path, leased_directory(Guid::random(), state)));
        CHECK(t, lease_state_of(*d) == state, "asked for {}, got {}", state, lease_state_of(*d));
        CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    }
    REQUIRE(t, all, File::open(*c->tree, path, leased_directory(Guid::random(), R | W | H)));
    CHECK(t, lease_state_of(*all) == (R | H), "write caching of a directory: {}", lease_state_of(*all));
}

// A client that holds `state` on a directory, and another one that changes it.
struct Held {
    std::unique_ptr<Client> holder, other;
    std::optional<Breaks> breaks;
    std::optional<File> d;
    Guid key = Guid::random();
    std::string path;

    bool prepare(Test& t, uint32_t state) {
        holder = t.client();
        other = t.client();
        if (!holder || !other) return false;
        breaks.emplace(t, *holder);
        path = t.path(*holder, "d");
        auto opened = File::open(*holder->tree, path, leased_directory(key, state));
        if (!opened) t.fail("the directory: " + to_string(opened.error()));
        if (!opened) return false;
        d = std::move(*opened);
        if (lease_state_of(*d) != state) t.fail("no lease");
        return lease_state_of(*d) == state;
    }
    [[nodiscard]] std::string at(std::string_view leaf) const { return path + "\\" + std::string(leaf); }
};

void new_name_breaks(Test& t) {
    Held held;
    if (!held.prepare(t, R | H)) return;
    REQUIRE(t, f, File::open(*held.other->tree, held.at("f"), plain()));
    REQUIRE(t, broken, held.breaks->next_lease());
    CHECK(t, broken->key == held.key, "another lease breaks");
    CHECK(t, broken->current_state == (R | H) && broken->new_state == 0, "{} to {}", broken->current_state, broken->new_state);
    CHECK(t, broken->flags == smb::lease_break_flags::ack_required, "flags {}", broken->flags);
    CHECK(t, broken->new_epoch == held.d->contexts().lease->epoch + 1, "epoch {}", broken->new_epoch);
    CHECK_STATUS(t, acknowledge_lease(*held.holder, held.key, 0), NtStatus::SUCCESS);
}

void read_caching_needs_no_answer(Test& t) {
    Held held;
    if (!held.prepare(t, R)) return;
    REQUIRE(t, f, File::open(*held.other->tree, held.at("f"), plain()));
    REQUIRE(t, broken, held.breaks->next_lease());
    CHECK(t, broken->current_state == R && broken->new_state == 0 && broken->flags == 0, "{} to {}, flags {}", broken->current_state,
          broken->new_state, broken->flags);
    REQUIRE(t, again, File::open(*held.holder->tree, held.path, leased_directory(held.key, R)));
    CHECK(t, lease_state_of(*again) == R, "not granted again: {}", lease_state_of(*again));
}

// What the operation does to the file "f" of a leased directory, which `opened` says how to open, breaks its lease.
template <class F>
void breaks_by(Test& t, F change) {
    Held held;
    if (!held.prepare(t, R)) return;
    REQUIRE(t, f, File::open(*held.other->tree, held.at("f"), plain()));
    REQUIRE(t, made, held.breaks->next_lease());
    REQUIRE(t, again, File::open(*held.holder->tree, held.path, leased_directory(held.key, R)));
    CHECK(t, lease_state_of(*again) == R, "not granted again: {}", lease_state_of(*again));
    CHECK_STATUS(t, change(held, *f), NtStatus::SUCCESS);
    REQUIRE(t, broken, held.breaks->next_lease());
    CHECK(t, broken->key == held.key && broken->new_state == 0, "broken to {}", broken->new_state);
}

void removed_name_breaks(Test& t) {
    breaks_by(t, [](Held&, File& f) {
        const NtStatus status = f.set_delete(true);
        return is_error(status) ? status : f.close();
    });
}

void renamed_name_breaks(Test& t) {
    breaks_by(t, [](Held& held, File& f) { return f.rename(held.at("g"), false); });
}

void attributes_break(Test& t) {
    breaks_by(t, [](Held&, File& f) {
        smb::FileBasicInformation basic;
        basic.file_attributes = smb::file_attribute::hidden;
        return f.set(smb::FileInformationClass::basic, basic);
    });
}

void end_of_file_breaks(Test& t) {
    breaks_by(t, [](Held&, File& f) { return f.set(smb::FileInformationClass::end_of_file, smb::FileEndOfFileInformation{100}); });
}

void written_file_breaks(Test& t) {
    breaks_by(t, [](Held&, File& f) {
        const auto written = f.write(0, pattern_bytes(10));
        return written ? f.close() : written.error();
    });
}

void rename_breaks_both_directories(Test& t) {
    Held held;
    if (!held.prepare(t, R)) return;
    const Guid key = Guid::random();
    const std::string elsewhere = t.path(*held.holder, "e");
    REQUIRE(t, e, File::open(*held.holder->tree, elsewhere, leased_directory(key, R)));
    REQUIRE(t, f, File::open(*held.other->tree, held.at("f"), plain()));
    REQUIRE(t, made, held.breaks->next_lease());
    REQUIRE(t, again, File::open(*held.holder->tree, held.path, leased_directory(held.key, R)));
    CHECK_STATUS(t, f->rename(elsewhere + "\\f", false), NtStatus::SUCCESS);
    REQUIRE(t, first, held.breaks->next_lease());
    REQUIRE(t, second, held.breaks->next_lease());
    const bool both = (first->key == key && second->key == held.key) || (first->key == held.key && second->key == key);
    CHECK(t, both, "the same lease breaks twice");
}

void reading_breaks_nothing(Test& t) {
    Held held;
    if (!held.prepare(t, R | H)) return;
    REQUIRE(t, d, File::open(*held.other->tree, held.path, leased_directory(Guid::random(), R | H)));
    CHECK(t, lease_state_of(*d) == (R | H), "the second has {}", lease_state_of(*d));
    REQUIRE(t, entries, d->list());
    CHECK_STATUS(t, d->close(), NtStatus::SUCCESS);
    CHECK(t, held.breaks->none(), "a listing breaks");
}

void holder_breaks_nothing(Test& t) {
    Held held;
    if (!held.prepare(t, R | H)) return;
    REQUIRE(t, f, File::open(*held.holder->tree, held.at("f"), below(held.key)));
    CHECK(t, held.breaks->none(), "its own new name breaks");
    REQUIRE(t, written, f->write(0, pattern_bytes(10)));
    CHECK_STATUS(t, f->rename(held.at("g"), false), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->set_delete(true), NtStatus::SUCCESS);
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    CHECK(t, held.breaks->none(), "its own changes break");
}

void another_parent_key_breaks(Test& t) {
    Held held;
    if (!held.prepare(t, R)) return;
    REQUIRE(t, f, File::open(*held.holder->tree, held.at("f"), below(Guid::random())));
    REQUIRE(t, broken, held.breaks->next_lease());
    CHECK(t, broken->key == held.key, "another lease breaks");
}

void deleting_the_directory_takes_handle_caching(Test& t) {
    Held held;
    if (!held.prepare(t, R | H)) return;
    OpenOptions o;
    o.access = access::delete_access | access::file_read_attributes;
    o.disposition = smb::CreateDisposition::open;
    o.options = smb::create_options::directory_file | smb::create_options::delete_on_close;
    const auto pending = held.other->tree->start(Command::create, client::CreateCall(held.path, o));
    REQUIRE(t, broken, held.breaks->next_lease());
    CHECK(t, broken->new_state == R, "broken to {}", broken->new_state);
    CHECK_STATUS(t, acknowledge_lease(*held.holder, held.key, R), NtStatus::SUCCESS);
    CHECK_STATUS(t, held.other->connection->wait(pending), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"capability_is_offered", "MS-SMB2 3.3.5.4", capability_is_offered},
    {"states_are_granted", "MS-SMB2 3.3.5.9.11", states_are_granted},
    {"new_name_breaks", "MS-FSA 2.1.5.1.1", new_name_breaks},
    {"read_caching_needs_no_answer", "MS-SMB2 3.3.4.7", read_caching_needs_no_answer},
    {"removed_name_breaks", "MS-FSA 2.1.5.5", removed_name_breaks},
    {"renamed_name_breaks", "MS-FSA 2.1.5.15.12", renamed_name_breaks},
    {"attributes_break", "MS-FSA 2.1.5.15.2", attributes_break},
    {"end_of_file_breaks", "MS-FSA 2.1.5.15.5", end_of_file_breaks},
    {"written_file_breaks", "MS-FSA 2.1.4.17", written_file_breaks},
    {"rename_breaks_both_directories", "MS-FSA 2.1.5.15.12", rename_breaks_both_directories},
    {"reading_breaks_nothing", "MS-FSA 2.1.4.12", reading_breaks_nothing},
    {"holder_breaks_nothing", "MS-FSA 2.1.4.12.2", holder_breaks_nothing},
    {"another_parent_key_breaks", "MS-FSA 2.1.4.12.2", another_parent_key_breaks},
    {"deleting_the_directory_takes_handle_caching", "MS-FSA 2.1.4.12", deleting_the_directory_takes_handle_caching},
};

}  // namespace

const Suite dirlease_suite{"atoll.dirlease", tests};

}  // namespace Atoll::torture

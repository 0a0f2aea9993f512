// atoll.credits: credits, message ids, CANCEL.
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::RequestOptions;
using smb::Command;

void granted(Test& t) {
    REQUIRE(t, c, t.client());
    for (uint16_t wanted : {uint16_t{1}, uint16_t{2}, uint16_t{10}, uint16_t{64}}) {
        RequestOptions o;
        o.credits = wanted;
        auto e = c->tree->start(Command::echo, smb::EmptyMessage{}, o);
        CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
        // MS-SMB2 3.3.1.2: at least one, so that the client can go on.
        CHECK(t, e->header().credits >= 1, "{} credits granted for {}", e->header().credits, wanted);
    }
}

void grows_on_demand(Test& t) {
    REQUIRE(t, c, t.client());
    for (int i = 0; i < 100 && c->connection->credits() < 128; ++i)
        CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    CHECK(t, c->connection->credits() >= 128, "only {} credits after 100 requests", c->connection->credits());
}

// Never more than the window: a client that asks and asks must not be given ids without end.
void bounded(Test& t) {
    REQUIRE(t, c, t.client());
    c->connection->set_credit_request(8192);
    size_t most = 0;
    for (int i = 0; i < 50; ++i) {
        RequestOptions o;
        o.credits = 8192;
        CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}, o), NtStatus::SUCCESS);
        most = std::max(most, c->connection->credits());
    }
    CHECK(t, most <= 65535, "{} credits granted", most);
}

void no_credit_asked(Test& t) {
    auto options = t.negotiate_options();
    REQUIRE(t, c, t.client(options));
    // A request with CreditRequest 0 must not leave the client without any.
    c->connection->before_sign = [](Buffer& frame) { store_le<uint16_t>(frame.data() + 14, 0); };
    for (int i = 0; i < 10; ++i) {
        const size_t before = c->connection->credits();
        CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
        CHECK(t, c->connection->credits() >= 1, "no credit left of {}", before);
    }
}

void multi_credit_charge(Test& t) {
    REQUIRE(t, c, t.client());
    if (!c->connection->negotiated().multi_credit()) return t.skip("needs multi-credit");
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    for (int i = 0; i < 50 && c->connection->credits() < 8; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    smb::ReadRequest r;
    r.file_id = f->id();
    r.length = 65537;
    RequestOptions o;
    o.credit_charge = 1;
    // MS-SMB2 3.3.5.2.5: two credits are needed.
    CHECK_STATUS(t, c->status_of(Command::read, r, o), NtStatus::INVALID_PARAMETER);
    o.credit_charge = 0;
    CHECK_STATUS(t, c->status_of(Command::read, r, o), NtStatus::INVALID_PARAMETER);
    o.credit_charge = 2;
    CHECK_STATUS(t, c->status_of(Command::read, r, o), NtStatus::SUCCESS);
    r.length = 65536;
    o.credit_charge = 0;
    CHECK_STATUS(t, c->status_of(Command::read, r, o), NtStatus::SUCCESS);
}

void ids_of_a_charge_are_taken(Test& t) {
    REQUIRE(t, c, t.client());
    if (!c->connection->negotiated().multi_credit()) return t.skip("needs multi-credit");
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    for (int i = 0; i < 50 && c->connection->credits() < 8; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    smb::ReadRequest r;
    r.file_id = f->id();
    r.length = 65536 * 4;
    RequestOptions o;
    o.payload = r.length;
    auto read = c->tree->start(Command::read, r, o);
    CHECK_STATUS(t, c->connection->wait(read), NtStatus::SUCCESS);
    // MS-SMB2 3.3.5.2.3: the second of its four ids is gone, so using it ends the connection.
    RequestOptions again;
    again.message_id = read->message_id() + 1;
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}, again), NtStatus::CONNECTION_DISCONNECTED);
    t.server_alive();
}

void used_id(Test& t) {
    REQUIRE(t, c, t.client());
    RequestOptions o;
    o.message_id = 0;  // the NEGOTIATE's
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}, o), NtStatus::CONNECTION_DISCONNECTED);
    t.server_alive();
}

void id_outside_window(Test& t) {
    REQUIRE(t, c, t.client());
    RequestOptions o;
    o.message_id = c->connection->next_message_id() + 100000;
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}, o), NtStatus::CONNECTION_DISCONNECTED);
    t.server_alive();
}

// MS-SMB2 3.3.5.2.3: ids inside the window may come in any order.
void ids_out_of_order(Test& t) {
    REQUIRE(t, c, t.client());
    for (int i = 0; i < 50 && c->connection->credits() < 8; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    CHECK(t, c->connection->credits() >= 8, "only {} credits", c->connection->credits());
    const uint64_t next = c->connection->next_message_id();
    for (uint64_t offset : {5u, 3u, 4u, 0u, 1u, 2u}) {
        RequestOptions o;
        o.message_id = next + offset;
        CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}, o), NtStatus::SUCCESS);
    }
    c->connection->set_next_message_id(next + 6);
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.5.16: CANCEL of nothing has no answer and does no harm.
void cancel_of_nothing(Test& t) {
    REQUIRE(t, c, t.client());
    bool answered = false;
    c->connection->on_frame = [&](Bytes frame) {
        auto header = smb::Header::decode(frame);
        answered |= header.ok() && header->command == Command::cancel;
    };
    for (uint64_t id : {uint64_t{0}, uint64_t{12345678}, ~uint64_t{0} - 1}) {
        smb::Header header;
        header.command = Command::cancel;
        header.message_id = id;
        header.session_id = c->session->id();
        Buffer frame;
        ByteWriter out(frame);
        header.encode(out);
        smb::EmptyMessage{}.encode(out);
        c->connection->send_frame(frame);
    }
    for (int i = 0; i < 5; ++i) CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    c->connection->on_frame = {};
    CHECK(t, !answered, "a CANCEL was answered");
}

void cancel_notify(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, d, client::File::open(*c->tree, t.path(*c, ""), client::OpenOptions::directory(false)));
    smb::ChangeNotifyRequest r;
    r.output_buffer_length = 1000;
    r.file_id = d->id();
    r.completion_filter = smb::notify_change::file_name;
    auto notify = c->tree->start(Command::change_notify, r);
    if (!c->connection->wait_until([&] { return notify->interim() || notify->done(); }, std::chrono::seconds(10))) {
        return t.fail("neither an interim response nor an answer to CHANGE_NOTIFY");
    }
    if (notify->status() == NtStatus::NOT_SUPPORTED) return t.skip("the server has no CHANGE_NOTIFY");
    CHECK_STATUS(t, notify->status(), NtStatus::PENDING);
    CHECK(t, notify->async_id() != 0, "the AsyncId is 0");
    c->connection->cancel(c->session.get(), notify);
    CHECK_STATUS(t, c->connection->wait(notify), NtStatus::CANCELLED);
    CHECK(t, notify->header().is_async() && notify->header().async_id == notify->async_id(), "the answer has another AsyncId");
}

constexpr TestCase tests[] = {
    {"granted", "MS-SMB2 3.3.1.2", granted},
    {"grows_on_demand", "MS-SMB2 3.3.1.2", grows_on_demand},
    {"bounded", "MS-SMB2 3.3.1.1", bounded},
    {"no_credit_asked", "MS-SMB2 3.3.1.2", no_credit_asked},
    {"multi_credit_charge", "MS-SMB2 3.3.5.2.5", multi_credit_charge},
    {"ids_of_a_charge_are_taken", "MS-SMB2 3.3.5.2.3", ids_of_a_charge_are_taken},
    {"used_id", "MS-SMB2 3.3.5.2.3", used_id},
    {"id_outside_window", "MS-SMB2 3.3.5.2.3", id_outside_window},
    {"ids_out_of_order", "MS-SMB2 3.3.5.2.3", ids_out_of_order},
    {"cancel_of_nothing", "MS-SMB2 3.3.5.16", cancel_of_nothing},
    {"cancel_notify", "MS-SMB2 3.3.5.16", cancel_notify},
};

}  // namespace

const Suite credits_suite{"atoll.credits", tests};

}  // namespace Atoll::torture

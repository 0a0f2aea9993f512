// atoll.async: requests that take long (MS-SMB2 3.3.4.2, 3.3.5.16). Something has to hold them: `torture:hold` is a shell command after
// which requests of the test's kind take for ever, `torture:release` one that ends that. torture/harness/interim_test.py knows such
// commands.
#include <algorithm>
#include <cstdlib>

#include "torture/test.h"

namespace Atoll::torture {
namespace {

using smb::Command;

constexpr std::chrono::seconds patience{20};

// What holds requests up, from its making to release() or its end.
class Hold {
 public:
    explicit Hold(const Target& target) : release_(target.option("release")) {
        held_ = !release_.empty() && !target.option("hold").empty() && std::system(target.option("hold").c_str()) == 0;
    }
    ~Hold() { release(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    [[nodiscard]] bool held() const { return held_; }
    bool release() { return !std::exchange(held_, false) || std::system(release_.c_str()) == 0; }

 private:
    std::string release_;
    bool held_ = false;
};

// The responses to one command, as they came.
struct Responses {
    Responses(client::Connection& c, Command command) : connection(c) {
        connection.on_frame = [this, command](Bytes frame) {
            const auto header = smb::Header::decode(frame);
            if (header.ok() && header->command == command) headers.push_back(*header);
            if (header.ok() && header->command == Command::cancel) cancels++;
        };
    }
    ~Responses() { connection.on_frame = {}; }
    [[nodiscard]] bool interim() const { return !headers.empty() && headers.front().status == NtStatus::PENDING; }

    client::Connection& connection;
    std::vector<smb::Header> headers;
    size_t cancels = 0;
};

bool needs_commands(Test& t) {
    if (!t.target.option("hold").empty() && !t.target.option("release").empty()) return false;
    t.skip("needs --option=torture:hold=COMMAND and torture:release");
    return true;
}

// MS-SMB2 3.3.4.2: what the interim response is, and the final one.
void check_pair(Test& t, const Responses& responses, uint64_t message_id, NtStatus final_status) {
    CHECK(t, responses.headers.size() == 2, "{} responses", responses.headers.size());
    const smb::Header& interim = responses.headers[0];
    const smb::Header& final = responses.headers[1];
    CHECK(t, interim.status == NtStatus::PENDING && interim.is_async() && interim.async_id != 0, "the interim response: {}, AsyncId {}",
          to_string(interim.status), interim.async_id);
    CHECK(t, interim.credits > 0, "the interim response grants no credits");
    CHECK(t, !interim.is_signed(), "the interim response is signed (MS-SMB2 3.3.4.1.1)");
    CHECK(t, final.is_async() && final.async_id == interim.async_id, "the final response has AsyncId {}, the interim one {}",
          final.async_id, interim.async_id);
    CHECK(t, interim.message_id == message_id && final.message_id == message_id, "another MessageId");
    CHECK(t, final.status == final_status, "the final response: {}", to_string(final.status));
}

// A large WRITE of a signed session, held up by its file system. Meanwhile others are answered, and a CANCEL, which cannot take back what
// the kernel is at, has no answer of its own.
void held_write(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb2_10) return t.skip("needs multi-credit requests");
    if (needs_commands(t)) return;
    constexpr size_t large = 1 << 20;
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(large, 1)));
    for (int i = 0; i < 50 && c->connection->credits() < 2 * (large >> 16); ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    const auto data = pattern_bytes(large, 2);
    const Responses responses(*c->connection, Command::write);
    Hold hold(t.target);
    CHECK(t, hold.held(), "torture:hold failed");
    auto write = f->start_write(0, data);
    CHECK(t, c->connection->wait_until([&] { return write->interim() || write->done(); }, patience), "no interim response");
    CHECK_STATUS(t, write->status(), NtStatus::PENDING);
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, f->read(0, 1000, back), NtStatus::SUCCESS);
    c->connection->cancel(c->session.get(), write);
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    CHECK_STATUS(t, write->status(), NtStatus::PENDING);
    CHECK(t, hold.release(), "torture:release failed");
    CHECK_STATUS(t, c->connection->wait(write, patience), NtStatus::SUCCESS);
    check_pair(t, responses, write->message_id(), NtStatus::SUCCESS);
    CHECK(t, responses.cancels == 0, "the CANCEL was answered");
    back.clear();
    CHECK_STATUS(t, f->read(0, large, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), data), "the data differ");
}

// MS-SMB2 3.3.5.16: a second log-on on a connection, of which nobody decides, is given up on CANCEL; the first session goes on.
void cancelled_log_on(Test& t) {
    if (needs_commands(t)) return;
    REQUIRE(t, c, t.client());
    const Responses responses(*c->connection, Command::session_setup);
    Hold hold(t.target);
    CHECK(t, hold.held(), "torture:hold failed");
    client::Session second(*c->connection);
    auto outcome = std::make_shared<std::optional<NtStatus>>();
    second.start_log_on(t.target.credentials(), {}, [outcome](NtStatus status) { *outcome = status; });
    const auto pending = [&] { return std::ranges::find(responses.headers, NtStatus::PENDING, &smb::Header::status); };
    CHECK(t, c->connection->wait_until([&] { return pending() != responses.headers.end() || outcome->has_value(); }, patience),
          "no interim response");
    CHECK(t, !outcome->has_value(), "the log-on ended: {}", to_string(**outcome));
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    const smb::Header interim = *pending();
    smb::Header cancel;
    cancel.command = Command::cancel;
    cancel.flags = smb::header_flags::async_command;
    cancel.async_id = interim.async_id;
    cancel.message_id = interim.message_id;
    cancel.session_id = second.id();
    Buffer frame;
    ByteWriter out(frame);
    cancel.encode(out);
    smb::EmptyMessage{}.encode(out);
    c->connection->send_frame(frame);
    CHECK(t, c->connection->wait_until([&] { return outcome->has_value(); }, patience), "CANCEL does not end the log-on");
    CHECK_STATUS(t, **outcome, NtStatus::CANCELLED);
    CHECK(t, responses.headers.back().is_async() && responses.headers.back().async_id == interim.async_id, "another AsyncId");
    CHECK(t, hold.release(), "torture:release failed");
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    t.server_alive();
}

// Holds a file that is to be deleted on close, and one that is not, until the server's process of this connection ends: torture:hold is its
// end.
void ended_by_the_server(Test& t) {
    if (needs_commands(t)) return;
    REQUIRE(t, c, t.client());
    client::OpenOptions doomed;
    doomed.access = smb::access_mask::file_generic_read | 0x00010000;  // DELETE
    doomed.disposition = smb::CreateDisposition::create;
    doomed.options = 0x00001000;  // FILE_DELETE_ON_CLOSE
    REQUIRE(t, f, client::File::open(*c->tree, t.path(*c, "doomed"), doomed));
    REQUIRE(t, g, t.file(*c, "kept", pattern_bytes(10)));
    const Hold hold(t.target);
    CHECK(t, hold.held(), "torture:hold failed");
    CHECK(t, c->connection->wait_until([&] { return !c->connection->alive(); }, patience), "the connection goes on");
}

constexpr TestCase tests[] = {
    {"held_write", "MS-SMB2 3.3.4.2", held_write},
    {"ended_by_the_server", "MS-SMB2 3.3.7.1", ended_by_the_server},
    {"cancelled_log_on", "MS-SMB2 3.3.5.16", cancelled_log_on},
};

}  // namespace

const Suite async_suite{"atoll.async", tests};

}  // namespace Atoll::torture

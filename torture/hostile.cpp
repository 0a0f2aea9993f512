// atoll.hostile: frames that no honest client sends. The answer is the error that the specification names or a closed connection, and
// afterwards the server serves others as before. Names that try to leave the share are in hostile_names.cpp.
#include <algorithm>

#include "libcli/smb/error.h"
#include "libcli/smb/ioctl.h"
#include "torture/hostile.h"
#include "torture/memory.h"

namespace Atoll::torture {
namespace {

using client::CreateCall;
using client::RequestOptions;
using smb::Command;

// A frame of the client's own as it would go out, without sending it.
Buffer captured(Client& c, Command command, const std::function<void(ByteWriter&)>& body) {
    Buffer frame;
    ByteWriter out(frame);
    smb::Header header;
    header.command = command;
    header.credit_charge = c.connection->negotiated().multi_credit() ? 1 : 0;
    header.credits = 1;
    header.session_id = c.session->id();
    header.tree_id = c.tree->id();
    header.message_id = c.connection->next_message_id();
    header.encode(out);
    body(out);
    return frame;
}

// One well-formed request of each command, to be spoiled.
std::vector<std::pair<Command, Buffer>> every_request(Client& c, const smb::FileId& id) {
    std::vector<std::pair<Command, Buffer>> all;
    auto add = [&](Command command, const auto& body) {
        all.emplace_back(command, captured(c, command, [&](ByteWriter& out) { body.encode(out); }));
    };
    const auto data = pattern_bytes(40);
    add(Command::create, CreateCall("some name", {}));
    add(Command::close, smb::CloseRequest{0, id});
    add(Command::flush, smb::FlushRequest{id});
    smb::ReadRequest read;
    read.length = 10;
    read.file_id = id;
    add(Command::read, read);
    smb::WriteRequest write;
    write.file_id = id;
    write.data = data;
    add(Command::write, write);
    Buffer elements;
    ByteWriter element_out(elements);
    smb::LockRequest::encode_element(element_out, {0, 1, smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately});
    smb::LockRequest lock;
    lock.file_id = id;
    lock.elements = elements;
    add(Command::lock, lock);
    smb::IoctlRequest ioctl;
    ioctl.ctl_code = smb::ControlCode::srv_request_resume_key;
    ioctl.file_id = id;
    ioctl.input = data;
    ioctl.max_output_response = 100;
    ioctl.flags = smb::ioctl_flags::is_fsctl;
    add(Command::ioctl, ioctl);
    Buffer name = *utf8_to_utf16le("*");
    add(Command::query_directory, smb::QueryDirectoryRequest{smb::FileInformationClass::both_directory, 0, 0, id, name, 1000});
    add(Command::change_notify, smb::ChangeNotifyRequest{0, 1000, id, 1});
    smb::QueryInfoRequest query;
    query.info_class = 18;
    query.output_buffer_length = 1000;
    query.file_id = id;
    add(Command::query_info, query);
    smb::SetInfoRequest set;
    set.info_class = 20;
    set.file_id = id;
    set.buffer = Bytes(data).first(8);
    add(Command::set_info, set);
    add(Command::oplock_break, smb::OplockBreak{smb::OplockLevel::none, id});
    Buffer path = *utf8_to_utf16le("\\\\server\\share");
    smb::TreeConnectRequest tree;
    tree.path = path;
    add(Command::tree_connect, tree);
    add(Command::echo, smb::EmptyMessage{});
    return all;
}

// Sends a frame and waits until it is answered or the connection ends.
NtStatus send_spoiled(client::Connection& connection, Bytes frame) {
    std::optional<NtStatus> answer;
    connection.on_frame = [&](Bytes reply) {
        auto header = smb::Header::decode(reply);
        if (header.ok() && header->status != NtStatus::PENDING) answer = header->status;
    };
    connection.send_frame(frame);
    connection.wait_until([&] { return answer || !connection.alive(); }, std::chrono::seconds(3));
    connection.on_frame = {};
    if (answer) return *answer;
    return connection.alive() ? NtStatus::IO_TIMEOUT : NtStatus::CONNECTION_DISCONNECTED;
}

// The same, signed as the session wants it: where signing is required nothing else would be looked at.
NtStatus send_spoiled(Client& c, Bytes frame) {
    Buffer copy;
    copy.append(frame);
    if (c.session->should_sign() && copy.size() >= smb::header_size) {
        copy[16] |= static_cast<uint8_t>(smb::header_flags::is_signed);
        c.session->signer()->sign(copy.mutable_bytes());
    }
    return send_spoiled(*c.connection, copy);
}

std::unique_ptr<Client> fresh(Test& t, std::optional<client::File>& file) {
    auto c = t.client();
    if (!c) return nullptr;
    file = t.file(*c, "f", pattern_bytes(100));
    return file ? std::move(c) : nullptr;
}

// Every command cut at every length of its fixed part and a few beyond.
void truncated_requests(Test& t) {
    std::optional<client::File> file;
    REQUIRE(t, c, fresh(t, file));
    const size_t commands = every_request(*c, file->id()).size();
    for (size_t i = 0; i < commands; ++i) {
        for (size_t length : {64u, 65u, 66u, 67u, 68u, 72u, 80u, 90u, 100u, 110u, 119u}) {
            if (!c || !c->connection->alive()) c = fresh(t, file);
            if (!c) return;
            auto [command, frame] = std::move(every_request(*c, file->id())[i]);
            if (length >= frame.size()) continue;
            // What is cut off must be more than padding for it to be an error.
            const size_t fixed = smb::header_size + (load_le<uint16_t>(frame.data() + smb::header_size) & ~1u);
            const NtStatus status = send_spoiled(*c, frame.bytes().first(length));
            c->connection->set_next_message_id(c->connection->next_message_id() + 1);
            const bool refused = is_error(status) && status != NtStatus::IO_TIMEOUT;
            CHECK(t, refused || length >= fixed, "{} cut to {} bytes: {}", smb::to_string(command), length, to_string(status));
        }
    }
    t.server_alive();
}

// MS-SMB2 3.3.5.2: another StructureSize.
void wrong_structure_size(Test& t) {
    std::optional<client::File> file;
    REQUIRE(t, c, fresh(t, file));
    const size_t commands = every_request(*c, file->id()).size();
    for (size_t i = 0; i < commands; ++i) {
        for (uint16_t size : {uint16_t{0}, uint16_t{1}, uint16_t{0xFFFF}, uint16_t{64}}) {
            if (!c || !c->connection->alive()) c = fresh(t, file);
            if (!c) return;
            auto [command, frame] = std::move(every_request(*c, file->id())[i]);
            store_le<uint16_t>(frame.data() + smb::header_size, size);
            const NtStatus status = send_spoiled(*c, frame);
            c->connection->set_next_message_id(c->connection->next_message_id() + 1);
            // A server that has not the command at all may say so first.
            CHECK(t, one_of(status, {NtStatus::INVALID_PARAMETER, NtStatus::CONNECTION_DISCONNECTED, NtStatus::NOT_SUPPORTED}),
                  "{} with StructureSize {}: {}", smb::to_string(command), size, to_string(status));
        }
    }
    t.server_alive();
}

// Offsets and lengths that point out of the message, into its fixed part, or wrap around.
void bad_offsets(Test& t) {
    struct Field {
        Command command;
        size_t offset;  // of the offset field in the message
        size_t offset_size;
        size_t length;  // of the length field
        size_t length_size;
    };
    const Field fields[] = {
        {Command::create, 64 + 44, 2, 64 + 46, 2},
        {Command::create, 64 + 48, 4, 64 + 52, 4},
        {Command::write, 64 + 2, 2, 64 + 4, 4},
        {Command::ioctl, 64 + 24, 4, 64 + 28, 4},
        {Command::query_directory, 64 + 24, 2, 64 + 26, 2},
        {Command::set_info, 64 + 8, 2, 64 + 4, 4},
        {Command::tree_connect, 64 + 4, 2, 64 + 6, 2},
    };
    const std::pair<uint32_t, uint32_t> values[] = {{0xFFFFFFF8, 8}, {0xFFFFFFF8, 0xFFFFFFFE}, {64, 16},
                                                    {0, 16},         {120, 0xFFFFFFFE},        {0xFFFFFFFF, 0xFFFFFFFF}};
    std::optional<client::File> file;
    REQUIRE(t, c, fresh(t, file));
    for (const Field& field : fields) {
        for (auto [offset, length] : values) {
            if (!c || !c->connection->alive()) c = fresh(t, file);
            if (!c) return;
            for (auto& [command, frame] : every_request(*c, file->id())) {
                if (command != field.command) continue;
                std::memcpy(frame.data() + field.offset, &offset, field.offset_size);
                std::memcpy(frame.data() + field.length, &length, field.length_size);
                const NtStatus status = send_spoiled(*c, frame);
                c->connection->set_next_message_id(c->connection->next_message_id() + 1);
                CHECK(t, is_error(status) && status != NtStatus::IO_TIMEOUT, "{} with offset {:#x} and length {:#x}: {}",
                      smb::to_string(command), offset, length, to_string(status));
            }
        }
    }
    t.server_alive();
}

// Frames with single bits turned, before and after log-on. Any answer will do but none at all.
void flipped_bits(Test& t) {
    const auto turns = static_cast<uint32_t>(std::stoul(t.target.option("flips", "400")));
    std::optional<client::File> file;
    std::unique_ptr<Client> c;
    uint32_t random = 12345;
    for (uint32_t i = 0; i < turns; ++i) {
        if (!c || !c->connection->alive()) c = fresh(t, file);
        if (!c) return;
        auto requests = every_request(*c, file->id());
        random = random * 1664525u + 1013904223u;
        Buffer& frame = requests[(random >> 8) % requests.size()].second;
        random = random * 1664525u + 1013904223u;
        // The body; MessageId, SessionId and the command would only change which error it is.
        const size_t bit = (random >> 4) % ((frame.size() - smb::header_size) * 8) + smb::header_size * 8;
        frame[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        const NtStatus status = send_spoiled(*c, frame);
        c->connection->set_next_message_id(c->connection->next_message_id() + 1);
        // A CHANGE_NOTIFY waits, and so may a lock.
        const bool waits = load_le<uint16_t>(frame.data() + 12) == static_cast<uint16_t>(Command::change_notify) ||
                           load_le<uint16_t>(frame.data() + 12) == static_cast<uint16_t>(Command::lock);
        CHECK(t, status != NtStatus::IO_TIMEOUT || waits, "bit {} of {}: no answer", bit,
              smb::to_string(static_cast<Command>(load_le<uint16_t>(frame.data() + 12))));
        if (status == NtStatus::IO_TIMEOUT) c.reset();
    }
    t.server_alive();
}

void flipped_header_bits(Test& t) {
    REQUIRE(t, first, t.client());
    std::unique_ptr<Client> c = std::move(first);
    for (size_t bit = 0; bit < 64 * 8; bit += 3) {
        if (!c || !c->connection->alive()) c = t.client();
        if (!c) return;
        Buffer frame = captured(*c, Command::echo, [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
        frame[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        // A bit of the command or of async may make it a request without an answer: what counts is that the server goes on.
        c->connection->send_frame(frame);
        c->connection->wait_until([&] { return !c->connection->alive(); }, std::chrono::milliseconds(5));
        c.reset();
    }
    t.server_alive();
}

void bits_before_log_on(Test& t) {
    Buffer negotiate;
    {
        REQUIRE(t, connection, t.connect());
        connection->before_send = [&](Buffer& frame) { negotiate.assign(frame); };
        CHECK_STATUS(t, connection->negotiate(t.negotiate_options()), NtStatus::SUCCESS);
    }
    for (size_t bit = 0; bit < negotiate.size() * 8; bit += 5) {
        REQUIRE(t, connection, t.connect());
        Buffer frame;
        frame.assign(negotiate);
        frame[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
        connection->send_frame(frame);
        connection->wait_until([&] { return !connection->alive(); }, std::chrono::milliseconds(3));
    }
    t.server_alive();
}

// SESSION_SETUP with tokens that are cut, flipped, repeated or random.
void bad_tokens(Test& t) {
    std::vector<std::vector<uint8_t>> tokens = {
        {}, {0x60}, {0x60, 0xFF}, {0x60, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, pattern_bytes(100), pattern_bytes(60000)};
    auth::Initiator initiator(t.target.credentials());
    const auto good = initiator.start();
    for (size_t n = 1; n < good.size(); n += 3) tokens.emplace_back(good.begin(), good.begin() + static_cast<ptrdiff_t>(n));
    for (size_t bit = 0; bit < good.size() * 8; bit += 11) {
        tokens.push_back(good);
        tokens.back()[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    }
    // Nested as deep as fits.
    tokens.emplace_back(4000, uint8_t{0x30});
    for (const auto& token : tokens) {
        REQUIRE(t, connection, t.negotiate());
        smb::SessionSetupRequest request;
        request.security_mode = 1;
        request.security_buffer = token;
        client::Compound compound(*connection);
        auto exchange = compound.add(nullptr, 0, Command::session_setup, request);
        compound.send();
        const NtStatus status = connection->wait(exchange, std::chrono::seconds(10));
        CHECK(t, status != NtStatus::IO_TIMEOUT, "a token of {} bytes: no answer", token.size());
        CHECK(t, status != NtStatus::SUCCESS, "a token of {} bytes logs on", token.size());
    }
    t.server_alive();
}

// Lengths of the transport that lie, and frames that are none (MS-SMB2 2.1).
void bad_transport(Test& t) {
    const std::vector<std::vector<uint8_t>> all = {{0, 0, 0, 0},
                                                   {0, 0, 0, 1, 0xFE},
                                                   {0, 0, 0, 4, 0xFE, 'S', 'M', 'B'},
                                                   {0, 0, 0, 63},
                                                   {0xFF, 0xFF, 0xFF, 0xFF},
                                                   {0x81, 0, 0, 68},
                                                   {0x85, 0, 0, 0},
                                                   {0, 0xFF, 0xFF, 0xFF},
                                                   {'G', 'E', 'T', ' ', '/', '\r', '\n'},
                                                   {0, 0, 0, 4, 0xFD, 'S', 'M', 'B'},
                                                   {0, 0, 0, 4, 0xFC, 'S', 'M', 'B'},
                                                   {0, 0, 0, 4, 0xFF, 'S', 'M', 'B'}};
    for (const auto& bytes : all) {
        REQUIRE(t, connection, t.connect());
        connection->send_bytes(bytes);
        connection->send_bytes(pattern_bytes(300));
        connection->wait_until([&] { return !connection->alive(); }, std::chrono::milliseconds(100));
    }
    t.server_alive();
}

// MS-SMB2 3.3.5.2: a request of a command without a payload that is longer than 68 KiB ends the connection, before log-on and after.
void oversized(Test& t) {
    REQUIRE(t, before, t.negotiate());
    REQUIRE(t, after, t.client());
    for (client::Connection* connection : {before.get(), after->connection.get()}) {
        const bool logged_on = connection == after->connection.get();
        Buffer frame;
        ByteWriter out(frame);
        smb::Header header;
        header.command = logged_on ? Command::create : Command::session_setup;
        header.message_id = connection->next_message_id();
        header.session_id = logged_on ? after->session->id() : 0;
        header.tree_id = logged_on ? after->tree->id() : 0;
        header.encode(out);
        out.zeros((1u << 20) - smb::header_size);
        connection->send_frame(frame);
        connection->wait_until([&] { return !connection->alive(); }, std::chrono::seconds(3));
        CHECK(t, !connection->alive(), "{} of 1 MiB: the connection goes on", smb::to_string(header.command));
    }
    t.server_alive();
}

// One byte at a time is slow, not wrong.
void dribbled(Test& t) {
    REQUIRE(t, c, t.client());
    Buffer frame = captured(*c, Command::echo, [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
    if (c->session->should_sign()) {
        frame[16] |= static_cast<uint8_t>(smb::header_flags::is_signed);
        c->session->signer()->sign(frame.mutable_bytes());
    }
    std::optional<NtStatus> answer;
    c->connection->on_frame = [&](Bytes reply) {
        if (auto header = smb::Header::decode(reply); header.ok()) answer = header->status;
    };
    const uint8_t length[4] = {0, 0, 0, static_cast<uint8_t>(frame.size())};
    for (uint8_t b : length) c->connection->send_bytes({&b, 1});
    for (size_t i = 0; i < frame.size(); ++i) c->connection->send_bytes(frame.bytes().subspan(i, 1));
    c->connection->wait_until([&] { return answer.has_value(); }, std::chrono::seconds(5));
    c->connection->on_frame = {};
    CHECK(t, answer == NtStatus::SUCCESS, "{}", answer ? to_string(*answer) : "no answer");
}

// MS-SMB2 3.3.5.2.7: NextCommand that is not a multiple of 8, points into its own header, or out of the frame.
void bad_next_command(Test& t) {
    for (uint32_t next : {1u, 8u, 63u, 68u, 71u, 1000u, 0xFFFFFFF8u, 0x80000000u}) {
        REQUIRE(t, c, t.client());
        Buffer frame = captured(*c, Command::echo, [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
        frame.append_zeros(100);
        store_le<uint32_t>(frame.data() + 20, next);
        const NtStatus status = send_spoiled(*c, frame);
        CHECK(t, one_of(status, {NtStatus::INVALID_PARAMETER, NtStatus::CONNECTION_DISCONNECTED}), "NextCommand {:#x}: {}", next,
              to_string(status));
    }
    t.server_alive();
}

// A frame of as many messages as fit.
void endless_compound(Test& t) {
    REQUIRE(t, c, t.client());
    Buffer frame;
    for (int i = 0; i < 2000; ++i) {
        Buffer one = captured(*c, Command::echo, [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
        one.append_zeros(4);
        if (i < 1999) store_le<uint32_t>(one.data() + 20, static_cast<uint32_t>(one.size()));
        store_le<uint64_t>(one.data() + 24, c->connection->next_message_id() + static_cast<uint64_t>(i));
        frame.append(one);
    }
    const NtStatus status = send_spoiled(*c, frame);
    CHECK(t, status != NtStatus::IO_TIMEOUT, "no answer");
    t.server_alive();
}

// A signed frame sent again: its id is used up (MS-SMB2 3.3.5.2.3).
void replayed_frame(Test& t) {
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    Buffer sent;
    c->connection->before_send = [&](Buffer& frame) { sent.assign(frame); };
    CHECK_STATUS(t, c->status_of(Command::echo, smb::EmptyMessage{}), NtStatus::SUCCESS);
    c->connection->before_send = {};
    CHECK_STATUS(t, send_spoiled(*c->connection, sent), NtStatus::CONNECTION_DISCONNECTED);
    t.server_alive();
}

// The same on another connection, whose keys are others (MS-SMB2 3.3.5.2.4, 3.3.5.2.9).
void replayed_on_another_connection(Test& t) {
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    Buffer sent;
    c->connection->before_send = [&](Buffer& frame) { sent.assign(frame); };
    CHECK_STATUS(t, c->status_of(Command::create, CreateCall("", {})), NtStatus::SUCCESS);
    c->connection->before_send = {};
    REQUIRE(t, other, t.client(l));
    store_le<uint64_t>(sent.data() + 24, other->connection->next_message_id());
    const NtStatus status = send_spoiled(*other->connection, sent);
    CHECK(t, one_of(status, {NtStatus::USER_SESSION_DELETED, NtStatus::ACCESS_DENIED, NtStatus::CONNECTION_DISCONNECTED}), "{}",
          to_string(status));
    t.server_alive();
}

// A sealed frame for a session that is not there, and one of garbage.
void forged_sealed_frames(Test& t) {
    for (int variant = 0; variant < 3; ++variant) {
        REQUIRE(t, c, t.client());
        smb::TransformHeader h;
        h.session_id = variant == 0 ? 0x1234567890 : c->session->id();
        h.original_message_size = variant == 2 ? 0xFFFFFFFF : 100;
        Buffer frame;
        ByteWriter out(frame);
        h.encode(out);
        out.bytes(pattern_bytes(100));
        const NtStatus status = send_spoiled(*c->connection, frame);
        CHECK(t, is_error(status) && status != NtStatus::IO_TIMEOUT, "variant {}: {}", variant, to_string(status));
    }
    t.server_alive();
}

// MS-SMB2 3.3.5.2.6: a code that is no command's ends the connection without an answer. SERVER_TO_CLIENT_NOTIFICATION (19) is a command,
// but not a client's.
void unknown_command(Test& t) {
    for (uint16_t command : {uint16_t{19}, uint16_t{20}, uint16_t{255}, uint16_t{0xFFFF}}) {
        REQUIRE(t, c, t.client());
        Buffer frame = captured(*c, static_cast<Command>(command), [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
        const NtStatus status = send_spoiled(*c, frame);
        const bool refused = command == 19 && one_of(status, {NtStatus::INVALID_PARAMETER, NtStatus::NOT_SUPPORTED});
        CHECK(t, refused || status == NtStatus::CONNECTION_DISCONNECTED, "command {}: {}", command, to_string(status));
    }
    t.server_alive();
}

// A response where requests are expected: forbidden to clients by MS-SMB2 2.2.1.2, which does not say what the server answers.
void response_as_request(Test& t) {
    REQUIRE(t, c, t.client());
    Buffer frame = captured(*c, Command::echo, [](ByteWriter& out) { smb::EmptyMessage{}.encode(out); });
    store_le<uint32_t>(frame.data() + 16, smb::header_flags::server_to_redir);
    CHECK_STATUS_ONE_OF(t, send_spoiled(*c, frame), NtStatus::CONNECTION_DISCONNECTED, NtStatus::INVALID_PARAMETER);
    t.server_alive();
}

void forged_file_ids(Test& t) {
    REQUIRE(t, a, t.client());
    REQUIRE(t, b, t.client());
    REQUIRE(t, f, t.file(*a, "f", pattern_bytes(100)));
    smb::ReadRequest r;
    r.length = 10;
    for (uint64_t persistent : {f->id().persistent_id, uint64_t{0}, ~uint64_t{0} - 1}) {
        for (uint64_t volatile_id : {f->id().volatile_id, f->id().volatile_id + 1, uint64_t{0}, ~uint64_t{0} - 1}) {
            r.file_id = {persistent, volatile_id};
            auto read = b->tree->start(Command::read, r);
            const NtStatus status = b->connection->wait(read);
            CHECK(t, status == NtStatus::FILE_CLOSED, "another client's id {:#x}, {:#x}: {}", persistent, volatile_id, to_string(status));
        }
    }
    t.server_alive();
}

// Requests for more than is there to give: the biggest lengths that the fields hold.
void huge_lengths(Test& t) {
    std::optional<client::File> file;
    REQUIRE(t, c, fresh(t, file));
    smb::ReadRequest read;
    read.file_id = file->id();
    read.length = 0xFFFFFFFF;
    CHECK_STATUS(t, c->status_of(Command::read, read), NtStatus::INVALID_PARAMETER);
    smb::QueryInfoRequest query;
    query.info_class = 18;
    query.output_buffer_length = 0xFFFFFFFF;
    query.file_id = file->id();
    CHECK_STATUS(t, c->status_of(Command::query_info, query), NtStatus::INVALID_PARAMETER);
    smb::IoctlRequest ioctl;
    ioctl.ctl_code = smb::ControlCode::srv_request_resume_key;
    ioctl.file_id = file->id();
    ioctl.max_output_response = 0xFFFFFFFF;
    ioctl.flags = smb::ioctl_flags::is_fsctl;
    CHECK_STATUS(t, c->status_of(Command::ioctl, ioctl), NtStatus::INVALID_PARAMETER);
    t.server_alive();
}

// Attacks, again and again: the server's memory must not follow.
void memory_growth(Test& t) {
    const std::string session = t.target.option("server_session");
    if (session.empty()) return t.skip("needs --option=torture:server_session=UNIX session of the server's processes");
    auto attack = [&] {
        for (int i = 0; i < 60 && !t.ended(); ++i) {
            auto connection = t.negotiate();
            if (!connection) return;
            smb::SessionSetupRequest request;
            const auto token = pattern_bytes(60000, static_cast<uint32_t>(i));
            request.security_buffer = token;
            client::Compound compound(*connection);
            auto exchange = compound.add(nullptr, 0, Command::session_setup, request);
            compound.send();
            (void)connection->wait(exchange, std::chrono::seconds(10));
        }
        auto c = t.client();
        if (!c) return;
        for (int i = 0; i < 2000; ++i) (void)c->status_of(Command::create, CreateCall("no such file " + std::to_string(i), {}));
    };
    attack();
    const size_t before = resident_at_rest(t, session);
    for (int i = 0; i < 3; ++i) attack();
    const size_t after = resident_at_rest(t, session);
    CHECK(t, before > 0, "there is no process of session {}", session);
    CHECK(t, after < before + (8u << 20), "memory grew from {} to {} bytes", before, after);
    t.server_alive();
}

constexpr TestCase tests[] = {
    {"truncated_requests", "MS-SMB2 3.3.5.2", truncated_requests},
    {"wrong_structure_size", "MS-SMB2 3.3.5.2.6", wrong_structure_size},
    {"bad_offsets", "MS-SMB2 3.3.5.9, 3.3.5.13, 3.3.5.15", bad_offsets},
    {"flipped_bits", "MS-SMB2 3.3.5.2", flipped_bits},
    {"flipped_header_bits", "MS-SMB2 3.3.5.2", flipped_header_bits},
    {"bits_before_log_on", "MS-SMB2 3.3.5.4", bits_before_log_on},
    {"bad_tokens", "MS-SMB2 3.3.5.5.3, MS-SPNG 3.2", bad_tokens},
    {"bad_transport", "MS-SMB2 2.1", bad_transport},
    {"oversized", "MS-SMB2 3.3.5.2", oversized},
    {"dribbled", "MS-SMB2 2.1", dribbled},
    {"bad_next_command", "MS-SMB2 3.3.5.2.7", bad_next_command},
    {"endless_compound", "MS-SMB2 3.3.5.2.7", endless_compound},
    {"replayed_frame", "MS-SMB2 3.3.5.2.3", replayed_frame},
    {"replayed_on_another_connection", "MS-SMB2 3.3.5.2.4", replayed_on_another_connection},
    {"forged_sealed_frames", "MS-SMB2 3.3.5.2.1.1", forged_sealed_frames},
    {"unknown_command", "MS-SMB2 3.3.5.2.6", unknown_command},
    {"response_as_request", "MS-SMB2 2.2.1.2", response_as_request},
    {"forged_file_ids", "MS-SMB2 3.3.5.2.10", forged_file_ids},
    {"huge_lengths", "MS-SMB2 3.3.5.12, 3.3.5.15, 3.3.5.20", huge_lengths},
    {"parent_directory", "MS-FSCC 2.1.5.1", parent_directory},
    {"absolute_names", "MS-SMB2 3.3.5.9", absolute_names},
    {"symlinks_that_leave", "MS-SMB2 3.3.5.9", symlinks_that_leave},
    {"nul_in_name", "MS-FSCC 2.1.5.2", nul_in_name},
    {"invalid_utf16", "MS-FSCC 2.1.5.2", invalid_utf16},
    {"long_names", "MS-FSCC 2.1.5.2", long_names},
    {"rename_out", "MS-FSA 2.1.5.15.12", rename_out},
    {"memory_growth", "MS-SMB2 3.3.1", memory_growth},
};

}  // namespace

const Suite hostile_suite{"atoll.hostile", tests};

}  // namespace Atoll::torture

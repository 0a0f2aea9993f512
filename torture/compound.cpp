// atoll.compound: several requests in one frame.
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using client::Compound;
using client::CreateCall;
using client::ExchangePtr;
using client::RequestOptions;
using smb::Command;

constexpr uint32_t read_attributes = smb::access_mask::file_read_attributes;

RequestOptions related() {
    RequestOptions o;
    o.related = true;
    return o;
}

smb::QueryInfoRequest query_standard(const smb::FileId& id) {
    smb::QueryInfoRequest q;
    q.info_class = static_cast<uint8_t>(smb::FileInformationClass::standard);
    q.output_buffer_length = 1000;
    q.file_id = id;
    return q;
}

void related_create_query_close(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(123)));
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "f"), {.access = read_attributes}));
    auto query = c->tree->add(compound, Command::query_info, query_standard(smb::FileId::related()), related());
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    CHECK_STATUS(t, c->connection->wait(create), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(query), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(close), NtStatus::SUCCESS);
    REQUIRE(t, output, query->decode<smb::OutputBufferResponse>());
    REQUIRE(t, info, smb::FileStandardInformation::decode(output->output));
    CHECK(t, info->end_of_file == 123, "size {}", info->end_of_file);
}

void related_write_read(Test& t) {
    REQUIRE(t, c, t.client());
    const auto data = pattern_bytes(1001);
    smb::WriteRequest write;
    write.file_id = smb::FileId::related();
    write.data = data;
    smb::ReadRequest read;
    read.file_id = smb::FileId::related();
    read.length = 2000;
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "f"), client::OpenOptions::write()));
    auto written = c->tree->add(compound, Command::write, write, related());
    auto got = c->tree->add(compound, Command::read, read, related());
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    for (auto& e : {create, written, got, close}) CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
    REQUIRE(t, response, got->decode<smb::ReadResponse>());
    CHECK(t, std::ranges::equal(response->data, data), "the data differ");
}

// MS-SMB2 3.3.5.2.7.2: when the CREATE fails, the related requests fail as it does.
void failure_goes_on(Test& t) {
    REQUIRE(t, c, t.client());
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "is not there"), {.access = read_attributes}));
    auto query = c->tree->add(compound, Command::query_info, query_standard(smb::FileId::related()), related());
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    for (auto& e : {create, query, close}) CHECK_STATUS(t, c->connection->wait(e), NtStatus::OBJECT_NAME_NOT_FOUND);
}

void unrelated(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(5)));
    REQUIRE(t, g, t.file(*c, "g", pattern_bytes(6)));
    Compound compound(*c->connection);
    auto a = c->tree->add(compound, Command::query_info, query_standard(f->id()));
    auto missing = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "is not there"), {.access = read_attributes}));
    auto b = c->tree->add(compound, Command::query_info, query_standard(g->id()));
    compound.send();
    CHECK_STATUS(t, c->connection->wait(a), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(missing), NtStatus::OBJECT_NAME_NOT_FOUND);
    CHECK_STATUS(t, c->connection->wait(b), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.5.2.7.2: the first request of a frame relates to nothing, and so has no session whose key could sign the answer.
void first_is_related(Test& t) {
    REQUIRE(t, c, t.client());
    Compound compound(*c->connection);
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    const NtStatus status = c->connection->wait(close);
    const bool refused = close->header().status == NtStatus::INVALID_PARAMETER || status == NtStatus::CONNECTION_DISCONNECTED;
    CHECK(t, is_error(status) && refused, "{}", to_string(status));
}

// MS-SMB2 3.3.5.2.7.2: session and tree of a related request are those of the one before, whatever it says.
void related_takes_session_and_tree(Test& t) {
    REQUIRE(t, c, t.client());
    RequestOptions o = related();
    o.session_id = ~uint64_t{0};
    o.tree_id = ~uint32_t{0};
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, ""), {.access = read_attributes}));
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, o);
    compound.send();
    CHECK_STATUS(t, c->connection->wait(create), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(close), NtStatus::SUCCESS);
}

void two_creates(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(5)));
    REQUIRE(t, g, t.file(*c, "g", pattern_bytes(6)));
    Compound compound(*c->connection);
    auto first = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "f"), {.access = read_attributes}));
    auto first_close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    auto second = c->tree->add(compound, Command::create, CreateCall(t.path(*c, "g"), {.access = read_attributes}), related());
    auto query = c->tree->add(compound, Command::query_info, query_standard(smb::FileId::related()), related());
    auto second_close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    for (auto& e : {first, first_close, second, query, second_close}) CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
    REQUIRE(t, output, query->decode<smb::OutputBufferResponse>());
    REQUIRE(t, info, smb::FileStandardInformation::decode(output->output));
    CHECK(t, info->end_of_file == 6, "size {}", info->end_of_file);
}

void signed_compound(Test& t) {
    client::LogOnOptions l;
    l.sign = true;
    REQUIRE(t, c, t.client(l));
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, ""), {.access = read_attributes}));
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    // Each response is verified with its padding (MS-SMB2 3.1.4.1).
    CHECK_STATUS(t, c->connection->wait(create), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(close), NtStatus::SUCCESS);
}

void sealed_compound(Test& t) {
    if (t.target.max_dialect < smb::Dialect::smb3_00) return t.skip("needs SMB 3.0");
    client::LogOnOptions l;
    l.seal = true;
    REQUIRE(t, c, t.client(l));
    Compound compound(*c->connection);
    auto create = c->tree->add(compound, Command::create, CreateCall(t.path(*c, ""), {.access = read_attributes}));
    auto close = c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related());
    compound.send();
    CHECK_STATUS(t, c->connection->wait(create), NtStatus::SUCCESS);
    CHECK_STATUS(t, c->connection->wait(close), NtStatus::SUCCESS);
}

// MS-SMB2 3.3.4.1.3: responses of a compound that stand in one frame begin at multiples of 8.
void responses_are_aligned(Test& t) {
    REQUIRE(t, c, t.client());
    if (c->session->should_seal()) return t.skip("looks at frames in clear");
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(5)));
    bool misaligned = false;
    c->connection->on_frame = [&](Bytes frame) {
        smb::CompoundReader reader(frame);
        while (auto part = reader.next()) misaligned |= part->offset % 8 != 0;
        misaligned |= reader.malformed();
    };
    smb::ReadRequest read;
    read.file_id = f->id();
    read.length = 5;
    Compound compound(*c->connection);
    std::vector<ExchangePtr> all;
    for (int i = 0; i < 4; ++i) all.push_back(c->tree->add(compound, Command::read, read));
    compound.send();
    for (auto& e : all) CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
    c->connection->on_frame = {};
    CHECK(t, !misaligned, "a response is not aligned");
}

void long_compound(Test& t) {
    REQUIRE(t, c, t.client());
    for (int i = 0; i < 50 && c->connection->credits() < 20; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    CHECK(t, c->connection->credits() >= 20, "only {} credits", c->connection->credits());
    Compound compound(*c->connection);
    std::vector<ExchangePtr> all;
    for (int i = 0; i < 10; ++i) {
        all.push_back(c->tree->add(compound, Command::create, CreateCall(t.path(*c, ""), {.access = read_attributes})));
        all.push_back(c->tree->add(compound, Command::close, smb::CloseRequest{0, smb::FileId::related()}, related()));
    }
    compound.send();
    for (auto& e : all) CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
}

constexpr TestCase tests[] = {
    {"related_create_query_close", "MS-SMB2 3.3.5.2.7.2", related_create_query_close},
    {"related_write_read", "MS-SMB2 3.3.5.2.7.2", related_write_read},
    {"failure_goes_on", "MS-SMB2 3.3.5.2.7.2", failure_goes_on},
    {"unrelated", "MS-SMB2 3.3.5.2.7.1", unrelated},
    {"first_is_related", "MS-SMB2 3.3.5.2.7.2", first_is_related},
    {"related_takes_session_and_tree", "MS-SMB2 3.3.5.2.7.2", related_takes_session_and_tree},
    {"two_creates", "MS-SMB2 3.3.5.2.7.2", two_creates},
    {"signed_compound", "MS-SMB2 3.1.4.1", signed_compound},
    {"sealed_compound", "MS-SMB2 3.1.4.3", sealed_compound},
    {"responses_are_aligned", "MS-SMB2 3.3.4.1.3", responses_are_aligned},
    {"long_compound", "MS-SMB2 3.3.5.2.7", long_compound},
};

}  // namespace

const Suite compound_suite{"atoll.compound", tests};

}  // namespace Atoll::torture

// atoll.rw: READ, WRITE, FLUSH.
#include <algorithm>

#include "torture/test.h"

namespace Atoll::torture {
namespace {

using smb::Command;

void write_and_read(Test& t) {
    REQUIRE(t, c, t.client());
    const auto data = pattern_bytes(70000);
    REQUIRE(t, f, t.file(*c, "f"));
    REQUIRE(t, first, f->write(0, Bytes(data).first(10)));
    CHECK(t, *first == 10, "{} bytes written", *first);
    for (size_t at = 10; at < data.size();) {
        REQUIRE(t, written, f->write(at, Bytes(data).subspan(at, std::min<size_t>(60000, data.size() - at))));
        at += *written;
    }
    Buffer back;
    while (back.size() < data.size()) CHECK_STATUS(t, f->read(back.size(), 50000, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), data), "the data differ");
    Buffer middle;
    CHECK_STATUS(t, f->read(12345, 7, middle), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(middle.bytes(), Bytes(data).subspan(12345, 7)), "the data in the middle differ");
}

void read_past_end(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    Buffer back;
    CHECK_STATUS(t, f->read(100, 1, back), NtStatus::END_OF_FILE);
    CHECK_STATUS(t, f->read(1000, 10, back), NtStatus::END_OF_FILE);
    CHECK_STATUS(t, f->read(90, 50, back), NtStatus::SUCCESS);
    CHECK(t, back.size() == 10, "{} bytes", back.size());
}

void read_nothing(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    Buffer back;
    // MS-FSA 2.1.5.3: a length of 0 reads nothing, and succeeds.
    CHECK_STATUS(t, f->read(0, 0, back), NtStatus::SUCCESS);
    CHECK(t, back.empty(), "{} bytes", back.size());
}

void minimum_count(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    smb::ReadRequest r;
    r.length = 200;
    r.file_id = f->id();
    r.minimum_count = 101;
    // MS-SMB2 3.3.5.12: fewer bytes than MinimumCount are an END_OF_FILE.
    CHECK_STATUS(t, c->status_of(Command::read, r), NtStatus::END_OF_FILE);
    r.minimum_count = 100;
    CHECK_STATUS(t, c->status_of(Command::read, r), NtStatus::SUCCESS);
}

void write_nothing(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(100)));
    REQUIRE(t, written, f->write(500, {}));
    CHECK(t, *written == 0, "{} bytes written", *written);
    // MS-FSA 2.1.5.4: nothing is extended.
    REQUIRE(t, info, f->query<smb::FileStandardInformation>(smb::FileInformationClass::standard));
    CHECK(t, info->end_of_file == 100, "size {}", info->end_of_file);
}

void hole(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    REQUIRE(t, written, f->write(100000, pattern_bytes(10)));
    Buffer back;
    CHECK_STATUS(t, f->read(10, 60000, back), NtStatus::SUCCESS);
    CHECK(t, back.size() == 60000 && std::ranges::all_of(back.bytes(), [](uint8_t b) { return b == 0; }), "the hole is not zeros");
}

void large(Test& t) {
    REQUIRE(t, c, t.client());
    const auto& n = c->connection->negotiated();
    if (!n.multi_credit()) return t.skip("needs multi-credit");
    const uint32_t size = std::min(n.max_read_size, n.max_write_size);
    const auto data = pattern_bytes(size);
    REQUIRE(t, f, t.file(*c, "f"));
    // Credits for it are gathered first.
    for (int i = 0; i < 100 && c->connection->credits() < size / 65536; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    CHECK(t, c->connection->credits() >= size / 65536, "only {} credits granted", c->connection->credits());
    REQUIRE(t, written, f->write(0, data));
    CHECK(t, *written == size, "{} of {} bytes written", *written, size);
    Buffer back;
    CHECK_STATUS(t, f->read(0, size, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), data), "the data differ");
}

void pipelined(Test& t) {
    REQUIRE(t, c, t.client());
    const auto data = pattern_bytes(64 * 4096);
    REQUIRE(t, f, t.file(*c, "f"));
    std::vector<client::ExchangePtr> exchanges;
    for (size_t i = 0; i < 64; ++i) exchanges.push_back(f->start_write(i * 4096, Bytes(data).subspan(i * 4096, 4096)));
    for (auto& e : exchanges) CHECK_STATUS(t, c->connection->wait(e), NtStatus::SUCCESS);
    exchanges.clear();
    for (size_t i = 0; i < 64; ++i) exchanges.push_back(f->start_read(i * 4096, 4096));
    for (size_t i = 0; i < 64; ++i) {
        CHECK_STATUS(t, c->connection->wait(exchanges[i]), NtStatus::SUCCESS);
        REQUIRE(t, response, exchanges[i]->decode<smb::ReadResponse>());
        CHECK(t, std::ranges::equal(response->data, Bytes(data).subspan(i * 4096, 4096)), "block {} differs", i);
    }
}

void above_maximum(Test& t) {
    REQUIRE(t, c, t.client());
    const auto& n = c->connection->negotiated();
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    smb::ReadRequest r;
    r.length = n.max_read_size + 1;
    r.file_id = f->id();
    client::RequestOptions o;
    o.payload = r.length;
    for (int i = 0; i < 100 && c->connection->credits() < r.length / 65536 + 1; ++i) (void)c->status_of(Command::echo, smb::EmptyMessage{});
    CHECK_STATUS(t, c->status_of(Command::read, r, o), NtStatus::INVALID_PARAMETER);
}

void negative_offset(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    Buffer back;
    // MS-FSA 2.1.5.3, 2.1.5.4
    CHECK_STATUS(t, f->read(1ull << 63, 10, back), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, f->read(0x7FFFFFFFFFFFFFFF, 10, back), NtStatus::INVALID_PARAMETER);
    auto written = f->write(0x7FFFFFFFFFFFFFFF, pattern_bytes(10));
    CHECK(t, !written && written.error() == NtStatus::INVALID_PARAMETER, "the write gives {}",
          written ? "SUCCESS" : to_string(written.error()));
}

void without_access(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    client::OpenOptions attributes;
    attributes.access = smb::access_mask::file_read_attributes;
    REQUIRE(t, only_attributes, client::File::open(*c->tree, t.path(*c, "f"), attributes));
    Buffer back;
    CHECK_STATUS(t, only_attributes->read(0, 10, back), NtStatus::ACCESS_DENIED);
    client::OpenOptions reading;
    REQUIRE(t, reader, client::File::open(*c->tree, t.path(*c, "f"), reading));
    auto written = reader->write(0, pattern_bytes(10));
    CHECK(t, !written && written.error() == NtStatus::ACCESS_DENIED, "the write gives {}",
          written ? "SUCCESS" : to_string(written.error()));
}

void on_directory(Test& t) {
    REQUIRE(t, c, t.client());
    client::OpenOptions o = client::OpenOptions::directory(false);
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    REQUIRE(t, d, client::File::open(*c->tree, t.path(*c, ""), o));
    // MS-FSA speaks of data files only: the specification names no error, so any that is not a success will do.
    Buffer back;
    CHECK_STATUS_ONE_OF(t, d->read(0, 10, back), NtStatus::INVALID_DEVICE_REQUEST, NtStatus::ACCESS_DENIED);
    auto written = d->write(0, pattern_bytes(10));
    CHECK_STATUS_ONE_OF(t, written ? NtStatus::SUCCESS : written.error(), NtStatus::INVALID_DEVICE_REQUEST, NtStatus::ACCESS_DENIED);
}

void closed_file(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    CHECK_STATUS(t, f->close(), NtStatus::SUCCESS);
    Buffer back;
    CHECK_STATUS(t, f->read(0, 10, back), NtStatus::FILE_CLOSED);
    auto written = f->write(0, pattern_bytes(10));
    CHECK(t, !written && written.error() == NtStatus::FILE_CLOSED, "the write gives {}", written ? "SUCCESS" : to_string(written.error()));
    CHECK_STATUS(t, f->flush(), NtStatus::FILE_CLOSED);
    CHECK_STATUS(t, f->close(), NtStatus::FILE_CLOSED);
}

void flush(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    CHECK_STATUS(t, f->flush(), NtStatus::SUCCESS);
    client::OpenOptions reading;
    REQUIRE(t, reader, client::File::open(*c->tree, t.path(*c, "f"), reading));
    // MS-SMB2 3.3.5.11: without a right to write there is nothing to flush.
    CHECK_STATUS(t, reader->flush(), NtStatus::ACCESS_DENIED);
}

void append(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(10)));
    client::OpenOptions o;
    o.access = smb::access_mask::file_append_data | smb::access_mask::file_read_attributes;
    o.disposition = smb::CreateDisposition::open;
    REQUIRE(t, appender, client::File::open(*c->tree, t.path(*c, "f"), o));
    REQUIRE(t, written, appender->write(10, pattern_bytes(10, 2)));
    REQUIRE(t, info, f->query<smb::FileStandardInformation>(smb::FileInformationClass::standard));
    CHECK(t, info->end_of_file == 20, "size {}", info->end_of_file);
}

void two_opens(Test& t) {
    REQUIRE(t, a, t.client());
    REQUIRE(t, b, t.client());
    REQUIRE(t, f, t.file(*a, "f", pattern_bytes(1000)));
    REQUIRE(t, g, client::File::open(*b->tree, t.path(*a, "f"), client::OpenOptions::read()));
    REQUIRE(t, written, f->write(500, pattern_bytes(1000, 2)));
    Buffer back;
    CHECK_STATUS(t, g->read(500, 2000, back), NtStatus::SUCCESS);
    CHECK(t, std::ranges::equal(back.bytes(), pattern_bytes(1000, 2)), "the other client reads something else");
}

constexpr TestCase tests[] = {
    {"write_and_read", "MS-SMB2 3.3.5.12, 3.3.5.13", write_and_read},
    {"read_past_end", "MS-SMB2 3.3.5.12", read_past_end},
    {"read_nothing", "MS-FSA 2.1.5.3", read_nothing},
    {"minimum_count", "MS-SMB2 3.3.5.12", minimum_count},
    {"write_nothing", "MS-FSA 2.1.5.4", write_nothing},
    {"hole", "MS-FSA 2.1.5.4", hole},
    {"large", "MS-SMB2 3.3.5.2.5", large},
    {"pipelined", "MS-SMB2 3.3.5.2.3", pipelined},
    {"above_maximum", "MS-SMB2 3.3.5.12", above_maximum},
    {"negative_offset", "MS-FSA 2.1.5.3, 2.1.5.4", negative_offset},
    {"without_access", "MS-SMB2 3.3.5.12, 3.3.5.13", without_access},
    {"on_directory", "MS-FSA 2.1.5.3, 2.1.5.4", on_directory},
    {"closed_file", "MS-SMB2 3.3.5.2.10", closed_file},
    {"flush", "MS-SMB2 3.3.5.11", flush},
    {"append", "MS-FSA 2.1.5.4", append},
    {"two_opens", "MS-FSA 2.1.5.3", two_opens},
};

}  // namespace

const Suite rw_suite{"atoll.rw", tests};

}  // namespace Atoll::torture

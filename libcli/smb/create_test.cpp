#include "libcli/smb/create.h"

#include <array>

#include "libcli/smb/wire_test.h"

namespace Atoll::smb {
namespace {

FileTimesAndSizes some_info() { return {{1}, {2}, {3}, {4}, 4096, 100, 0x20}; }

CreateContexts every_context(Bytes blob, Bytes host) {
    CreateContexts c;
    c.extended_attributes = blob;
    c.security_descriptor = blob;
    c.durable_request = true;
    c.durable_reconnect = FileId{5, 6};
    c.durable_request_v2 = DurableRequestV2{60000, durable_flags::persistent, Guid::random()};
    c.durable_reconnect_v2 = DurableReconnectV2{FileId{7, 8}, Guid::random(), 2};
    c.allocation_size = 1 << 20;
    c.query_maximal_access = true;
    c.maximal_access_timestamp = NtTime{77};
    c.timewarp = NtTime{88};
    c.query_on_disk_id = true;
    c.lease = LeaseContext{2, Guid::random(), 7, lease_flags::parent_lease_key_set, Guid::random(), 9};
    c.app_instance_id = Guid::random();
    c.app_instance_version = AppInstanceVersion{1, 2};
    c.svhdx = SvhdxOpenDevice{2, true, Guid::random(), 1, 4, 99, host, 0, 0, 0, 0, 0};
    return c;
}

TEST(Create, RequestRoundTrip) {
    Buffer name = utf16("dir\\file.txt");
    CreateRequest r;
    r.oplock_level = OplockLevel::lease;
    r.impersonation = ImpersonationLevel::identification;
    r.desired_access = access_mask::file_generic_read;
    r.file_attributes = 0x80;
    r.share_access = file_share::all;
    r.disposition = CreateDisposition::open_if;
    r.options = create_options::non_directory_file;
    r.name = name;
    Buffer m = check_message(r);
    EXPECT_EQ(load_le<uint16_t>(m.data() + 64 + 44), 120);  // NameOffset
    auto d = CreateRequest::decode(m);
    EXPECT_EQ(vec(d->name), vec(name));
    EXPECT_EQ(d->disposition, CreateDisposition::open_if);
    EXPECT_EQ(d->share_access, 7u);

    store_le<uint16_t>(m.data() + 64 + 46, 3);
    EXPECT_EQ(CreateRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);  // odd
    store_le<uint16_t>(m.data() + 64 + 46, 0x7000);
    EXPECT_EQ(CreateRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);  // past the end
    store_le<uint16_t>(m.data() + 64 + 46, 2);
    store_le<uint16_t>(m.data() + 64 + 44, 118);
    EXPECT_EQ(CreateRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);  // inside the fixed part
}

// MS-SMB2 3.3.5.9: the request must have its 57 bytes even if it opens the root.
TEST(Create, RequestOfTheRoot) {
    CreateRequest r;
    Buffer m = check_message(r);
    EXPECT_EQ(m.size(), 64u + 57);
    EXPECT_FALSE(CreateRequest::decode(m.bytes().first(64 + 56)).ok());
}

TEST(Create, EveryContext) {
    const std::array<uint8_t, 9> blob{1, 2, 3};
    Buffer host = utf16("host");
    CreateContexts c = every_context(blob, host);
    CreateRequest r;
    Buffer name = utf16("a");
    r.name = name;
    Buffer m = encode_message(Command::create, [&](ByteWriter& out) { r.encode(out, c); });
    auto d = CreateRequest::decode(m);
    ASSERT_TRUE(d.ok());
    auto x = CreateContexts::decode(d->contexts);
    ASSERT_TRUE(x.ok());
    EXPECT_EQ(vec(*x->extended_attributes), vec(blob));
    EXPECT_TRUE(x->durable_request && x->query_maximal_access && x->query_on_disk_id);
    EXPECT_EQ(*x->durable_reconnect, (FileId{5, 6}));
    EXPECT_EQ(x->durable_request_v2->create_guid, c.durable_request_v2->create_guid);
    EXPECT_EQ(x->durable_reconnect_v2->file_id, (FileId{7, 8}));
    EXPECT_EQ(*x->allocation_size, 1u << 20);
    EXPECT_EQ(x->maximal_access_timestamp->ticks, 77u);
    EXPECT_EQ(x->timewarp->ticks, 88u);
    EXPECT_EQ(x->lease->version, 2);
    EXPECT_EQ(x->lease->epoch, 9);
    EXPECT_EQ(x->lease->parent_key, c.lease->parent_key);
    EXPECT_EQ(*x->app_instance_id, *c.app_instance_id);
    EXPECT_EQ(x->app_instance_version->low, 2u);
    EXPECT_EQ(vec(x->svhdx->initiator_host_name), vec(host));
    Buffer again = encode_message(Command::create, [&](ByteWriter& out) { r.encode(out, *x); });
    EXPECT_EQ(vec(m), vec(again));
    for (size_t n = 0; n < d->contexts.size(); ++n) {
        std::vector<uint8_t> prefix(d->contexts.begin(), d->contexts.begin() + static_cast<ptrdiff_t>(n));
        (void)CreateContexts::decode(prefix);
    }
}

// A context on the wire: Next, NameOffset, NameLength, Reserved, DataOffset, DataLength, name, data (MS-SMB2 2.2.13.2).
std::vector<uint8_t> raw_context(std::string_view name, std::vector<uint8_t> data, uint32_t next = 0) {
    Buffer b;
    ByteWriter out(b);
    out.u32(next);
    out.u16(16);
    out.u16(static_cast<uint16_t>(name.size()));
    out.u16(0);
    out.u16(24);
    out.u32(static_cast<uint32_t>(data.size()));
    out.bytes(as_bytes(name));
    out.align(8);
    out.bytes(data);
    if (next != 0) out.align(8);
    return vec(b);
}

bool accepts(const std::vector<uint8_t>& list) {
    auto r = CreateContexts::decode(list);
    EXPECT_TRUE(r.ok() || r.error() == NtStatus::INVALID_PARAMETER);
    return r.ok();
}

TEST(Create, ContextsOfWrongSizeAreRefused) {
    EXPECT_TRUE(accepts(raw_context("AlSi", std::vector<uint8_t>(8))));
    EXPECT_FALSE(accepts(raw_context("AlSi", std::vector<uint8_t>(7))));
    EXPECT_FALSE(accepts(raw_context("RqLs", std::vector<uint8_t>(33))));
    EXPECT_TRUE(accepts(raw_context("RqLs", std::vector<uint8_t>(32))));
    EXPECT_TRUE(accepts(raw_context("RqLs", std::vector<uint8_t>(52))));
    EXPECT_TRUE(accepts(raw_context("MxAc", {})));
    EXPECT_FALSE(accepts(raw_context("MxAc", std::vector<uint8_t>(4))));
    EXPECT_FALSE(accepts(raw_context("QFid", std::vector<uint8_t>(1))));
    EXPECT_FALSE(accepts(raw_context("DHnQ", std::vector<uint8_t>(8))));
    EXPECT_FALSE(accepts(raw_context("Abc", {})));
    EXPECT_TRUE(accepts(raw_context("Zzzz", std::vector<uint8_t>(3))));  // unknown: ignored
}

TEST(Create, ContextChains) {
    auto first = raw_context("QFid", {}, 24);
    auto second = raw_context("MxAc", {});
    auto both = first;
    both.insert(both.end(), second.begin(), second.end());
    EXPECT_TRUE(accepts(both));
    EXPECT_FALSE(accepts(first));  // names a second one that is not there
    both[0] = 20;
    EXPECT_FALSE(accepts(both));  // not a multiple of 8
    both[0] = 8;
    EXPECT_FALSE(accepts(both));  // into itself
    both[0] = 24;
    std::copy_n("QFid", 4, both.begin() + 24 + 16);
    EXPECT_FALSE(accepts(both));  // twice the same
    std::vector<uint8_t> many;
    for (size_t i = 0; i <= limits::max_create_contexts; ++i) {
        auto c = raw_context("Zzzz", {}, i < limits::max_create_contexts ? 24 : 0);
        many.insert(many.end(), c.begin(), c.end());
    }
    EXPECT_FALSE(accepts(many));
}

TEST(Create, WriterLinksRawContexts) {
    Buffer b;
    ByteWriter out(b);
    CreateContextWriter writer(out);
    const std::array<uint8_t, 8> data{1};
    writer.add(as_bytes("AlSi"), data);
    writer.add(as_bytes("QFid"), {});
    CreateContextReader reader(b);
    auto one = reader.next();
    ASSERT_TRUE(one);
    EXPECT_EQ(as_text(one->name), "AlSi");
    EXPECT_EQ(one->data.size(), 8u);
    auto two = reader.next();
    ASSERT_TRUE(two);
    EXPECT_EQ(as_text(two->name), "QFid");
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.malformed());
}

TEST(Create, ResponseAndItsContexts) {
    CreateResponse r;
    r.oplock_level = OplockLevel::batch;
    r.action = CreateAction::created;
    r.info = some_info();
    r.file_id = {11, 12};
    Buffer m = check_message(r);
    EXPECT_EQ(m.size(), 64u + 88);
    CreateResponseContexts c;
    c.durable = true;
    c.durable_v2 = DurableResponseV2{30000, 2};
    c.maximal_access = MaximalAccess{NtStatus::SUCCESS, 0x1F01FF};
    c.on_disk_id = OnDiskId{13, 14};
    c.lease = LeaseContext{1, Guid::random(), 3, 0, {}, 0};
    c.svhdx = SvhdxOpenDevice{};
    m = encode_message(Command::create, [&](ByteWriter& out) { r.encode(out, c); });
    auto d = CreateResponse::decode(m);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->info.end_of_file, 100u);
    auto x = CreateResponseContexts::decode(d->contexts);
    ASSERT_TRUE(x.ok());
    EXPECT_TRUE(x->durable);
    EXPECT_EQ(x->durable_v2->timeout_ms, 30000u);
    EXPECT_EQ(x->maximal_access->maximal_access, 0x1F01FFu);
    EXPECT_EQ(x->on_disk_id->volume_id, 14u);
    EXPECT_EQ(x->lease->version, 1);
    EXPECT_TRUE(x->svhdx.has_value());
    Buffer again = encode_message(Command::create, [&](ByteWriter& out) { r.encode(out, *x); });
    EXPECT_EQ(vec(m), vec(again));
}

TEST(Close, BothWays) {
    Buffer m = check_message(CloseRequest{close_flags::postquery_attrib, {1, 2}});
    EXPECT_EQ(m.size(), 88u);
    EXPECT_EQ(CloseRequest::decode(m)->file_id, (FileId{1, 2}));
    m = check_message(CloseResponse{1, some_info()});
    EXPECT_EQ(m.size(), 124u);
    EXPECT_EQ(CloseResponse::decode(m)->info.change_time.ticks, 4u);
}

}  // namespace
}  // namespace Atoll::smb

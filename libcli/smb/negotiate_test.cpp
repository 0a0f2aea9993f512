#include "libcli/smb/negotiate.h"

#include <array>

#include "libcli/smb/session.h"
#include "libcli/smb/tree.h"
#include "libcli/smb/wire_test.h"

namespace Atoll::smb {
namespace {

const std::array<uint16_t, 1> only_202{0x0202};
const std::array<uint16_t, 5> all_dialects{0x0202, 0x0210, 0x0300, 0x0302, 0x0311};
const std::array<uint16_t, 1> sha512{1};
const std::array<uint16_t, 4> all_ciphers{2, 1, 4, 3};
const std::array<uint16_t, 3> all_signing{2, 1, 0};
const std::array<uint8_t, 32> salt{1, 2, 3};

template <size_t N>
U16List list(const std::array<uint16_t, N>& values) {
    return U16List(std::span<const uint16_t>(values));
}

NegotiateContexts all_contexts(const Buffer& netname) {
    NegotiateContexts c;
    c.preauth = PreauthCapabilities{list(sha512), salt};
    c.ciphers = list(all_ciphers);
    c.compression = CompressionCapabilities{CompressionCapabilities::chained, list(all_signing)};
    c.netname = netname;
    c.transport = transport_capability::accept_transport_level_security;
    c.rdma_transforms = list(all_signing);
    c.signing = list(all_signing);
    return c;
}

// The values of MS-SMB2 4.3, laid out as 2.2.3 says.
TEST(Negotiate, RequestOfSection43) {
    NegotiateRequest r;
    r.security_mode = security_mode::signing_enabled;
    r.dialects = list(only_202);
    Buffer m = check_message(r);
    ASSERT_EQ(m.size(), 64u + 36 + 2);
    const std::vector<uint8_t> expected = {0x24, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    EXPECT_EQ(std::vector<uint8_t>(m.data() + 64, m.data() + 76), expected);
    EXPECT_EQ(load_le<uint16_t>(m.data() + 100), 0x0202);
}

TEST(Negotiate, RequestWithAllContexts) {
    Buffer name = utf16("server");
    NegotiateRequest r;
    r.capabilities = 0x7F;
    r.client_guid = Guid::random();
    r.dialects = list(all_dialects);
    r.contexts = all_contexts(name);
    Buffer m = check_message(r);
    auto d = NegotiateRequest::decode(m);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->client_guid, r.client_guid);
    EXPECT_EQ(d->dialects.size(), 5u);
    ASSERT_TRUE(d->contexts.preauth && d->contexts.ciphers && d->contexts.compression && d->contexts.netname && d->contexts.transport &&
                d->contexts.rdma_transforms && d->contexts.signing);
    EXPECT_EQ(d->contexts.preauth->salt.size(), 32u);
    EXPECT_TRUE(d->contexts.ciphers->contains(Cipher::aes256_gcm));
    EXPECT_EQ(vec(*d->contexts.netname), vec(name));
    EXPECT_EQ(d->contexts.count(), 7);
}

TEST(Negotiate, ContextsAreForThe311DialectOnly) {
    NegotiateRequest r;
    r.dialects = list(only_202);
    r.contexts.preauth = PreauthCapabilities{list(sha512), salt};
    Buffer m = encode_message(Command::negotiate, [&](ByteWriter& out) { r.encode(out); });
    auto d = NegotiateRequest::decode(m);
    ASSERT_TRUE(d.ok());
    EXPECT_FALSE(d->contexts.preauth.has_value());
}

TEST(Negotiate, RefusesNoDialectAndTooMany) {
    NegotiateRequest r;
    Buffer m = encode_message(Command::negotiate, [&](ByteWriter& out) { r.encode(out); });
    EXPECT_EQ(NegotiateRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);
    std::vector<uint16_t> many(limits::max_dialects + 1, 0x0300);
    r.dialects = U16List(std::span<const uint16_t>(many));
    m = encode_message(Command::negotiate, [&](ByteWriter& out) { r.encode(out); });
    EXPECT_EQ(NegotiateRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);
}

// MS-SMB2 3.3.5.4: a context twice, an empty array where there must be one, data shorter than its count says.
TEST(Negotiate, RefusesBadContexts) {
    auto decode = [](std::initializer_list<uint8_t> bytes, uint16_t count) {
        return NegotiateContexts::decode(Bytes(bytes.begin(), bytes.size()), count).ok();
    };
    EXPECT_TRUE(decode({2, 0, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0}, 1));
    EXPECT_FALSE(decode({2, 0, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0}, 2));
    EXPECT_FALSE(decode({2, 0, 2, 0, 0, 0, 0, 0, 0, 0}, 1));
    EXPECT_FALSE(decode({2, 0, 4, 0, 0, 0, 0, 0, 2, 0, 2, 0}, 1));
    EXPECT_FALSE(decode({2, 0, 5, 0, 0, 0, 0, 0, 1, 0, 2, 0}, 1));
    EXPECT_FALSE(decode({1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1));
    EXPECT_TRUE(decode({0x77, 0x77, 1, 0, 0, 0, 0, 0, 0xFF}, 1));  // unknown: ignored
    EXPECT_FALSE(decode({}, limits::max_negotiate_contexts + 1));
}

TEST(Negotiate, Response) {
    const std::array<uint8_t, 5> blob{1, 2, 3, 4, 5};
    NegotiateResponse r;
    r.security_mode = 3;
    r.dialect = Dialect::smb3_11;
    r.server_guid = Guid::random();
    r.max_transact_size = r.max_read_size = r.max_write_size = 8 << 20;
    r.system_time.ticks = 132000000000000000;
    r.security_buffer = blob;
    r.contexts.preauth = PreauthCapabilities{list(sha512), salt};
    r.contexts.ciphers = U16List(list(all_ciphers).raw().first(2));
    Buffer m = check_message(r);
    auto d = NegotiateResponse::decode(m);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(vec(d->security_buffer), vec(blob));
    EXPECT_EQ((*d->contexts.ciphers)[0], 2);
    EXPECT_EQ(d->max_write_size, 8u << 20);
    r.dialect = Dialect::smb3_02;
    m = check_message(r);
    EXPECT_EQ(load_le<uint16_t>(m.data() + 64 + 6), 0);  // NegotiateContextCount is Reserved
}

TEST(Smb1Negotiate, OffersAndRefusals) {
    for (int bits = 0; bits < 4; ++bits) {
        Smb1Negotiate n{(bits & 1) != 0, (bits & 2) != 0};
        Buffer buffer;
        ByteWriter out(buffer);
        n.encode(out);
        auto d = Smb1Negotiate::decode(buffer);
        ASSERT_TRUE(d.ok());
        EXPECT_EQ(d->smb2_002, n.smb2_002);
        EXPECT_EQ(d->smb2_xxx, n.smb2_xxx);
        for (size_t i = 0; i < buffer.size(); ++i) EXPECT_FALSE(Smb1Negotiate::decode(buffer.bytes().first(i)).ok());
        buffer[buffer.size() - 1] = 'x';  // the last string is not terminated
        EXPECT_FALSE(Smb1Negotiate::decode(buffer).ok());
    }
}

TEST(SessionSetup, BothWays) {
    const std::array<uint8_t, 7> blob{9, 8, 7};
    SessionSetupRequest q;
    q.flags = session_setup_flags::binding;
    q.security_mode = 1;
    q.capabilities = 1;
    q.previous_session_id = 0x123456789;
    q.security_buffer = blob;
    Buffer m = check_message(q);
    auto d = SessionSetupRequest::decode(m);
    EXPECT_EQ(d->previous_session_id, 0x123456789u);
    EXPECT_EQ(d->security_buffer.size(), 7u);
    store_le<uint16_t>(m.data() + 64 + 12, 64);  // the buffer would start in the fixed part
    EXPECT_EQ(SessionSetupRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);

    SessionSetupResponse r;
    r.session_flags = session_flags::encrypt_data;
    r.security_buffer = blob;
    check_message(r);
    r.security_buffer = {};
    check_message(r);
    check_message(EmptyMessage{});
    check_message(ServerToClientNotification{});
}

TEST(TreeConnect, PathAndExtension) {
    Buffer path = utf16("\\\\server\\share");
    TreeConnectRequest q;
    q.path = path;
    auto with_flags = [](Bytes message) { return TreeConnectRequest::decode(message, true); };
    Buffer m = check_message(q, with_flags);
    const std::array<uint8_t, 30> identity{1, 0, 28, 0};
    q.flags = tree_connect_flags::extension_present | tree_connect_flags::redirect_to_owner;
    q.remoted_identity = identity;
    m = check_message(q, with_flags);
    auto d = TreeConnectRequest::decode(m, true);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(vec(d->path), vec(path));
    EXPECT_EQ(vec(d->remoted_identity), vec(identity));
    EXPECT_TRUE(RemotedIdentity::decode(d->remoted_identity).ok());
    // Without 3.1.1 the flags are Reserved.
    d = TreeConnectRequest::decode(m, false);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->flags, 0);
    EXPECT_TRUE(d->remoted_identity.empty());

    q = {};
    q.path = path.bytes().first(5);
    m = encode_message(Command::tree_connect, [&](ByteWriter& out) { q.encode(out); });
    EXPECT_EQ(TreeConnectRequest::decode(m, true).error(), NtStatus::INVALID_PARAMETER);

    TreeConnectResponse r{ShareType::pipe, share_flags::encrypt_data, share_cap::scaleout, 0x1F01FF};
    m = check_message(r);
    EXPECT_EQ(m.size(), 80u);
}

TEST(TreeConnect, RemotedIdentityOffsets) {
    std::array<uint8_t, 32> data{1, 0, 32, 0, 28, 0};
    auto d = RemotedIdentity::decode(data);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->user.size(), 4u);
    EXPECT_TRUE(d->owner.empty());
    data[4] = 32;
    EXPECT_FALSE(RemotedIdentity::decode(data).ok());
    data[4] = 10;
    EXPECT_FALSE(RemotedIdentity::decode(data).ok());
    data[4] = 28;
    data[2] = 33;
    EXPECT_FALSE(RemotedIdentity::decode(data).ok());
}

}  // namespace
}  // namespace Atoll::smb

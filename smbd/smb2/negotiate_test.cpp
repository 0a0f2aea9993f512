#include "smbd/smb2/negotiate.h"

#include <gtest/gtest.h>

#include <vector>

#include "libcli/smb/negotiate.h"

namespace Atoll::smb2 {
namespace {

NegotiatePolicy full_policy() {
    NegotiatePolicy policy;
    policy.ciphers = {2, 1, 4, 3};
    policy.signing_algorithms = {2, 1, 0};
    policy.max_transact = policy.max_read = policy.max_write = 8u << 20;
    return policy;
}

struct Asked {
    std::vector<uint16_t> dialects{0x0202, 0x0210, 0x0300, 0x0302, 0x0311};
    std::vector<uint16_t> hashes{1};
    std::vector<uint16_t> ciphers{1, 2};
    std::vector<uint16_t> signing{1, 2};
    bool has_preauth = true;
    uint32_t flags = 0;
    uint64_t message_id = 0;
    uint32_t capabilities = smb::global_cap::encryption | smb::global_cap::large_mtu;
};

Buffer request(const Asked& asked) {
    Buffer frame;
    ByteWriter out(frame);
    smb::Header header;
    header.flags = asked.flags;
    header.message_id = asked.message_id;
    header.encode(out);
    smb::NegotiateRequest body;
    body.capabilities = asked.capabilities;
    body.dialects = smb::U16List(std::span<const uint16_t>(asked.dialects));
    if (asked.has_preauth) body.contexts.preauth = smb::PreauthCapabilities{smb::U16List(std::span<const uint16_t>(asked.hashes)), {}};
    if (!asked.ciphers.empty()) body.contexts.ciphers = smb::U16List(std::span<const uint16_t>(asked.ciphers));
    if (!asked.signing.empty()) body.contexts.signing = smb::U16List(std::span<const uint16_t>(asked.signing));
    body.encode(out);
    return frame;
}

struct Answer {
    NegotiateResult result = NegotiateResult::disconnect;
    NtStatus status = NtStatus::SUCCESS;
    ChannelState channel;
    Buffer bytes;
};

Answer run(Bytes frame, const NegotiatePolicy& policy, ChannelState channel = {}) {
    Answer answer;
    answer.channel = channel;
    answer.result = negotiate(frame, policy, as_bytes("hint"), NtTime{1}, answer.channel, answer.bytes);
    if (answer.result == NegotiateResult::answered) answer.status = smb::Header::decode(answer.bytes)->status;
    return answer;
}

TEST(Negotiate, ChoosesTheGreatestCommonDialect) {
    EXPECT_EQ(run(request({}), full_policy()).channel.dialect, 0x0311);
    NegotiatePolicy old = full_policy();
    old.max_dialect = 0x0302;
    EXPECT_EQ(run(request({}), old).channel.dialect, 0x0302);
    Asked only_new;
    only_new.dialects = {0x0311};
    const Answer none = run(request(only_new), old);
    EXPECT_EQ(none.status, NtStatus::NOT_SUPPORTED);
    EXPECT_EQ(none.channel.dialect, 0);
}

TEST(Negotiate, ServersPreferenceDecidesAboutCipherAndSigning) {
    const Answer answer = run(request({}), full_policy());
    EXPECT_EQ(answer.channel.cipher, 2);
    EXPECT_EQ(answer.channel.signing_algorithm, 2);
    EXPECT_NE(answer.channel.preauth_hash, PreauthHash{});
}

TEST(Negotiate, NoCommonCipherIsAnsweredWithZero) {
    Asked asked;
    asked.ciphers = {0x77};
    const Answer answer = run(request(asked), full_policy());
    const auto response = smb::NegotiateResponse::decode(answer.bytes);
    ASSERT_TRUE(response.ok());
    ASSERT_TRUE(response->contexts.ciphers);
    EXPECT_EQ((*response->contexts.ciphers)[0], 0);
    EXPECT_EQ(answer.channel.cipher, 0);
}

TEST(Negotiate, DialectsBefore311SealByCapability) {
    Asked asked;
    asked.dialects = {0x0300};
    const Answer answer = run(request(asked), full_policy());
    EXPECT_EQ(answer.channel.cipher, 1);
    EXPECT_TRUE(answer.channel.server_capabilities & smb::global_cap::encryption);
    asked.dialects = {0x0210};
    EXPECT_EQ(run(request(asked), full_policy()).channel.cipher, 0);
}

// MS-SMB2 3.3.5.4
TEST(Negotiate, SeveralChannelsAreOfferedTo3xClientsThatAskForThem) {
    NegotiatePolicy policy = full_policy();
    policy.multi_channel = true;
    const auto offered = [](const Asked& asked, const NegotiatePolicy& with) {
        return (run(request(asked), with).channel.server_capabilities & smb::global_cap::multi_channel) != 0;
    };
    Asked asked;
    EXPECT_FALSE(offered(asked, policy));
    asked.capabilities |= smb::global_cap::multi_channel;
    EXPECT_TRUE(offered(asked, policy));
    EXPECT_FALSE(offered(asked, full_policy()));
    asked.dialects = {0x0300};
    EXPECT_TRUE(offered(asked, policy));
    asked.dialects = {0x0210};
    EXPECT_FALSE(offered(asked, policy));
}

TEST(Negotiate, PersistentHandlesAreOfferedTo3xClientsThatAskForThem) {
    NegotiatePolicy policy = full_policy();
    const auto offered = [](const Asked& asked, const NegotiatePolicy& with) {
        return (run(request(asked), with).channel.server_capabilities & smb::global_cap::persistent_handles) != 0;
    };
    Asked asked;
    EXPECT_FALSE(offered(asked, policy));
    asked.capabilities |= smb::global_cap::persistent_handles;
    EXPECT_FALSE(offered(asked, policy));
    policy.persistent_handles = true;
    EXPECT_TRUE(offered(asked, policy));
    asked.dialects = {0x0210};
    EXPECT_FALSE(offered(asked, policy));
}

TEST(Negotiate, A311RequestNeedsAPreauthContextWithAKnownHash) {
    Asked asked;
    asked.has_preauth = false;
    EXPECT_EQ(run(request(asked), full_policy()).status, NtStatus::INVALID_PARAMETER);
    asked.has_preauth = true;
    asked.hashes = {9};
    EXPECT_EQ(run(request(asked), full_policy()).status, NtStatus::SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP);
}

TEST(Negotiate, ASignedRequestOrAnotherMessageIdIsRefused) {
    Asked asked;
    asked.flags = smb::header_flags::is_signed;
    EXPECT_EQ(run(request(asked), full_policy()).status, NtStatus::INVALID_PARAMETER);
    asked.flags = 0;
    asked.message_id = 5;
    EXPECT_EQ(run(request(asked), full_policy()).result, NegotiateResult::disconnect);
}

TEST(Negotiate, ASecondOneEndsTheConnection) {
    const Answer first = run(request({}), full_policy());
    Asked again;
    again.message_id = 1;
    EXPECT_EQ(run(request(again), full_policy(), first.channel).result, NegotiateResult::disconnect);
}

TEST(Negotiate, MultiProtocolAsksForASecondNegotiate) {
    Buffer frame;
    ByteWriter out(frame);
    smb::Smb1Negotiate{.smb2_002 = true, .smb2_xxx = true}.encode(out);
    const Answer first = run(frame, full_policy());
    ASSERT_EQ(first.result, NegotiateResult::answered);
    EXPECT_EQ(first.channel.dialect, 0x02FF);
    Asked second;
    second.message_id = 1;
    EXPECT_EQ(run(request(second), full_policy(), first.channel).channel.dialect, 0x0311);
}

TEST(Negotiate, MultiProtocolWith2002Only) {
    Buffer frame;
    ByteWriter out(frame);
    smb::Smb1Negotiate{.smb2_002 = true, .smb2_xxx = false}.encode(out);
    EXPECT_EQ(run(frame, full_policy()).channel.dialect, 0x0202);
    NegotiatePolicy modern = full_policy();
    modern.min_dialect = 0x0300;
    EXPECT_EQ(run(frame, modern).result, NegotiateResult::disconnect);
}

TEST(Negotiate, OnlyMultiCreditDialectsGetLargeTransfers) {
    Asked asked;
    asked.dialects = {0x0202};
    EXPECT_EQ(run(request(asked), full_policy()).channel.max_read, 65536u);
    EXPECT_EQ(run(request({}), full_policy()).channel.max_read, 8u << 20);
}

}  // namespace
}  // namespace Atoll::smb2

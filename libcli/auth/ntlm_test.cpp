// Known answers: RFC 1320 A.5, RFC 6229, MS-NLMP 4.2.
#include "libcli/auth/ntlm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "libcli/auth/hex_for_test.h"
#include "libcli/auth/md4.h"
#include "libcli/auth/ntlmssp.h"

namespace Atoll::auth {
namespace {

template <size_t N>
std::array<uint8_t, N> array(std::string_view text) {
    std::array<uint8_t, N> out{};
    const auto bytes = unhex(text);
    EXPECT_EQ(bytes.size(), N);
    std::copy_n(bytes.begin(), N, out.begin());
    return out;
}

const Challenge server_challenge = array<8>("0123456789abcdef");
const Challenge client_challenge = array<8>("aaaaaaaaaaaaaaaa");

TEST(Md4, Rfc1320) {
    EXPECT_EQ(hex(md4({})), "31d6cfe0d16ae931b73c59d7e0c089c0");
    EXPECT_EQ(hex(md4(as_bytes("abc"))), "a448017aaf21d8525fc10ae87aa6729d");
    EXPECT_EQ(hex(md4(as_bytes("12345678901234567890123456789012345678901234567890123456789012345678901234567890"))),
              "e33b4ddc9c38f2199c3e7b164fcc0536");
}

// The padding takes one block up to 55 bytes and two from 56 on.
TEST(Md4, PaddingAtTheBlockEdge) {
    EXPECT_EQ(hex(md4(as_bytes(std::string(55, 'a')))), "c889c81dd86c4d2e025778944ea02881");
    EXPECT_EQ(hex(md4(as_bytes(std::string(56, 'a')))), "d5f9a9e9257077a5f08b0b92f348b0ad");
    EXPECT_EQ(hex(md4(as_bytes(std::string(64, 'a')))), "52f5076fabd22680234a3fa9f9dc5732");
}

TEST(Rc4, Rfc6229) {
    std::vector<uint8_t> zeros(16);
    Rc4(unhex("0102030405")).apply(zeros);
    EXPECT_EQ(hex(zeros), "b2396305f03dc027ccc3524a0a1118a8");
}

TEST(Ntlm, HashesOfThePassword) {
    const NtHash hash = *nt_hash("Password");
    EXPECT_EQ(hex(hash), "a4f49c406510bdcab6824ee7c30fd852");
    EXPECT_EQ(hex(ntowf_v2(hash, "User", "Domain")), "0c868a403bfd7a93a3001ef22ef02e3f");
    EXPECT_EQ(hex(session_base_key_v1(hash)), "d87262b0cde4b1cb7499becccdf10784");
    EXPECT_FALSE(nt_hash("\xFF").has_value());
}

TEST(Ntlm, V1Responses) {
    const NtHash hash = *nt_hash("Password");
    EXPECT_EQ(hex(ntlm_v1_response(hash, server_challenge)), "67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
    EXPECT_EQ(hex(ntlm_v1_response(hash, ntlm2_session_challenge(server_challenge, client_challenge))),
              "7537f803ae367128ca458204bde7caf81e97ed2683267232");
}

TEST(Ntlm, V2Response) {
    const auto info = unhex(
        "02000c0044006f006d00610069006e0001000c005300650072007600650072000000"
        "0000");
    NtlmV2ClientChallenge client;
    client.challenge = client_challenge;
    client.pairs = *decode_av_pairs(info);
    Buffer temp;
    client.encode(temp);
    const Digest ntowf = ntowf_v2(*nt_hash("Password"), "User", "Domain");
    const Digest proof = nt_proof(ntowf, server_challenge, temp);
    EXPECT_EQ(hex(proof), "68cd0ab851e51c96aabc927bebef6a1c");
    EXPECT_EQ(hex(session_base_key_v2(ntowf, proof)), "8de40ccadbc14a82f15cb0ad0de95ca3");
}

// MS-NLMP 4.2.4.4
TEST(NtlmSecurity, V2Seal) {
    const SessionKey key = array<16>("55555555555555555555555555555555");
    const uint32_t flags = 0xe28a8233;
    EXPECT_EQ(hex(ntlm_seal_key(key, flags, NtlmSide::client)), "59f600973cc4960a25480a7c196e4c58");
    EXPECT_EQ(hex(ntlm_sign_key(key, NtlmSide::client)), "4788dc861b4782f35d43fd98fe1a2d39");
    NtlmSecurity client(NtlmSide::client, flags, key);
    NtlmSecurity server(NtlmSide::server, flags, key);
    const auto plain = unhex("50006c00610069006e007400650078007400");
    auto data = plain;
    const auto signature = client.seal(plain, data);
    EXPECT_EQ(hex(data), "54e50165bf1936dc996020c1811b0f06fb5f");
    EXPECT_EQ(hex(signature), "010000007fb38ec5c55d497600000000");
    EXPECT_TRUE(server.unseal(data, data, signature));
    EXPECT_EQ(data, plain);
    const auto second = client.seal(plain, data);
    data[0] ^= 1;
    EXPECT_FALSE(server.unseal(data, data, second));
}

// MS-NLMP 4.2.3.4: 56-bit key, no key exchange.
TEST(NtlmSecurity, WeakKeyWithoutExchange) {
    const SessionKey key = array<16>("eb93429a8bd952f8b89c55b87f475edc");
    const uint32_t flags = 0x820a8233;
    EXPECT_EQ(hex(ntlm_seal_key(key, flags, NtlmSide::client)), "04dd7f014d8504d265a25cc86a3a7c06");
    EXPECT_EQ(hex(ntlm_sign_key(key, NtlmSide::client)), "60e799be5c72fc92922ae8ebe961fb8d");
    NtlmSecurity client(NtlmSide::client, flags, key);
    const auto plain = unhex("50006c00610069006e007400650078007400");
    auto data = plain;
    const auto signature = client.seal(plain, data);
    EXPECT_EQ(hex(data), "a02372f6530273f3aa1eb90190ce5200c99d");
    EXPECT_EQ(hex(signature), "01000000ff2aeb52f681793a00000000");
}

TEST(NtlmSecurity, MechListLeavesTheKeyStreamWhereItWas) {
    const SessionKey key = array<16>("55555555555555555555555555555555");
    NtlmSecurity client(NtlmSide::client, 0xe28a8233, key);
    NtlmSecurity server(NtlmSide::server, 0xe28a8233, key);
    const auto list = unhex("300c060a2b06010401823702020a");
    const auto mic = client.sign_mech_list(list);
    EXPECT_TRUE(server.verify_mech_list(list, mic));
    // Sequence number 1 now, but the first eight bytes of the stream again: MS-SPNG 3.2.5.1.
    const auto signature = client.sign(list);
    EXPECT_TRUE(server.verify(list, signature));
    EXPECT_EQ(signature[12], 1);
    EXPECT_FALSE(server.verify(list, signature));
}

}  // namespace
}  // namespace Atoll::auth

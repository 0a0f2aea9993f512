// Known answers: the test vectors that Microsoft published for SMB 3.0 and 3.1.1 (open specifications documentation team,
// "Encryption in SMB 3.0: a protocol perspective", "SMB 3.1.1 encryption in Windows 10", "The anatomy of signing and cryptographic
// keys"), and RFC 4493.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "libcli/smb/cbc_mac.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"

namespace Atoll::smb {
namespace {

std::vector<uint8_t> unhex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; };
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(static_cast<uint8_t>(digit(text[i]) * 16 + digit(text[i + 1])));
    return out;
}

std::string hex(Bytes bytes) {
    std::string out;
    for (const uint8_t b : bytes) {
        out += "0123456789ABCDEF"[b >> 4];
        out += "0123456789ABCDEF"[b & 15];
    }
    return out;
}

PreauthHash preauth(std::string_view text) {
    PreauthHash hash{};
    const auto bytes = unhex(text);
    std::copy_n(bytes.begin(), hash.size(), hash.begin());
    return hash;
}

constexpr std::string_view preauth_311 =
    "B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDBA7DB256BA2EA30E9"
    "77F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770";

TEST(Keys, Smb300) {
    const auto keys = derive_session_keys(Dialect::smb3_00, Cipher::aes128_ccm, unhex("7CD451825D0450D235424E44BA6E78CC"), {});
    EXPECT_EQ(hex(keys.signing), "0B7E9C5CAC36C0F6EA9AB275298CEDCE");
    EXPECT_EQ(hex(keys.client_to_server), "FAD27796665B313EBB578F388632B4F7");
    EXPECT_EQ(hex(keys.server_to_client), "B0F0427F7CEB416D1D9DCC0CD4F99447");
    EXPECT_EQ(hex(keys.application), "BB23A4575AA26C721AF525AF15A87B4F");
    EXPECT_EQ(hex(derive_channel_signing_key(Dialect::smb3_02, unhex("4E01A2B313BCF660CC250BEF021AEDE6"), {})),
              "BA1A17DBBFEC349BCA105563D598952F");
}

TEST(Keys, Smb311) {
    const auto keys =
        derive_session_keys(Dialect::smb3_11, Cipher::aes128_gcm, unhex("419FDDF34C1E001909D362AE7FB6AF79"), preauth(preauth_311));
    EXPECT_EQ(hex(keys.signing), "8765949DFEAEE105CE9118B45BE988F0");
    EXPECT_EQ(hex(keys.client_to_server), "A2F5E80E5D59103034F32E52F698E5EC");
    EXPECT_EQ(hex(keys.server_to_client), "748C50868C90F302962A5C35F5F9A8BF");
    EXPECT_EQ(hex(keys.application), "099D610789FBE82055B313601C3E8CC4");
}

TEST(Keys, WideCipherUsesTheWholeSessionKeyForSealingOnly) {
    const auto full = unhex("419FDDF34C1E001909D362AE7FB6AF790102030405060708090A0B0C0D0E0F10");
    const auto wide = derive_session_keys(Dialect::smb3_11, Cipher::aes256_gcm, full, preauth(preauth_311));
    EXPECT_EQ(hex(wide.signing), "8765949DFEAEE105CE9118B45BE988F0");
    EXPECT_EQ(wide.client_to_server.size(), 32u);
    const auto narrow = derive_session_keys(Dialect::smb3_11, Cipher::aes256_gcm, Bytes(full).first(16), preauth(preauth_311));
    EXPECT_NE(wide.client_to_server, narrow.client_to_server);
    // L = 256 is part of the input: the first half is not the 128-bit key.
    EXPECT_NE(hex(narrow.client_to_server.bytes().first(16)), "A2F5E80E5D59103034F32E52F698E5EC");
}

TEST(Keys, Smb2UsesTheSessionKeyPaddedOrCut) {
    EXPECT_EQ(hex(derive_session_keys(Dialect::smb2_10, Cipher::none, unhex("0102"), {}).signing), "01020000000000000000000000000000");
    const auto keys = derive_session_keys(Dialect::smb2_02, Cipher::none, unhex("000102030405060708090A0B0C0D0E0F1011"), {});
    EXPECT_EQ(hex(keys.signing), "000102030405060708090A0B0C0D0E0F");
    EXPECT_TRUE(keys.client_to_server.empty());
}

// The packets of the 3.1.1 vectors: the last two links of the session's chain and the final response, which is signed.
constexpr std::string_view setup_response_1 =
    "FE534D4240000100160000C00100010001000000000000000100000000000000FFFE00000000000025000000001000000000000000000000"
    "0000000000000000090000004800B300A181B03081ADA0030A0101A10C060A2B06010401823702020AA281970481944E544C4D5353500002"
    "0000000C000C003800000015828AE25FC0CB7F886E93D6000000000000000050005000440000000A0092270000000F530055005400330031"
    "00310002000C0053005500540033003100310001000C0053005500540033003100310004000C0053005500540033003100310003000C0053"
    "005500540033003100310007000800248D5C6CCDAED00100000000";
constexpr std::string_view setup_request_2 =
    "FE534D4240000100000000000100800000000000000000000200000000000000FFFE00000000000025000000001000000000000000000000"
    "00000000000000001900000101000000000000005800CF010000000000000000A18201CB308201C7A0030A0101A28201AA048201A64E544C"
    "4D53535000030000001800180090000000EE00EE00A80000000C000C00580000001A001A0064000000120012007E00000010001000960100"
    "00158288E2060380250000000FA5E34268EF143BE5816251D02C564E9B530055005400330031003100610064006D0069006E006900730074"
    "007200610074006F007200440052004900560045005200330031003100000000000000000000000000000000000000000000000000"
    "2C263DA5C2D54785E8EDA0552472D3A30101000000000000248D5C6CCDAED001BEA7A53E2DC098EB0000000002000C005300550054003300"
    "3100310001000C0053005500540033003100310004000C0053005500540033003100310003000C0053005500540033003100310007000800"
    "248D5C6CCDAED0010600040002000000080030003000000000000000000000"
    "0000300000B61FEFCAA857EA57BF1EDCEBF8974B8E0EBA5A6DFD9D07A31D11B548F8C9D0CC0A0010000000000000000000000000000000000"
    "00900160063006900660073002F00530055005400330031003100000000000000000000000000133FA6EA154880BB44576C6E2490BDE7A312"
    "04100100000067890BD408F5680D00000000";

TEST(PreauthHash, ChainOfTheSession) {
    PreauthHash hash = preauth(
        "A5E8AB87E2ADB8FA5F4545D20F1FD2019D66CCD0F4DFD1F762F1DFC8DCB15B98D0BD1F1450F6A0AFC70F80B353C2D959217681949CF22DF3"
        "5F31257A281C6A80");
    extend_preauth_hash(hash, unhex(setup_response_1));
    EXPECT_EQ(hex(hash),
              "9A095455244172898902B0FBDF5FEFAFD8435BB66A47EB55CB7542732A423F58B12B3ED698BEF3878D8A346FD9F5CC882DA37AAF2A939290"
              "E98B935FC72B3944");
    extend_preauth_hash(hash, unhex(setup_request_2));
    EXPECT_EQ(hex(hash), preauth_311);
}

TEST(Signing, CmacOfTheFinalSessionSetupResponse) {
    const auto response = unhex(
        "FE534D4240000100000000000100800009000000000000000200000000000000FFFE00000000000025000000001000006B85A4519A0F3EEA"
        "35BA946DD3AFE6B80900000048001D00A11B3019A0030A0100A3120410010000003932A87523AB660100000000");
    const Signer signer(SigningAlgorithm::aes_cmac, unhex("8765949DFEAEE105CE9118B45BE988F0"));
    EXPECT_TRUE(signer.verify(response));
    auto again = response;
    std::fill_n(again.begin() + signature_offset, signature_size, uint8_t{0xEE});
    EXPECT_FALSE(signer.verify(again));
    signer.sign(again);
    EXPECT_EQ(again, response);
}

TEST(Signing, CbcMacIsRfc4493) {
    const auto message = unhex(
        "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17"
        "AD2B417BE66C3710");
    CbcMac mac(unhex("2B7E151628AED2A6ABF7158809CF4F3C"));
    const std::pair<size_t, const char*> cases[] = {{0, "BB1D6929E95937287FA37D129B756746"},
                                                    {16, "070A16B46B4D4144F79BDD9DD04A287C"},
                                                    {40, "DFA66747DE9AE63030CA32611497C827"},
                                                    {64, "51F0BEBF7E3B9D92FC49741779363CFE"}};
    for (const auto& [size, expected] : cases) {
        for (const size_t step : {size_t{1}, size_t{7}, size_t{16}, size_t{17}, size_t{64}}) {
            mac.start();
            for (size_t at = 0; at < size; at += step) mac.update(Bytes(message).subspan(at, std::min(step, size - at)));
            EXPECT_EQ(hex(mac.finish_cmac()), expected) << size << " in steps of " << step;
        }
    }
}

std::vector<uint8_t> sample_message(Command command, bool response, size_t size = header_size) {
    std::vector<uint8_t> message(size);
    fill_random(message);
    store_le<uint32_t>(message.data(), smb2_protocol_id);
    store_le<uint16_t>(message.data() + 12, static_cast<uint16_t>(command));
    store_le<uint32_t>(message.data() + 16, response ? header_flags::server_to_redir | header_flags::is_signed : header_flags::is_signed);
    return message;
}

// GMAC by its definition (RFC 4543): the tag of GCM with `data` as associated data and no plaintext.
std::string gcm_tag_of(Bytes key, Bytes nonce, Bytes data) {
    EVP_CIPHER_CTX* c = EVP_CIPHER_CTX_new();
    std::array<uint8_t, 16> tag{};
    int n = 0;
    EXPECT_EQ(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), nullptr, key.data(), nonce.data()), 1);
    EXPECT_EQ(EVP_EncryptUpdate(c, nullptr, &n, data.data(), static_cast<int>(data.size())), 1);
    EXPECT_EQ(EVP_EncryptFinal_ex(c, tag.data(), &n), 1);
    EXPECT_EQ(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, tag.data()), 1);
    EVP_CIPHER_CTX_free(c);
    return hex(tag);
}

TEST(Signing, GmacNonceIsIdDirectionAndCancel) {
    const auto key = unhex("000102030405060708090A0B0C0D0E0F");
    const Signer signer(SigningAlgorithm::aes_gmac, key);
    const struct {
        Command command;
        bool response;
        const char* nonce_end;
    } cases[] = {{Command::read, false, "00000000"}, {Command::read, true, "01000000"}, {Command::cancel, false, "02000000"}};
    for (const auto& c : cases) {
        auto message = sample_message(c.command, c.response, 100);
        const auto id = unhex("8877665544332211");
        std::copy(id.begin(), id.end(), message.begin() + 24);
        signer.sign(message);
        auto zeroed = message;
        std::fill_n(zeroed.begin() + signature_offset, signature_size, uint8_t{0});
        EXPECT_EQ(hex(Bytes(message).subspan(signature_offset, signature_size)),
                  gcm_tag_of(key, unhex(std::string("8877665544332211") + c.nonce_end), zeroed));
        EXPECT_TRUE(signer.verify(message));
        for (const size_t at : {size_t{12}, size_t{16}, size_t{24}, size_t{99}}) {
            auto changed = message;
            changed[at] ^= 1;
            EXPECT_FALSE(signer.verify(changed)) << at;
        }
    }
}

TEST(Signing, EveryAlgorithmSignsPartsAsOneMessage) {
    for (const auto algorithm : {SigningAlgorithm::hmac_sha256, SigningAlgorithm::aes_cmac, SigningAlgorithm::aes_gmac}) {
        const Signer signer(algorithm, unhex("000102030405060708090A0B0C0D0E0F"));
        for (const size_t size : {size_t{64}, size_t{65}, size_t{80}, size_t{4096}, size_t{70001}}) {
            auto whole = sample_message(Command::read, true, size);
            signer.sign(whole);
            EXPECT_TRUE(signer.verify(whole));
            const size_t split = size > 72 ? 72 : 64;
            const Bytes rest[] = {Bytes(whole).subspan(split, (size - split) / 3), Bytes(),
                                  Bytes(whole).subspan(split + (size - split) / 3)};
            EXPECT_TRUE(signer.verify(Bytes(whole).first(split), rest));
            whole[size - 1] ^= 0x80;
            EXPECT_EQ(signer.verify(whole), false);
        }
        EXPECT_FALSE(signer.verify(Bytes(unhex("FE534D42"))));
    }
}

TEST(Signing, AlgorithmByDialect) {
    EXPECT_EQ(signing_algorithm(Dialect::smb2_10, SigningAlgorithm::aes_gmac), SigningAlgorithm::hmac_sha256);
    EXPECT_EQ(signing_algorithm(Dialect::smb3_02, SigningAlgorithm::aes_gmac), SigningAlgorithm::aes_cmac);
    EXPECT_EQ(signing_algorithm(Dialect::smb3_11, SigningAlgorithm::aes_gmac), SigningAlgorithm::aes_gmac);
}

struct SealingVector {
    Cipher cipher;
    const char* key;
    uint64_t session_id;
    const char* plain;
    const char* sealed;
};
const SealingVector sealing_vectors[] = {
    {Cipher::aes128_ccm, "261B72350558F2E9DCF613070383EDBF", 0x8E40014000011,
     "FE534D4240000100000000000900400008000000000000000400000000000000FFFE0000010000001100001400E408000000000000000000000000"
     "00000000003100700017000000000000000000000015010000390000020100000039020000000000000000000070000000000000"
     "00536D623320656E6372797074696F6E2074657374696E67",
     "FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A744DA3EE87000000000001001100001400E4080025C8FEE16605A437"
     "832D1CD52DA9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A44C29BE5658DE2E6117585779E7B59FFD971278D0"
     "8580D7FA899E410E910EABF5AA1DB43050B33B49182637759AC15D84BFCDF5B6B238993C0F4CF4D6012023F6C627297075D84B7803912D0A"
     "9639634453595EF3E33FFE4E7AC2AB"},
    {Cipher::aes128_ccm, "8FE2B57EC34D2DB5B1A9727F526BBDB5", 0x8E40014000011,
     "FE534D4240000100000000000900210009000000000000000400000000000000FFFE0000010000001100001400E408000000000000000000000000"
     "000000000011000000170000000000000000000000",
     "FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014"
     "00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079"
     "E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787"
     "1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D1"
     "77309E5B"},
    {Cipher::aes128_gcm, "A2F5E80E5D59103034F32E52F698E5EC", 0x100000000025,
     "FE534D4240000100000000000900010008000000000000000500000000000000FFFE00000100000025000000001000000000000000000000000000"
     "000000000031007000170000000000000000000000060000000400000001000000040000000000000000000000700000000000"
     "0000536D623320656E6372797074696F6E2074657374696E67",
     "FD534D42BD73D97D2BC9001BCAFAC0FDFF5FEEBCC7D6822D269CAF48904C664C00000000870000000000010025000000001000006ECDD2A7AFC7B477"
     "63057A041B8FD4DAFFE990B70C9E09D36C084E02D14EF247F8BDE38ACF6256F8B1D3B56F77FBDEB312FEA5E92CBCC1ED8FB2EBBFAA75E49A"
     "4A394BB44576545567C24D4C014D47C9FBDFDAFD2C4F9B72F8D256452620A299F48E29E53D6B61D1C13A19E91AF013F00D17E3ABC2FC3D36"
     "C8C1B6B93973253852DBD442E46EE8"},
    {Cipher::aes128_gcm, "748C50868C90F302962A5C35F5F9A8BF", 0x100000000025,
     "FE534D4240000100000000000900010001000000000000000500000000000000FFFE00000100000025000000001000000000000000000000000000"
     "000000000011000000170000000000000000000000",
     "FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B400000000000000005000000000000100250000000010000026BBBF949983A6C1"
     "C796559D0F2C510CB651D1F7B6AC8DED32A2A0B8F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA"
     "6179159B82E03C9E18A050FF0EA1C967"},
};

TEST(Sealing, PublishedFrames) {
    for (const auto& v : sealing_vectors) {
        auto frame = unhex(v.sealed);
        const Opener opener(v.cipher, unhex(v.key));
        const auto opened = opener.open(frame);
        ASSERT_TRUE(opened.ok());
        EXPECT_EQ(hex(*opened), v.plain);

        const auto sealed = unhex(v.sealed);
        std::array<uint8_t, 16> nonce;
        std::copy_n(sealed.begin() + 20, 16, nonce.begin());
        auto plain = unhex(v.plain);
        std::array<uint8_t, TransformHeader::size> header;
        const MutableBytes all(plain);
        const MutableBytes parts[] = {all.first(64), all.subspan(64, 9), {}, all.subspan(73)};
        const Sealer sealer(v.cipher, unhex(v.key), v.session_id);
        sealer.seal_with_nonce(header, parts, nonce);
        EXPECT_EQ(hex(header) + hex(plain), v.sealed);
    }
}

TEST(Sealing, EveryCipherThereAndBackAndNoBitMayChange) {
    for (const auto cipher : {Cipher::aes128_ccm, Cipher::aes128_gcm, Cipher::aes256_ccm, Cipher::aes256_gcm}) {
        std::vector<uint8_t> key(key_size(cipher));
        fill_random(key);
        const Sealer sealer(cipher, key, 42);
        const Opener opener(cipher, key);
        std::vector<uint8_t> frame(TransformHeader::size + 1000);
        fill_random(frame);
        const std::vector<uint8_t> plain(frame.begin() + TransformHeader::size, frame.end());
        const MutableBytes parts[] = {MutableBytes(frame).subspan(TransformHeader::size)};
        sealer.seal(MutableBytes(frame).first<TransformHeader::size>(), parts);
        const auto sealed = frame;
        const auto opened = opener.open(frame);
        ASSERT_TRUE(opened.ok());
        EXPECT_EQ(hex(*opened), hex(plain));
        // Signature, the nonce bytes that count and those that only the tag covers, session id, first and last byte of the data.
        for (const size_t at : {size_t{4}, size_t{19}, size_t{20}, size_t{35}, size_t{44}, size_t{51}, size_t{52}, frame.size() - 1}) {
            auto changed = sealed;
            changed[at] ^= 4;
            const auto result = opener.open(changed);
            ASSERT_FALSE(result.ok()) << at;
            EXPECT_EQ(result.error(), NtStatus::ACCESS_DENIED);
        }
        auto cut = sealed;
        cut.pop_back();
        EXPECT_FALSE(opener.open(cut).ok());
    }
}

TEST(Sealing, NoncesDoNotRepeatAcrossThreads) {
    const Sealer sealer(Cipher::aes128_gcm, unhex("A2F5E80E5D59103034F32E52F698E5EC"), 1);
    const Opener opener(Cipher::aes128_gcm, unhex("A2F5E80E5D59103034F32E52F698E5EC"));
    constexpr size_t threads = 4, frames = 200;
    std::vector<std::string> nonces(threads * frames);
    std::atomic<int> wrong{0};
    std::vector<std::thread> pool;
    for (size_t t = 0; t < threads; t++) {
        pool.emplace_back([&, t] {
            for (size_t i = 0; i < frames; i++) {
                std::vector<uint8_t> frame(TransformHeader::size + 300, static_cast<uint8_t>(i));
                const MutableBytes parts[] = {MutableBytes(frame).subspan(TransformHeader::size)};
                sealer.seal(MutableBytes(frame).first<TransformHeader::size>(), parts);
                nonces[t * frames + i] = hex(Bytes(frame).subspan(20, 16));
                const auto opened = opener.open(frame);
                if (!opened.ok() || (*opened)[299] != static_cast<uint8_t>(i)) wrong++;
            }
        });
    }
    for (auto& thread : pool) thread.join();
    EXPECT_EQ(wrong, 0);
    std::sort(nonces.begin(), nonces.end());
    EXPECT_EQ(std::adjacent_find(nonces.begin(), nonces.end()), nonces.end());
}

}  // namespace
}  // namespace Atoll::smb

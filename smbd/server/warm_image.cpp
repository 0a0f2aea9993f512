#include "smbd/server/warm_image.h"

#include <grp.h>
#include <pwd.h>

#include <array>
#include <vector>

#include "libcli/auth/ntlm.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/signing.h"
#include "smbd/fsa/name_sharing.h"

namespace Atoll::server {

namespace {

constexpr size_t message_size = 128;

void warm_signing() {
    const std::array<uint8_t, 16> key{};
    std::array<uint8_t, message_size> message{};
    for (const auto algorithm : {smb::SigningAlgorithm::hmac_sha256, smb::SigningAlgorithm::aes_cmac, smb::SigningAlgorithm::aes_gmac}) {
        smb::Signer(algorithm, key).sign(message);
    }
}

void warm_sealing() {
    const std::array<uint8_t, smb::Key::max_size> key{};
    for (const auto cipher : {smb::Cipher::aes128_ccm, smb::Cipher::aes128_gcm, smb::Cipher::aes256_ccm, smb::Cipher::aes256_gcm}) {
        const Bytes its_key = Bytes(key).first(smb::key_size(cipher));
        std::array<uint8_t, smb::TransformHeader::size + message_size> frame{};
        const MutableBytes whole(frame);
        const std::array<MutableBytes, 1> parts = {whole.subspan(smb::TransformHeader::size)};
        smb::Sealer(cipher, its_key, 1).seal(whole.first<smb::TransformHeader::size>(), parts);
        const auto opened = smb::Opener(cipher, its_key).open(whole);
        ATOLL_ASSERT(opened.ok());
    }
}

void warm_digests() {
    const std::array<uint8_t, 16> key{};
    smb::PreauthHash hash{};
    smb::extend_preauth_hash(hash, key);
    (void)smb::derive_key(key, key, key, 16);
    (void)auth::ntowf_v2(key, "user", "domain");
    (void)auth::md5({key});
}

void warm_names() {
    const passwd* nobody = getpwnam("nobody");
    const gid_t gid = nobody != nullptr ? nobody->pw_gid : 0;
    std::vector<gid_t> groups(64);
    int count = static_cast<int>(groups.size());
    (void)getgrouplist("nobody", gid, groups.data(), &count);
    (void)getgrgid(gid);
}

}  // namespace

void warm_image() {
    warm_signing();
    warm_sealing();
    warm_digests();
    warm_names();
    fsa::share_names();
}

}  // namespace Atoll::server

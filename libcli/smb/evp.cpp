#include "libcli/smb/evp.h"

namespace Atoll::smb::evp {
namespace {

Algorithms fetch() {
    Algorithms a{};
    a.aes128_cbc = EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr);
    a.aes256_cbc = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
    a.aes128_ctr = EVP_CIPHER_fetch(nullptr, "AES-128-CTR", nullptr);
    a.aes256_ctr = EVP_CIPHER_fetch(nullptr, "AES-256-CTR", nullptr);
    a.aes128_gcm = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
    a.aes256_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    a.hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    a.sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
    ATOLL_ASSERT(a.aes128_cbc && a.aes256_cbc && a.aes128_ctr && a.aes256_ctr && a.aes128_gcm && a.aes256_gcm && a.hmac && a.sha512);
    return a;
}

}  // namespace

const Algorithms& algorithms() {
    static const Algorithms fetched = fetch();
    return fetched;
}

}  // namespace Atoll::smb::evp

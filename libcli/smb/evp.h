// OpenSSL's objects with owners, the algorithms that this room uses, fetched once per process, and a pool of contexts.
// Private to the room's cryptographic files.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/buffer.h"

namespace Atoll::smb::evp {

struct Free {
    void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
    void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
    void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Free>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Free>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free>;

// Fetching looks algorithms up under a lock and allocates: done once, before the process has threads or on first use. They live as long
// as the process does.
struct Algorithms {
    EVP_CIPHER* aes128_cbc;
    EVP_CIPHER* aes256_cbc;
    EVP_CIPHER* aes128_ctr;
    EVP_CIPHER* aes256_ctr;
    EVP_CIPHER* aes128_gcm;
    EVP_CIPHER* aes256_gcm;
    EVP_MAC* hmac;
    EVP_MD* sha512;
};
const Algorithms& algorithms();

// Contexts of one key: as many as were ever in use at once. take() makes one only when all are busy.
template <class Context>
class Pool {
 public:
    template <class Make>
    std::unique_ptr<Context> take(Make&& make) {
        {
            std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                auto context = std::move(idle_.back());
                idle_.pop_back();
                return context;
            }
        }
        return make();
    }
    void give_back(std::unique_ptr<Context> context) {
        std::lock_guard lock(mutex_);
        idle_.push_back(std::move(context));
    }

 private:
    std::mutex mutex_;
    std::vector<std::unique_ptr<Context>> idle_;
};

// OpenSSL's length arguments are int; frames are below 2^24 bytes (limits::max_frame), and this room's callers may sign a little more.
inline int length(size_t n) {
    ATOLL_ASSERT(n <= 0x7FFFFFFF);
    return static_cast<int>(n);
}

}  // namespace Atoll::smb::evp

// Owners of what MIT's GSS-API and krb5 libraries hand out, and what both sides of a Kerberos log-on ask of a context. For the .cpp files
// of this room only. Not thread-safe.
#pragma once

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"

namespace Atoll::auth::gss {

// A buffer that the library allocated.
class Buffer {
 public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() {
        OM_uint32 minor = 0;
        (void)gss_release_buffer(&minor, &held_);
    }
    gss_buffer_t out() { return &held_; }
    [[nodiscard]] Bytes bytes() const { return {static_cast<const uint8_t*>(held_.value), held_.length}; }

 private:
    gss_buffer_desc held_{0, nullptr};
};

// A buffer of ours, for a call that reads it.
inline gss_buffer_desc view(Bytes bytes) { return {bytes.size(), const_cast<uint8_t*>(bytes.data())}; }

template <class Handle, OM_uint32 (*release)(OM_uint32*, Handle*)>
class Owner {
 public:
    Owner() = default;
    Owner(Owner&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    Owner& operator=(Owner&& other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Owner() {
        OM_uint32 minor = 0;
        if (held_ != nullptr) (void)release(&minor, &held_);
    }
    [[nodiscard]] Handle get() const { return held_; }
    Handle* out() { return &held_; }
    explicit operator bool() const { return held_ != nullptr; }

 private:
    Handle held_ = nullptr;
};

OM_uint32 delete_context(OM_uint32* minor, gss_ctx_id_t* context);
using Context = Owner<gss_ctx_id_t, delete_context>;
using Credential = Owner<gss_cred_id_t, gss_release_cred>;
using Name = Owner<gss_name_t, gss_release_name>;

// An owner of a krb5_context.
class Library {
 public:
    Library() = default;
    Library(Library&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    Library& operator=(Library&& other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~Library() {
        if (held_ != nullptr) krb5_free_context(held_);
    }
    krb5_context* out() { return &held_; }
    [[nodiscard]] krb5_context get() const { return held_; }
    [[nodiscard]] std::string text(krb5_error_code code) const;

 private:
    krb5_context held_ = nullptr;
};

// What went wrong, in the library's words; empty where it has none, as of a token that cannot be decoded.
std::string text(OM_uint32 major, OM_uint32 minor);
// The krb5 error behind a minor status of the Kerberos mechanism.
inline krb5_error_code krb5_error_of(OM_uint32 minor) { return static_cast<krb5_error_code>(minor); }

bool is_aes(krb5_enctype type);

struct ContextKey {
    krb5_enctype type = 0;
    std::vector<uint8_t> key;
};
// The key that both sides share: the acceptor's subkey where there is one, else the initiator's (MS-KILE 3.1.1.2).
std::optional<ContextKey> context_key(gss_ctx_id_t context);

std::optional<std::vector<uint8_t>> mic_of(gss_ctx_id_t context, Bytes message);
bool mic_is_right(gss_ctx_id_t context, Bytes message, Bytes mic);

}  // namespace Atoll::auth::gss

#include "libcli/auth/gss.h"

#include <openssl/crypto.h>

#include <string_view>

namespace Atoll::auth::gss {
namespace {

void append_messages(std::string& out, OM_uint32 status, int kind) {
    OM_uint32 more = 0, minor = 0;
    do {
        Buffer message;
        if (GSS_ERROR(gss_display_status(&minor, status, kind, gss_mech_krb5, &more, message.out()))) return;
        const std::string_view text(reinterpret_cast<const char*>(message.bytes().data()), message.bytes().size());
        if (text == "Success") continue;  // the mechanism's own zero, under another number
        if (!out.empty()) out += ": ";
        out += text;
    } while (more != 0);
}

}  // namespace

OM_uint32 delete_context(OM_uint32* minor, gss_ctx_id_t* context) { return gss_delete_sec_context(minor, context, GSS_C_NO_BUFFER); }

std::string text(OM_uint32 major, OM_uint32 minor) {
    std::string out;
    // A failure of the mechanism has its reason in the minor status.
    const OM_uint32 routine = GSS_ROUTINE_ERROR(major);
    if (routine != GSS_S_FAILURE && routine != GSS_S_DEFECTIVE_TOKEN) append_messages(out, major, GSS_C_GSS_CODE);
    if (minor != 0) append_messages(out, minor, GSS_C_MECH_CODE);
    return out;
}

std::string Library::text(krb5_error_code code) const {
    const char* message = krb5_get_error_message(held_, code);
    std::string out = message;
    krb5_free_error_message(held_, message);
    return out;
}

bool is_aes(krb5_enctype type) {
    return type == ENCTYPE_AES128_CTS_HMAC_SHA1_96 || type == ENCTYPE_AES256_CTS_HMAC_SHA1_96 ||
           type == ENCTYPE_AES128_CTS_HMAC_SHA256_128 || type == ENCTYPE_AES256_CTS_HMAC_SHA384_192;
}

std::optional<ContextKey> context_key(gss_ctx_id_t context) {
    OM_uint32 minor = 0;
    gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
    if (GSS_ERROR(gss_inquire_sec_context_by_oid(&minor, context, GSS_C_INQ_SSPI_SESSION_KEY, &set))) return std::nullopt;
    std::optional<ContextKey> found;
    // The key, and an object identifier whose last arc is its encryption type: one byte for all that are below 128.
    if (set != GSS_C_NO_BUFFER_SET && set->count == 2 && set->elements[1].length > 0) {
        const auto* key = static_cast<uint8_t*>(set->elements[0].value);
        const auto* oid = static_cast<const uint8_t*>(set->elements[1].value);
        found = ContextKey{oid[set->elements[1].length - 1], {key, key + set->elements[0].length}};
        OPENSSL_cleanse(set->elements[0].value, set->elements[0].length);
    }
    (void)gss_release_buffer_set(&minor, &set);
    return found;
}

std::optional<std::vector<uint8_t>> mic_of(gss_ctx_id_t context, Bytes message) {
    OM_uint32 minor = 0;
    gss_buffer_desc in = view(message);
    Buffer mic;
    if (GSS_ERROR(gss_get_mic(&minor, context, GSS_C_QOP_DEFAULT, &in, mic.out()))) return std::nullopt;
    const Bytes bytes = mic.bytes();
    return std::vector<uint8_t>(bytes.begin(), bytes.end());
}

bool mic_is_right(gss_ctx_id_t context, Bytes message, Bytes mic) {
    OM_uint32 minor = 0;
    gss_buffer_desc in = view(message), token = view(mic);
    return gss_verify_mic(&minor, context, &in, &token, nullptr) == GSS_S_COMPLETE;
}

}  // namespace Atoll::auth::gss

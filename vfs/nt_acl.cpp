#include "vfs/nt_acl.h"

#include <openssl/sha.h>

#include "base/bytes.h"

namespace Atoll::vfs {

namespace {

constexpr uint32_t first_referent = 0x00020000, second_referent = 0x00020004;
constexpr uint16_t hash_is_sha256 = 1;
constexpr size_t hash_size_of_version_2 = 16;

Failure<Error> bad(const char* text) { return fail(Code::invalid, "NT ACL attribute", text); }

void put_head(ByteWriter& w, uint16_t version) {
    w.u16(version);
    w.u16(version);
    w.u32(first_referent);
    w.u32(second_referent);
    w.u16(hash_is_sha256);
}

void skip_text(ByteReader& in, std::string& text) {
    text.clear();
    for (char c = static_cast<char>(in.u8()); in.ok() && c != '\0'; c = static_cast<char>(in.u8())) text += c;
}

}  // namespace

Result<void> decode_nt_acl(Bytes value, NtAcl& out) {
    ByteReader in(value);
    out.version = in.u16();
    const uint16_t arm = in.u16();
    if (!in.ok() || arm != out.version || out.version < 1 || out.version > 4) return bad("an unknown version");
    if (in.u32() == 0) return bad("holds nothing");
    if (out.version >= 2 && in.u32() == 0) return bad("has no descriptor");
    out.descriptor_hash.fill(0);
    out.system_hash.fill(0);
    out.description.clear();
    if (out.version == 2) in.skip(hash_size_of_version_2);
    if (out.version >= 3) {
        in.skip(2);  // how it was hashed
        in.copy(out.descriptor_hash);
    }
    if (out.version == 4) {
        skip_text(in, out.description);
        in.align(8);
        out.time = NtTime{in.u64()};
        in.copy(out.system_hash);
    }
    in.align(4);
    if (!in.ok()) return bad("is too short");
    return security::decode_within(value, in.position(), out.descriptor);
}

void encode_nt_acl(const security::SecurityDescriptor& descriptor, Buffer& out) {
    out.clear();
    ByteWriter w(out);
    put_head(w, 3);
    w.zeros(nt_acl_hash_size);
    w.align(4);
    security::encode(descriptor, w);
}

void hash_descriptor(const security::SecurityDescriptor& mapped, NtAclHash& out) {
    Buffer bytes;
    encode_nt_acl(mapped, bytes);
    out.fill(0);
    ::SHA256(bytes.data(), bytes.size(), out.data());
}

void encode_nt_acl(const security::SecurityDescriptor& descriptor, const NtAclHash& descriptor_hash, const NtAclHash& system_hash,
                   NtTime now, Buffer& out) {
    out.clear();
    ByteWriter w(out);
    put_head(w, 4);
    w.bytes(descriptor_hash);
    w.bytes(as_bytes(std::string_view(posix_acl_description)));
    w.u8(0);
    w.align(8);
    w.u64(now.ticks);
    w.bytes(system_hash);
    w.align(4);
    security::encode(descriptor, w);
}

}  // namespace Atoll::vfs

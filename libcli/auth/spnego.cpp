#include "libcli/auth/spnego.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"

namespace Atoll::auth {
namespace {

// DER tags (X.690 8.1.2): universal, application 0, and the context tags of RFC 4178.
constexpr uint8_t tag_octet_string = 0x04, tag_oid = 0x06, tag_enumerated = 0x0A, tag_general_string = 0x1B, tag_sequence = 0x30;
constexpr uint8_t tag_gss_frame = 0x60;
constexpr uint8_t context(uint8_t n) { return static_cast<uint8_t>(0xA0 | n); }

// Contents of the object identifiers.
constexpr uint8_t oid_spnego[] = {0x2B, 0x06, 0x01, 0x05, 0x05, 0x02};
constexpr uint8_t oid_ntlmssp[] = {0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0A};
constexpr uint8_t oid_kerberos[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02};
constexpr uint8_t oid_ms_kerberos[] = {0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 0x01, 0x02, 0x02};
constexpr uint8_t oid_kerberos_u2u[] = {0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02, 0x03};
constexpr uint8_t oid_negoex[] = {0x2B, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x1E};

struct KnownOid {
    Mechanism mechanism;
    Bytes oid;
};
const std::array<KnownOid, 5> known_oids = {{{Mechanism::ntlmssp, oid_ntlmssp},
                                             {Mechanism::kerberos, oid_kerberos},
                                             {Mechanism::ms_kerberos, oid_ms_kerberos},
                                             {Mechanism::kerberos_u2u, oid_kerberos_u2u},
                                             {Mechanism::negoex, oid_negoex}}};

Failure<NtStatus> malformed() { return Failure<NtStatus>(NtStatus::INVALID_PARAMETER); }

// Reads DER elements one behind the other. Lengths are definite and shortest (X.690 10.1); after an error everything is empty.
class DerReader {
 public:
    explicit DerReader(Bytes bytes) : in_(bytes) {}

    [[nodiscard]] bool ok() const { return in_.ok(); }
    [[nodiscard]] bool at_end() const { return in_.remaining() == 0; }
    void fail() { in_.fail(); }
    [[nodiscard]] uint8_t next_tag() const { return in_.ok() && in_.remaining() > 0 ? in_.rest()[0] : 0; }

    // The contents of the next element, which must have this tag. `whole`, if given, gets the element with its tag and length.
    Bytes element(uint8_t tag, Bytes* whole = nullptr) {
        const Bytes start = in_.rest();
        if (in_.u8() != tag) in_.fail();
        const Bytes contents = in_.bytes(length());
        if (whole != nullptr && in_.ok()) *whole = start.first(start.size() - in_.remaining());
        return contents;
    }
    // The same if it is there.
    std::optional<Bytes> optional(uint8_t tag) {
        if (next_tag() != tag) return std::nullopt;
        return element(tag);
    }

 private:
    size_t length() {
        const uint8_t first = in_.u8();
        if (first < 0x80) return first;
        const size_t count = first & 0x7F;
        if (count == 0 || count > 4) in_.fail();
        size_t value = 0;
        for (size_t i = 0; i < count && in_.ok(); i++) value = value << 8 | in_.u8();
        if (value < 0x80 || (count > 1 && value >> (8 * (count - 1)) == 0)) in_.fail();
        return in_.ok() ? value : 0;
    }
    ByteReader in_;
};

Mechanism mechanism_of(Bytes oid) {
    for (const KnownOid& known : known_oids) {
        if (std::equal(oid.begin(), oid.end(), known.oid.begin(), known.oid.end())) return known.mechanism;
    }
    return Mechanism::other;
}

Bytes oid_of(Mechanism mechanism) {
    for (const KnownOid& known : known_oids) {
        if (known.mechanism == mechanism) return known.oid;
    }
    ATOLL_ASSERT(false);
    return {};
}

// The OCTET STRING inside an optional context element.
std::optional<Bytes> octets(DerReader& in, uint8_t tag) {
    const auto outer = in.optional(tag);
    if (!outer) return std::nullopt;
    DerReader inner(*outer);
    const Bytes contents = inner.element(tag_octet_string);
    if (!inner.ok() || !inner.at_end()) in.fail();
    return contents;
}

std::vector<uint8_t> element(uint8_t tag, Bytes contents) {
    std::vector<uint8_t> out = {tag};
    const size_t n = contents.size();
    ATOLL_ASSERT(n <= 0xFFFFFF);
    if (n < 0x80) {
        out.push_back(static_cast<uint8_t>(n));
    } else {
        const uint8_t count = n > 0xFFFF ? 3 : n > 0xFF ? 2 : 1;
        out.push_back(static_cast<uint8_t>(0x80 | count));
        for (int i = count - 1; i >= 0; i--) out.push_back(static_cast<uint8_t>(n >> (8 * i)));
    }
    out.insert(out.end(), contents.begin(), contents.end());
    return out;
}

void append(std::vector<uint8_t>& out, const std::vector<uint8_t>& more) { out.insert(out.end(), more.begin(), more.end()); }

void append_octets(std::vector<uint8_t>& out, uint8_t tag, Bytes contents) {
    append(out, element(tag, element(tag_octet_string, contents)));
}

void frame(const std::vector<uint8_t>& fields, Buffer& out) {
    std::vector<uint8_t> inner = element(tag_oid, oid_spnego);
    append(inner, element(context(0), element(tag_sequence, fields)));
    out.append(element(tag_gss_frame, inner));
}

// MechTypeList ::= SEQUENCE OF OBJECT IDENTIFIER, in context element 0.
bool read_mech_types(Bytes outer, NegTokenInit& out) {
    DerReader in(outer);
    DerReader list(in.element(tag_sequence, &out.mech_types));
    while (list.ok() && !list.at_end()) {
        const Bytes oid = list.element(tag_oid);
        if (out.mechanisms.size() == limits::max_spnego_mechanisms) return false;
        if (list.ok()) out.mechanisms.push_back(mechanism_of(oid));
    }
    return in.ok() && in.at_end() && list.ok();
}

}  // namespace

SpnegoKind spnego_kind(Bytes token) {
    if (token.empty()) return SpnegoKind::unknown;
    if (token[0] == tag_gss_frame || token[0] == context(0)) return SpnegoKind::init;
    return token[0] == context(1) ? SpnegoKind::response : SpnegoKind::unknown;
}

Result<NegTokenInit, NtStatus> NegTokenInit::decode(Bytes token) {
    DerReader top(token);
    Bytes choice;
    if (top.next_tag() == tag_gss_frame) {
        DerReader gss(top.element(tag_gss_frame));
        const Bytes oid = gss.element(tag_oid);
        if (!std::equal(oid.begin(), oid.end(), std::begin(oid_spnego), std::end(oid_spnego))) return malformed();
        choice = gss.element(context(0));
        if (!gss.ok() || !gss.at_end()) return malformed();
    } else {
        choice = top.element(context(0));
    }
    DerReader outer(choice);
    DerReader in(outer.element(tag_sequence));
    if (!top.ok() || !top.at_end() || !outer.ok() || !outer.at_end()) return malformed();

    NegTokenInit out;
    const auto types = in.optional(context(0));
    if (!types || !read_mech_types(*types, out)) return malformed();
    (void)in.optional(context(1));  // reqFlags, to be ignored (MS-SPNG 3.1.5.3)
    out.mech_token = octets(in, context(2));
    // NegTokenInit has mechListMIC at 3; NegTokenInit2 has hints there and mechListMIC at 4 (MS-SPNG 2.2.1).
    if (const auto third = in.optional(context(3))) {
        DerReader inner(*third);
        if (inner.next_tag() == tag_octet_string)
            out.mic = inner.element(tag_octet_string);
        else
            (void)inner.element(tag_sequence);
        if (!inner.ok() || !inner.at_end()) return malformed();
    }
    if (const auto mic = octets(in, context(4))) out.mic = mic;
    if (!in.ok() || !in.at_end()) return malformed();
    return out;
}

Result<NegTokenResp, NtStatus> NegTokenResp::decode(Bytes token) {
    DerReader top(token);
    DerReader outer(top.element(context(1)));
    DerReader in(outer.element(tag_sequence));
    if (!top.ok() || !top.at_end() || !outer.ok() || !outer.at_end()) return malformed();

    NegTokenResp out;
    if (const auto field = in.optional(context(0))) {
        DerReader inner(*field);
        const Bytes value = inner.element(tag_enumerated);
        if (!inner.ok() || !inner.at_end() || value.size() != 1 || value[0] > 3) return malformed();
        out.state = static_cast<NegState>(value[0]);
    }
    if (const auto field = in.optional(context(1))) {
        DerReader inner(*field);
        out.mechanism = mechanism_of(inner.element(tag_oid));
        if (!inner.ok() || !inner.at_end()) return malformed();
    }
    out.token = octets(in, context(2));
    out.mic = octets(in, context(3));
    if (!in.ok() || !in.at_end()) return malformed();
    return out;
}

void NegTokenResp::encode(Buffer& out) const {
    std::vector<uint8_t> fields;
    if (state) {
        const uint8_t value[] = {static_cast<uint8_t>(*state)};
        append(fields, element(context(0), element(tag_enumerated, value)));
    }
    if (mechanism) append(fields, element(context(1), element(tag_oid, oid_of(*mechanism))));
    if (token) append_octets(fields, context(2), *token);
    if (mic) append_octets(fields, context(3), *mic);
    out.append(element(context(1), element(tag_sequence, fields)));
}

std::vector<uint8_t> encode_mech_types(const std::vector<Mechanism>& mechanisms) {
    std::vector<uint8_t> list;
    for (const Mechanism mechanism : mechanisms) append(list, element(tag_oid, oid_of(mechanism)));
    return element(tag_sequence, list);
}

void encode_neg_token_init(const std::vector<Mechanism>& mechanisms, Bytes mech_token, Buffer& out) {
    std::vector<uint8_t> fields = element(context(0), encode_mech_types(mechanisms));
    if (!mech_token.empty()) append_octets(fields, context(2), mech_token);
    frame(fields, out);
}

void encode_neg_token_init2(const std::vector<Mechanism>& mechanisms, Buffer& out) {
    std::vector<uint8_t> fields = element(context(0), encode_mech_types(mechanisms));
    const auto name = element(tag_general_string, as_bytes("not_defined_in_RFC4178@please_ignore"));
    append(fields, element(context(3), element(tag_sequence, element(context(0), name))));
    frame(fields, out);
}

std::vector<uint8_t> gss_framed(Mechanism mechanism, Bytes inner) {
    std::vector<uint8_t> contents = element(tag_oid, oid_of(mechanism));
    contents.insert(contents.end(), inner.begin(), inner.end());
    return element(tag_gss_frame, contents);
}

}  // namespace Atoll::auth

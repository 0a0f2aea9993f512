#include "libcli/security/security_descriptor.h"

#include "base/bytes.h"

namespace Atoll::security {

namespace {

constexpr size_t header_size = 20;
constexpr size_t acl_header_size = 8;
constexpr size_t ace_header_size = 4;
constexpr uint32_t object_type_present = 0x1;  // MS-DTYP 2.4.4.3
constexpr uint32_t inherited_object_type_present = 0x2;

Failure<Error> bad(const char* text) { return fail(Code::invalid, "security descriptor", text); }

bool is_known_ace(uint8_t type) { return type <= 0x13 && type != 0x03 && type != 0x04 && type != 0x08 && type != 0x0E && type != 0x10; }

size_t ace_size(const Ace& ace) {
    size_t size = ace_header_size + 4 + ace.sid.wire_size() + ace.data.size();
    if (is_object_ace(ace.type)) size += 4 + (ace.object_type ? 16u : 0u) + (ace.inherited_object_type ? 16u : 0u);
    return size;
}

size_t acl_size(const Acl& acl) {
    size_t size = acl_header_size;
    for (const Ace& ace : acl.aces) size += ace_size(ace);
    return size;
}

void encode_ace(const Ace& ace, ByteWriter& out) {
    out.u8(ace.type);
    out.u8(ace.flags);
    out.u16(static_cast<uint16_t>(ace_size(ace)));
    out.u32(ace.mask);
    if (is_object_ace(ace.type)) {
        out.u32((ace.object_type ? object_type_present : 0) | (ace.inherited_object_type ? inherited_object_type_present : 0));
        if (ace.object_type) out.bytes(ace.object_type->bytes);
        if (ace.inherited_object_type) out.bytes(ace.inherited_object_type->bytes);
    }
    ace.sid.encode(out);
    ATOLL_ASSERT(ace.data.size() % 4 == 0);
    out.bytes(ace.data);
}

void encode_acl(const Acl& acl, ByteWriter& out) {
    const size_t size = acl_size(acl);
    ATOLL_ASSERT(size <= UINT16_MAX);
    out.u8(acl.revision);
    out.u8(0);
    out.u16(static_cast<uint16_t>(size));
    out.u16(static_cast<uint16_t>(acl.aces.size()));
    out.u16(0);
    for (const Ace& ace : acl.aces) encode_ace(ace, out);
}

Result<void> decode_object_types(ByteReader& in, Ace& ace) {
    const uint32_t present = in.u32();
    if ((present & ~(object_type_present | inherited_object_type_present)) != 0) return bad("an object ACE has unknown flags");
    if ((present & object_type_present) != 0) in.copy(ace.object_type.emplace().bytes);
    if ((present & inherited_object_type_present) != 0) in.copy(ace.inherited_object_type.emplace().bytes);
    return {};
}

// MS-DTYP 2.4.4: `in` stands at the header of an ACE of the ACL's remaining bytes.
Result<void> decode_ace(ByteReader& in, Ace& ace) {
    ace.type = in.u8();
    ace.flags = in.u8();
    const uint16_t size = in.u16();
    if (!in.ok() || size < ace_header_size || size % 4 != 0) return bad("an ACE has an impossible size");
    if (!is_known_ace(ace.type)) return bad("an ACE has an unknown type");
    ByteReader body(in.bytes(size - ace_header_size));
    if (!in.ok()) return bad("an ACE is longer than its ACL");
    ace.mask = body.u32();
    if (is_object_ace(ace.type)) {
        if (auto r = decode_object_types(body, ace); !r) return r;
    }
    ace.sid = Sid::decode(body);
    if (!body.ok()) return bad("an ACE is shorter than its fields");
    ace.data.assign(body.rest().begin(), body.rest().end());
    return {};
}

Result<void> decode_acl(Bytes descriptor, size_t least, uint32_t offset, Acl& acl) {
    if (offset < least || offset > descriptor.size()) return bad("an ACL lies outside the descriptor");
    ByteReader header(descriptor.subspan(offset));
    acl.revision = header.u8();
    header.skip(1);
    const uint16_t size = header.u16();
    const uint16_t count = header.u16();
    header.skip(2);
    if (!header.ok() || size < acl_header_size) return bad("an ACL is shorter than its header");
    if (acl.revision != 2 && acl.revision != 4) return bad("an ACL has an unknown revision");
    ByteReader in(header.bytes(size - acl_header_size));
    if (!header.ok()) return bad("an ACL is longer than the descriptor");
    if (count > in.size() / (ace_header_size + 4 + 8)) return bad("an ACL counts more ACEs than it can hold");
    acl.aces.resize(count);
    for (Ace& ace : acl.aces) {
        ace = Ace();
        if (auto r = decode_ace(in, ace); !r) return r;
    }
    return {};
}

Result<void> decode_sid(Bytes descriptor, size_t least, uint32_t offset, std::optional<Sid>& out) {
    out.reset();
    if (offset == 0) return {};
    if (offset < least || offset > descriptor.size()) return bad("a SID lies outside the descriptor");
    ByteReader in(descriptor.subspan(offset));
    out = Sid::decode(in);
    return in.ok() ? Result<void>() : bad("a SID is malformed");
}

// An ACL is there if its bit and its offset are set. A bit without an offset is a NULL ACL; an offset without its bit is ignored.
Result<void> decode_optional_acl(Bytes descriptor, size_t least, uint32_t offset, bool present, std::optional<Acl>& out) {
    if (!present || offset == 0) {
        out.reset();
        return {};
    }
    if (!out) out.emplace();
    return decode_acl(descriptor, least, offset, *out);
}

}  // namespace

bool is_object_ace(uint8_t type) {
    return (type >= ace_type::access_allowed_object && type <= ace_type::system_audit_object) ||
           type == ace_type::access_allowed_callback_object || type == ace_type::access_denied_callback_object ||
           type == ace_type::system_audit_callback_object;
}

uint32_t part_of_system_ace(const Ace& ace) { return ace.type == ace_type::system_mandatory_label ? part::label : part::sacl; }

size_t encoded_size(const SecurityDescriptor& descriptor) {
    return header_size + (descriptor.owner ? descriptor.owner->wire_size() : 0) + (descriptor.group ? descriptor.group->wire_size() : 0) +
           (descriptor.sacl ? acl_size(*descriptor.sacl) : 0) + (descriptor.dacl ? acl_size(*descriptor.dacl) : 0);
}

void encode(const SecurityDescriptor& descriptor, Buffer& out_buffer) {
    ByteWriter out(out_buffer);
    encode(descriptor, out);
}

void encode(const SecurityDescriptor& descriptor, ByteWriter& out) {
    const size_t start = out.position();
    const auto present = [](bool there, uint16_t bit) { return there ? bit : uint16_t{0}; };
    out.u8(1);
    out.u8(descriptor.resource_control);
    out.u16(static_cast<uint16_t>(descriptor.control | control::self_relative |
                                  present(descriptor.dacl.has_value(), control::dacl_present) |
                                  present(descriptor.sacl.has_value(), control::sacl_present)));
    out.zeros(16);
    const auto place = [&](size_t field) { out.patch_u32(start + field, static_cast<uint32_t>(out.position())); };
    if (descriptor.owner) {
        place(4);
        descriptor.owner->encode(out);
    }
    if (descriptor.group) {
        place(8);
        descriptor.group->encode(out);
    }
    if (descriptor.sacl) {
        place(12);
        encode_acl(*descriptor.sacl, out);
    }
    if (descriptor.dacl) {
        place(16);
        encode_acl(*descriptor.dacl, out);
    }
}

Result<void> decode(Bytes in, SecurityDescriptor& out) { return decode_within(in, 0, out); }

Result<void> decode_within(Bytes in, size_t start, SecurityDescriptor& out) {
    ByteReader header(in);
    header.seek(start);
    const uint8_t revision = header.u8();
    out.resource_control = header.u8();
    const uint16_t bits = header.u16();
    const uint32_t owner = header.u32();
    const uint32_t group = header.u32();
    const uint32_t sacl = header.u32();
    const uint32_t dacl = header.u32();
    if (!header.ok()) return bad("shorter than its header");
    if (revision != 1) return bad("an unknown revision");
    if ((bits & control::self_relative) == 0) return bad("not in self-relative form");
    out.control = static_cast<uint16_t>(bits & ~control::self_relative);
    const size_t least = start + header_size;
    if (auto r = decode_sid(in, least, owner, out.owner); !r) return r;
    if (auto r = decode_sid(in, least, group, out.group); !r) return r;
    if (auto r = decode_optional_acl(in, least, sacl, (bits & control::sacl_present) != 0, out.sacl); !r) return r;
    return decode_optional_acl(in, least, dacl, (bits & control::dacl_present) != 0, out.dacl);
}

SecurityDescriptor select_parts(const SecurityDescriptor& descriptor, uint32_t parts) {
    constexpr uint16_t dacl_bits = control::dacl_present | control::dacl_defaulted | control::dacl_trusted |
                                   control::dacl_computed_inheritance_required | control::dacl_auto_inherited | control::dacl_protected;
    constexpr uint16_t sacl_bits = control::sacl_present | control::sacl_defaulted | control::sacl_computed_inheritance_required |
                                   control::sacl_auto_inherited | control::sacl_protected;
    SecurityDescriptor selected = descriptor;
    const auto drop = [&](uint16_t bits) { selected.control = static_cast<uint16_t>(selected.control & ~bits); };
    if ((parts & part::owner) == 0) {
        selected.owner.reset();
        drop(control::owner_defaulted);
    }
    if ((parts & part::group) == 0) {
        selected.group.reset();
        drop(control::group_defaulted);
    }
    if ((parts & part::dacl) == 0) {
        selected.dacl.reset();
        drop(dacl_bits);
    }
    if ((parts & (part::sacl | part::label)) == 0) {
        selected.sacl.reset();
        drop(sacl_bits);
    } else if (selected.sacl) {
        std::erase_if(selected.sacl->aces, [&](const Ace& ace) { return (parts & part_of_system_ace(ace)) == 0; });
    }
    return selected;
}

}  // namespace Atoll::security

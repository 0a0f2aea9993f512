#include "libcli/auth/ntlmssp.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/utf.h"

namespace Atoll::auth {
namespace {

enum class MessageType : uint32_t { negotiate = 1, challenge = 2, authenticate = 3 };

constexpr size_t negotiate_fixed = 16;  // up to the flags; old clients send no more
constexpr size_t negotiate_size = 40;   // with names and version
constexpr size_t challenge_fixed = 48;  // up to the target info; version follows
constexpr size_t challenge_size = 56;
constexpr size_t authenticate_fixed = 64;                                    // up to the flags
constexpr size_t authenticate_mic_end = 88;                                  // with version and MIC
constexpr uint8_t product_major = 6, product_minor = 1, ntlm_revision = 15;  // MS-NLMP 2.2.2.10, for debugging only

Failure<NtStatus> malformed() { return Failure<NtStatus>(NtStatus::INVALID_PARAMETER); }

ByteReader open_message(Bytes message, MessageType type) {
    ByteReader in(message);
    if (!is_ntlmssp(message)) in.fail();
    in.skip(ntlmssp_signature.size());
    if (in.u32() != static_cast<uint32_t>(type)) in.fail();
    return in;
}

// Length, maximum length (ignored), offset (MS-NLMP 2.2.1.1). An empty field may have any offset; another may not reach into the fixed
// part.
Bytes field(ByteReader& in, size_t first) {
    const uint16_t length = in.u16();
    in.skip(2);
    const uint32_t offset = in.u32();
    if (length == 0) return {};
    if (offset < first) in.fail();
    return in.at(offset, length);
}

bool read_name(Bytes bytes, uint32_t flags, std::string& out) {
    out.clear();
    if (bytes.size() > limits::max_logon_name) return false;
    if (flags & ntlm_flags::unicode) {
        if (!utf16le_to_utf8(bytes, out) || out.size() > limits::max_logon_name) return false;
    } else {
        // The OEM character set is not told; what is ASCII is the same in all of them.
        if (std::any_of(bytes.begin(), bytes.end(), [](uint8_t c) { return c >= 0x80; })) return false;
        out.assign(as_text(bytes));
    }
    return out.find('\0') == std::string::npos;
}

void copy(Bytes bytes, std::vector<uint8_t>& out) { out.assign(bytes.begin(), bytes.end()); }

void begin_message(ByteWriter& w, MessageType type) {
    w.bytes(ntlmssp_signature);
    w.u32(static_cast<uint32_t>(type));
}

// Writes fields whose data are collected in a payload that follows the fixed part.
class Fields {
 public:
    Fields(ByteWriter& w, size_t fixed_size) : w_(w), next_(fixed_size) {}
    void add(Bytes data) {
        ATOLL_ASSERT(data.size() <= 0xFFFF);
        w_.u16(static_cast<uint16_t>(data.size()));
        w_.u16(static_cast<uint16_t>(data.size()));
        w_.u32(static_cast<uint32_t>(next_));
        payload_.append(data);
        next_ += data.size();
    }
    void finish() { w_.bytes(payload_); }

 private:
    ByteWriter& w_;
    Buffer payload_;
    size_t next_;
};

void write_version(ByteWriter& w, uint32_t flags) {
    if (!(flags & ntlm_flags::version)) return w.zeros(8);
    w.u8(product_major);
    w.u8(product_minor);
    w.u16(0);
    w.zeros(3);
    w.u8(ntlm_revision);
}

Buffer wide(std::string_view name) {
    Buffer out;
    (void)append_utf16le(out, name);
    return out;
}

}  // namespace

bool is_ntlmssp(Bytes token) {
    return token.size() >= ntlmssp_signature.size() && std::equal(ntlmssp_signature.begin(), ntlmssp_signature.end(), token.begin());
}

uint32_t ntlmssp_message_type(Bytes token) {
    if (!is_ntlmssp(token) || token.size() < 12) return 0;
    return load_le<uint32_t>(token.data() + 8);
}

// MS-NLMP 2.2.2.1
Result<std::vector<AvPair>, NtStatus> decode_av_pairs(Bytes bytes) {
    std::vector<AvPair> pairs;
    ByteReader in(bytes);
    while (true) {
        const auto id = static_cast<AvId>(in.u16());
        const uint16_t size = in.u16();
        if (!in.ok()) return malformed();
        if (id == AvId::eol) return pairs;
        const Bytes value = in.bytes(size);
        if (!in.ok() || pairs.size() == limits::max_av_pairs) return malformed();
        pairs.push_back({id, value});
    }
}

void encode_av_pairs(const std::vector<AvPair>& pairs, Buffer& out) {
    ByteWriter w(out);
    for (const AvPair& pair : pairs) {
        ATOLL_ASSERT(pair.value.size() <= 0xFFFF);
        w.u16(static_cast<uint16_t>(pair.id));
        w.u16(static_cast<uint16_t>(pair.value.size()));
        w.bytes(pair.value);
    }
    w.u32(0);
}

// MS-NLMP 2.2.1.1. The names in it are not used by anybody and not read.
Result<NtlmNegotiate, NtStatus> NtlmNegotiate::decode(Bytes message) {
    ByteReader in = open_message(message, MessageType::negotiate);
    NtlmNegotiate out;
    out.flags = in.u32();
    if (!in.ok() || message.size() < negotiate_fixed) return malformed();
    return out;
}

void NtlmNegotiate::encode(Buffer& out) const {
    ByteWriter w(out);
    begin_message(w, MessageType::negotiate);
    w.u32(flags);
    Fields fields(w, negotiate_size);
    fields.add({});
    fields.add({});
    write_version(w, flags);
}

// MS-NLMP 2.2.1.2
Result<NtlmChallenge, NtStatus> NtlmChallenge::decode(Bytes message) {
    ByteReader in = open_message(message, MessageType::challenge);
    NtlmChallenge out;
    const Bytes name = field(in, challenge_fixed);
    out.flags = in.u32();
    in.copy(out.challenge);
    in.skip(8);
    const Bytes info = field(in, challenge_fixed);
    if (!in.ok() || !read_name(name, out.flags, out.target_name)) return malformed();
    if (out.flags & ntlm_flags::target_info) copy(info, out.target_info);
    if (!out.target_info.empty() && !decode_av_pairs(out.target_info)) return malformed();
    return out;
}

void NtlmChallenge::encode(Buffer& out) const {
    ByteWriter w(out);
    begin_message(w, MessageType::challenge);
    Fields fields(w, challenge_size);
    fields.add(wide(target_name));
    w.u32(flags);
    w.bytes(challenge);
    w.zeros(8);
    fields.add(target_info);
    write_version(w, flags);
    fields.finish();
}

// MS-NLMP 2.2.1.3
Result<NtlmAuthenticate, NtStatus> NtlmAuthenticate::decode(Bytes message) {
    ByteReader in = open_message(message, MessageType::authenticate);
    const Bytes lm = field(in, authenticate_fixed);
    const Bytes nt = field(in, authenticate_fixed);
    const Bytes domain = field(in, authenticate_fixed);
    const Bytes user = field(in, authenticate_fixed);
    const Bytes workstation = field(in, authenticate_fixed);
    const Bytes key = field(in, authenticate_fixed);
    NtlmAuthenticate out;
    out.flags = in.u32();
    if (!in.ok() || !read_name(domain, out.flags, out.domain) || !read_name(user, out.flags, out.user) ||
        !read_name(workstation, out.flags, out.workstation)) {
        return malformed();
    }
    copy(lm, out.lm_response);
    copy(nt, out.nt_response);
    copy(key, out.encrypted_session_key);
    if (nt.size() > ntlm_v1_response_size) {
        const auto client = NtlmV2ClientChallenge::decode(nt);
        if (!client) return client.failure();
        out.has_mic = (client->flags() & av_flag_mic) != 0;
    }
    if (out.has_mic) {
        if (message.size() < authenticate_mic_end) return malformed();
        std::memcpy(out.mic.data(), message.data() + mic_offset, out.mic.size());
    }
    return out;
}

void NtlmAuthenticate::encode(Buffer& out) const {
    ByteWriter w(out);
    begin_message(w, MessageType::authenticate);
    Fields fields(w, has_mic ? authenticate_mic_end : mic_offset);
    fields.add(lm_response);
    fields.add(nt_response);
    fields.add(wide(domain));
    fields.add(wide(user));
    fields.add(wide(workstation));
    fields.add(encrypted_session_key);
    w.u32(flags);
    write_version(w, flags);
    if (has_mic) w.bytes(mic);
    fields.finish();
}

// MS-NLMP 2.2.2.7, 2.2.2.8
Result<NtlmV2ClientChallenge, NtStatus> NtlmV2ClientChallenge::decode(Bytes nt_response) {
    constexpr size_t proof_size = 16;
    ByteReader in(nt_response);
    in.skip(proof_size);
    NtlmV2ClientChallenge out;
    const uint8_t type = in.u8(), highest = in.u8();
    in.skip(6);
    out.timestamp.ticks = in.u64();
    in.copy(out.challenge);
    in.skip(4);
    if (!in.ok() || type != 1 || highest != 1) return malformed();
    auto pairs = decode_av_pairs(in.rest());
    if (!pairs) return pairs.failure();
    out.pairs = std::move(*pairs);
    return out;
}

void NtlmV2ClientChallenge::encode(Buffer& out) const {
    ByteWriter w(out);
    w.u8(1);
    w.u8(1);
    w.zeros(6);
    w.u64(timestamp.ticks);
    w.bytes(challenge);
    w.zeros(4);
    encode_av_pairs(pairs, out);
    w.zeros(4);
}

const AvPair* NtlmV2ClientChallenge::find(AvId id) const {
    const auto at = std::find_if(pairs.begin(), pairs.end(), [id](const AvPair& pair) { return pair.id == id; });
    return at == pairs.end() ? nullptr : &*at;
}

uint32_t NtlmV2ClientChallenge::flags() const {
    const AvPair* pair = find(AvId::flags);
    return pair != nullptr && pair->value.size() == 4 ? load_le<uint32_t>(pair->value.data()) : 0;
}

}  // namespace Atoll::auth

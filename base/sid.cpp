#include "base/sid.h"

#include <algorithm>
#include <charconv>

namespace Atoll::inline base {
namespace {

uint64_t authority_number(const Sid& sid) {
    uint64_t value = 0;
    for (const uint8_t byte : sid.authority) value = value << 8 | byte;
    return value;
}

void set_authority(Sid& sid, uint64_t value) {
    for (size_t i = 0; i < 6; i++) sid.authority[i] = static_cast<uint8_t>(value >> (40 - 8 * i));
}

// Takes a number and the '-' before it off the front of `text`.
std::optional<uint64_t> take_number(std::string_view& text) {
    if (text.empty() || text.front() != '-') return std::nullopt;
    text.remove_prefix(1);
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return value;
}

}  // namespace

Sid::Sid(uint8_t authority_value, std::initializer_list<uint32_t> subs) {
    ATOLL_ASSERT(subs.size() <= max_subauthorities);
    authority[5] = authority_value;
    std::copy(subs.begin(), subs.end(), sub_authorities.begin());
    count = static_cast<uint8_t>(subs.size());
}

Sid Sid::with_rid(uint32_t rid) const {
    ATOLL_ASSERT(count < max_subauthorities);
    Sid sid = *this;
    sid.sub_authorities[sid.count++] = rid;
    return sid;
}

bool Sid::is_in_domain(const Sid& domain) const {
    return count == domain.count + 1 && authority == domain.authority &&
           std::equal(domain.sub_authorities.begin(), domain.sub_authorities.begin() + domain.count, sub_authorities.begin());
}

bool Sid::operator==(const Sid& other) const { return (*this <=> other) == 0; }

std::strong_ordering Sid::operator<=>(const Sid& other) const {
    if (const auto order = authority <=> other.authority; order != 0) return order;
    if (const auto order = count <=> other.count; order != 0) return order;
    for (size_t i = 0; i < count; i++) {
        if (const auto order = sub_authorities[i] <=> other.sub_authorities[i]; order != 0) return order;
    }
    return std::strong_ordering::equal;
}

Sid Sid::decode(ByteReader& in) {
    Sid sid;
    const uint8_t revision = in.u8();
    const uint8_t count = in.u8();
    in.copy(sid.authority);
    if (revision != 1 || count > max_subauthorities) in.fail();
    if (!in.ok()) return {};
    sid.count = count;
    for (size_t i = 0; i < count; i++) sid.sub_authorities[i] = in.u32();
    return in.ok() ? sid : Sid{};
}

void Sid::encode(ByteWriter& out) const {
    out.u8(1);
    out.u8(count);
    out.bytes(authority);
    for (size_t i = 0; i < count; i++) out.u32(sub_authorities[i]);
}

std::string to_string(const Sid& sid) {
    std::string text = "S-1-";
    const uint64_t authority = authority_number(sid);
    if (authority >> 32 == 0) {
        text += std::to_string(authority);
    } else {
        constexpr std::string_view digits = "0123456789abcdef";
        text += "0x";
        for (int shift = 44; shift >= 0; shift -= 4) text += digits[authority >> shift & 0xF];
    }
    for (size_t i = 0; i < sid.count; i++) text += "-" + std::to_string(sid.sub_authorities[i]);
    return text;
}

std::optional<Sid> parse_sid(std::string_view text) {
    if (!text.starts_with("S-1") && !text.starts_with("s-1")) return std::nullopt;
    text.remove_prefix(3);
    const auto authority = take_number(text);
    if (!authority || *authority >> 48 != 0) return std::nullopt;
    Sid sid;
    set_authority(sid, *authority);
    while (!text.empty()) {
        const auto sub = take_number(text);
        if (!sub || *sub >> 32 != 0 || sid.count == Sid::max_subauthorities) return std::nullopt;
        sid.sub_authorities[sid.count++] = static_cast<uint32_t>(*sub);
    }
    return sid;
}

namespace well_known {
const Sid everyone(1, {0});
const Sid creator_owner(3, {0});
const Sid creator_group(3, {1});
const Sid owner_rights(3, {4});
const Sid network(5, {2});
const Sid anonymous(5, {7});
const Sid authenticated_users(5, {11});
const Sid system(5, {18});
const Sid builtin_domain(5, {32});
const Sid administrators(5, {32, 544});
const Sid users(5, {32, 545});
const Sid guests(5, {32, 546});
const Sid backup_operators(5, {32, 551});
const Sid unix_users(22, {1});
const Sid unix_groups(22, {2});
}  // namespace well_known

}  // namespace Atoll::inline base

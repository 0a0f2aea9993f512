// Security identifiers (MS-DTYP 2.4.2).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace Atoll::inline base {

struct Sid {
    static constexpr size_t max_subauthorities = 15;
    static constexpr size_t max_size = 8 + 4 * max_subauthorities;  // bytes on the wire

    std::array<uint8_t, 6> authority{};  // big-endian 48-bit number
    uint8_t count = 0;                   // of sub_authorities in use
    std::array<uint32_t, max_subauthorities> sub_authorities{};

    Sid() = default;
    Sid(uint8_t authority_number, std::initializer_list<uint32_t> subs);

    [[nodiscard]] size_t wire_size() const { return 8u + 4u * count; }
    [[nodiscard]] uint32_t rid() const { return count > 0 ? sub_authorities[count - 1] : 0; }
    [[nodiscard]] bool valid() const { return count > 0; }
    // This SID with one more sub-authority. Asserts that there is room.
    [[nodiscard]] Sid with_rid(uint32_t rid) const;
    // True if this SID is `domain` with exactly one more sub-authority.
    [[nodiscard]] bool is_in_domain(const Sid& domain) const;

    bool operator==(const Sid& other) const;
    std::strong_ordering operator<=>(const Sid& other) const;

    // The packet form: revision, count, authority, sub-authorities (MS-DTYP 2.4.2.2). A bad revision or count fails the reader.
    static Sid decode(ByteReader& in);
    void encode(ByteWriter& out) const;
};

// "S-1-5-21-..." (MS-DTYP 2.4.2.1).
std::string to_string(const Sid& sid);
std::optional<Sid> parse_sid(std::string_view text);

namespace well_known {
extern const Sid everyone;             // S-1-1-0
extern const Sid creator_owner;        // S-1-3-0
extern const Sid creator_group;        // S-1-3-1
extern const Sid owner_rights;         // S-1-3-4
extern const Sid network;              // S-1-5-2
extern const Sid anonymous;            // S-1-5-7
extern const Sid authenticated_users;  // S-1-5-11
extern const Sid system;               // S-1-5-18
extern const Sid builtin_domain;       // S-1-5-32
extern const Sid administrators;       // S-1-5-32-544
extern const Sid users;                // S-1-5-32-545
extern const Sid guests;               // S-1-5-32-546
extern const Sid backup_operators;     // S-1-5-32-551
extern const Sid unix_users;           // S-1-22-1: + uid, an account without a SID of its own
extern const Sid unix_groups;          // S-1-22-2: + gid
}  // namespace well_known

}  // namespace Atoll::inline base

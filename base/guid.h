// GUID (MS-DTYP 2.3.4): 16 bytes as they stand on the wire.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::inline base {

struct Guid {
    std::array<uint8_t, 16> bytes{};

    [[nodiscard]] bool is_zero() const { return *this == Guid{}; }
    auto operator<=>(const Guid&) const = default;

    static Guid random();  // from the kernel's generator, version 4
};

// "6b29fc40-ca47-1067-b31d-00dd010662da" (MS-DTYP 2.3.4.3, lower case, without braces); parse takes either case, braces or none.
std::string to_string(const Guid& guid);
std::optional<Guid> parse_guid(std::string_view text);

}  // namespace Atoll::inline base

// Names a process: what records of the databases say of their holder, and where messages go.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace Atoll::messaging {

// What a process is for; a broadcast goes to one class.
enum class ProcessClass : uint8_t { listener = 1, preauth = 2, authd = 3, client = 4, housekeeper = 5, tool = 6 };

struct ServerId {
    static constexpr uint32_t this_node = 0xFFFFFFFF;  // the node (VNN) where there is no cluster

    uint32_t node = this_node;
    uint64_t pid = 0;
    // Random, so that a pid's later life is another process. Its low 8 bits are the ProcessClass.
    uint64_t unique_id = 0;

    auto operator<=>(const ServerId&) const = default;
    [[nodiscard]] ProcessClass process_class() const { return static_cast<ProcessClass>(unique_id & 0xFF); }

    // A new id for the calling process.
    static ServerId make(ProcessClass process_class);
};

// "1234.9f86d081884c7d04", with "2:" before it for node 2. What parse_server_id does not take is nullopt.
std::string to_string(const ServerId& id);
std::optional<ServerId> parse_server_id(std::string_view text);

}  // namespace Atoll::messaging

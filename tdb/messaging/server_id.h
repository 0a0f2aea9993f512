// Names a process: what records of the databases say of their holder, and where messages go.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tdb/server_id.idl.h"

namespace Atoll::messaging {

// What a process is for; a broadcast goes to one class.
enum class ProcessClass : uint8_t { listener = 1, preauth = 2, authd = 3, client = 4, housekeeper = 5, tool = 6, committer = 7 };

struct ServerId {
    static constexpr uint32_t this_node = 0xFFFFFFFF;  // the node (VNN) where there is no cluster
    static constexpr size_t max_text = 10 + 1 + 20 + 1 + 16;

    uint32_t node = this_node;
    uint64_t pid = 0;
    // Random, so that a pid's later life is another process. Its low 8 bits are the ProcessClass.
    uint64_t unique_id = 0;

    ServerId() = default;
    ServerId(uint32_t its_node, uint64_t its_pid, uint64_t its_unique_id) : node(its_node), pid(its_pid), unique_id(its_unique_id) {}
    auto operator<=>(const ServerId&) const = default;
    [[nodiscard]] ProcessClass process_class() const { return static_cast<ProcessClass>(unique_id & 0xFF); }

    // As records have it.
    explicit ServerId(const tdb::server_id& record) : node(record.vnn), pid(record.pid), unique_id(record.unique_id) {}
    [[nodiscard]] tdb::server_id to_record() const;

    // A new id for the calling process.
    static ServerId make(ProcessClass process_class);
};

// Processes that end together, as those of a lost node do: one walk through a table is for all of them.
using ServerIds = std::set<ServerId>;

// "1234.9f86d081884c7d04", with "2:" before it for node 2. What parse_server_id does not take is nullopt.
std::string to_string(const ServerId& id);
// The same into `out`, which has room for ServerId::max_text bytes, without NUL; gives its length. Allocates nothing.
size_t write_text(const ServerId& id, char* out);
std::optional<ServerId> parse_server_id(std::string_view text);

}  // namespace Atoll::messaging

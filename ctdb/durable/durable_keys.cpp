#include "ctdb/durable/durable_keys.h"

#include <array>
#include <filesystem>
#include <system_error>

#include "tdb/committer/senders.h"

namespace Atoll::ctdb {
namespace {

constexpr const char* socket_begin = "committer.";
constexpr const char* socket_end = ".sock";

std::string socket_name(Session session) { return socket_begin + std::to_string(session) + socket_end; }

std::array<uint8_t, 4> node_bytes(Pnn node) {
    std::array<uint8_t, 4> out{};
    store_be32(out.data(), node);
    return out;
}

}  // namespace

std::string durable_socket_path(const std::string& lock_directory, Session session) { return lock_directory + "/" + socket_name(session); }

void remove_other_durable_sockets(const std::string& lock_directory, Session session) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(lock_directory, error)) {
        const std::string name = entry.path().filename().string();
        const bool is_one = name.starts_with(socket_begin) && name.ends_with(socket_end) && name != socket_name(session);
        std::error_code ignored;
        // "committer.sock" is the node's own, of no session.
        if (is_one && name != std::string(socket_begin) + (socket_end + 1)) std::filesystem::remove(entry.path(), ignored);
    }
}

Value durable_key(std::string_view database, Bytes key) {
    Value out(database.begin(), database.end());
    out.push_back(0);
    out.insert(out.end(), key.begin(), key.end());
    return out;
}

Value senders_prefix(Pnn node) { return durable_key(committer::senders_database, node_bytes(node)); }

Value sender_key(Pnn node, const Guid& sender) {
    Value out = senders_prefix(node);
    out.insert(out.end(), sender.bytes.begin(), sender.bytes.end());
    return out;
}

}  // namespace Atoll::ctdb

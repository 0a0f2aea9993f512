#include "tdb/messaging/server_id.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>

#include "base/random.h"

namespace Atoll::messaging {

ServerId ServerId::make(ProcessClass process_class) {
    ServerId id;
    id.pid = static_cast<uint64_t>(getpid());
    id.unique_id = (random_u64() & ~uint64_t{0xFF}) | static_cast<uint8_t>(process_class);
    return id;
}

tdb::server_id ServerId::to_record() const {
    tdb::server_id record;
    record.vnn = node;
    record.pid = pid;
    record.unique_id = unique_id;
    return record;
}

size_t write_text(const ServerId& id, char* out) {
    char* end = out;
    if (id.node != ServerId::this_node) end = fmt::format_to(end, "{}:", id.node);
    end = fmt::format_to(end, "{}.{:016x}", id.pid, id.unique_id);
    return static_cast<size_t>(end - out);
}

std::string to_string(const ServerId& id) {
    char text[ServerId::max_text];
    return {text, write_text(id, text)};
}

namespace {

template <class T>
bool take_number(std::string_view text, int base, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
    return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::optional<ServerId> parse_server_id(std::string_view text) {
    ServerId id;
    if (const size_t colon = text.find(':'); colon != text.npos) {
        if (!take_number(text.substr(0, colon), 10, id.node)) return std::nullopt;
        text.remove_prefix(colon + 1);
    }
    const size_t dot = text.find('.');
    if (dot == text.npos || text.size() - dot != 17) return std::nullopt;
    if (!take_number(text.substr(0, dot), 10, id.pid) || !take_number(text.substr(dot + 1), 16, id.unique_id)) return std::nullopt;
    return id;
}

}  // namespace Atoll::messaging

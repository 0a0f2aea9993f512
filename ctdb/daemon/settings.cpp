#include "ctdb/daemon/settings.h"

#include <charconv>

#include "base/file.h"
#include "base/log.h"
#include "ctdb/daemon/files.h"
#include "ctdb/daemon/sockets.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

constexpr size_t max_level_file = 32;

uint64_t hash_of_cluster(const std::vector<conf::ClusterNode>& nodes, bool by_majority) {
    std::string text = std::to_string(protocol::SLOTS);
    if (by_majority) text += " majority";
    for (const auto& node : nodes) text += " " + std::to_string(node.pnn) + "=" + node.address;
    uint64_t hash = 0xCBF29CE484222325;
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
    return hash;
}

// `node address`, or the first of the list that this machine has.
Result<void> find_me(Settings& settings) {
    const std::string& wanted = settings.conf.node_address;
    for (const auto& node : settings.nodes) {
        if (wanted.empty() ? !is_local_address(node.address) : node.address != wanted) continue;
        settings.me = node.pnn;
        settings.address = node.address;
        return {};
    }
    return fail(Code::invalid, settings.paths.base + "/nodes",
                wanted.empty() ? "none of its addresses is this machine's" : "the node address " + wanted + " is not in it");
}

std::string level_file(const Settings& settings) { return settings.conf.state_directory + "/format_level." + std::to_string(settings.me); }

Result<void> find_level(Settings& settings) {
    const std::string path = level_file(settings);
    const auto text = read_file(path, max_level_file);
    if (!text) return text.error().code == Code::not_found ? Result<void>() : text.failure();
    const auto end = std::from_chars(text->data(), text->data() + text->size(), settings.level);
    if (end.ec != std::errc() || settings.level < idl::first_level) return fail(Code::corrupt, path, "names no format level");
    if (settings.level <= idl::newest_known_level()) return {};
    return fail(Code::unsupported, path,
                "the cluster writes at format level " + std::to_string(settings.level) + ", and this ctdbd reads up to " +
                    std::to_string(idl::newest_known_level()) + ": start a newer one");
}

}  // namespace

void Settings::set_nodes(conf::ClusterNodes list) {
    nodes = std::move(list.live);
    deleted_nodes = list.deleted;
    cluster = hash_of_cluster(nodes, by_majority());
    other_mode = hash_of_cluster(nodes, !by_majority());
}

const std::string* Settings::address_of(Pnn pnn) const {
    for (const auto& node : nodes) {
        if (node.pnn == pnn) return &node.address;
    }
    return nullptr;
}

Pnn Settings::node_at(const std::string& of) const {
    for (const auto& node : nodes) {
        if (node.address == of) return node.pnn;
    }
    return no_node;
}

Result<Settings> load_settings(const conf::CtdbPaths& paths) {
    auto files = conf::load_ctdb_files(paths);
    if (!files) return files.failure();
    Settings settings;
    settings.paths = paths;
    settings.conf = std::move(files->conf);
    settings.set_nodes(std::move(files->nodes));
    settings.public_addresses = std::move(files->public_addresses);
    auto tunables = load_tunables(paths.base + "/ctdb.tunables");
    if (!tunables) return tunables.failure();
    settings.tunables = *tunables;
    if (settings.nodes.size() > protocol::MAX_NODES) return fail(Code::no_space, paths.base + "/nodes", "names too many nodes");
    const std::string conf_file = paths.base + "/ctdb.conf";
    if (!settings.by_majority() && settings.conf.cluster_register.empty())
        return fail(Code::invalid, conf_file,
                    "[cluster] -> \"cluster register\" is missing: a file on the cluster's storage, which a lock helper does not name");
    if (auto found = find_me(settings); !found) return found.failure();
    const std::string& state = settings.conf.state_directory;
    if (auto made = make_directories(state); !made) return made.failure();
    auto incarnation = next_incarnation(state + "/incarnation." + std::to_string(settings.me));
    if (!incarnation) return incarnation.failure();
    settings.incarnation = *incarnation;
    if (auto known = find_level(settings); !known) return known.failure();
    return settings;
}

Result<void> note_format_level(const Settings& settings, uint32_t level) {
    return replace_file(level_file(settings), std::to_string(level) + "\n");
}

}  // namespace Atoll::ctdb

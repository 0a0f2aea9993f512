// What the ctdb tool prints, in the forms of ctdb(1), so that scripts which read Samba's read ours.
#pragma once

#include <string>

#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

// On standard output, as it is.
void say(const std::string& text);
// A line on standard error.
void complain(const std::string& text);

// Of -Y, -X and -x.
struct Format {
    bool machine = false;
    char separator = '|';
};

// ctdb(1), nodestatus: the flags as its exit status has them.
uint32_t status_bits(const protocol::node_entry& node);
std::string flags_text(const protocol::node_entry& node);

std::string nodes_text(const protocol::node_state& state, const Format& format);  // "Number of nodes" and a line for each
std::string node_line(const protocol::node_state& state, const protocol::node_entry& node, const Format& format);
std::string node_head(const Format& format);
std::string status_text(const protocol::node_state& state, const Format& format);
std::string uptime_text(const protocol::node_state& state);
std::string databases_text(const protocol::node_state& state, const Format& format);
std::string database_text(const protocol::database_entry& database);
std::string leader_text(const protocol::node_state& state);
std::string nodes_count(const protocol::node_state& state);  // "Number of nodes"
std::string moment_text(uint64_t microseconds);              // since 1970
std::string ago_text(uint64_t now, uint64_t then);
const char* run_state_text(protocol::run_state runs);

}  // namespace Atoll::ctdb

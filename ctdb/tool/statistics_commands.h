// statistics, statisticsreset, stats and dbstatistics.
#pragma once

#include "ctdb/protocol/client.idl.h"
#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

std::vector<Command> statistics_commands();

// As `ctdb statistics` prints them. What Debian's ctdb counts and cannot happen here is 0.
std::string statistics_text(const protocol::statistics& statistics);
std::string statistics_head(char separator);  // of the machine's form, and a line of it
std::string statistics_row(const protocol::statistics& statistics, char separator);
std::string database_statistics_text(const std::string& name, const protocol::database_statistics& statistics);

}  // namespace Atoll::ctdb

// An account as pdbedit prints it, in the three forms that administrators' scripts parse.
#pragma once

#include <string>

#include "base/sid.h"
#include "conf/configuration.h"
#include "smbd/accounts/passdb.h"

namespace Atoll::tools {

// "user:uid:full name"; the uid is 4294967295 for a user whom the system does not know.
std::string brief_line(const accounts::Account& account);
// The format of smbpasswd(5): "user:uid:LM:NT:[flags]:LCT-xxxxxxxx:".
std::string smbpasswd_line(const accounts::Account& account);
// The block of `pdbedit -v`, with hashes if asked for.
std::string verbose_block(const accounts::Account& account, const conf::GlobalConf& global, const Sid& domain_sid, bool hashes);

}  // namespace Atoll::tools

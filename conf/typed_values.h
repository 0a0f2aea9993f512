// From a Section to the typed structs of conf/configuration.h.
#pragma once

#include "conf/configuration.h"

namespace Atoll::conf {

// Asserts that the table has it.
ParameterId parameter_id(std::string_view name);
std::string trimmed_section_name(std::string_view name);
std::string fold_section_name(std::string_view name);  // trimmed, in lower case: how sections are compared

// Values of every bound parameter; directories of GlobalConf have their macros expanded by `macros`.
void fill_global(GlobalConf& out, const MacroValues& macros);
ShareConf typed_share(Section section);
// `wide links` works only where smb.conf(5) lets it: not while SMB1 UNIX extensions could make links, unless insecure links are allowed.
bool wide_links_allowed(const Section& share);

}  // namespace Atoll::conf

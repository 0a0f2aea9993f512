// Prints the manual page smb.conf(5) from the parameter table, in roff.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "conf/parameter.h"
#include "conf/paths.h"

namespace {

using namespace Atoll::conf;

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else {
            out += c;
        }
    }
    if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
    return out;
}

const char* kind_name(Kind kind) {
    switch (kind) {
        case Kind::boolean: return "yes or no";
        case Kind::integer: return "number";
        case Kind::bytes: return "size, with K, M or G";
        case Kind::octal: return "octal number";
        case Kind::character: return "character";
        case Kind::string:
        case Kind::upper_string: return "text";
        case Kind::list:
        case Kind::command_list: return "list";
        case Kind::enumeration: return "one of";
    }
    return "";
}

void print_head() {
    std::printf(
        ".TH SMB.CONF 5 \"\" Atoll \"File formats\"\n.SH NAME\nsmb.conf \\- the configuration file of the Atoll SMB server\n"
        ".SH SYNOPSIS\n.I %s\n",
        default_config_file);
    std::printf(
        ".SH DESCRIPTION\nSections begin with a name in brackets; a section is a share, but for [global], whose parameters hold for the "
        "server\n"
        "or are the defaults of the shares that follow, [homes], which stands for each user's home directory, and [printers].\n"
        "Lines of a section are name = value. Case and blanks in names do not count. Lines that begin with # or ; are comments;\n"
        "a backslash at the end of a line continues it. Names and meanings are those of Samba 4.17; parameters that\n"
        "Atoll has no use for are read and kept.\n.PP\n"
        "Check the file with\n.BR testparm (1);\nSIGHUP makes the server read it again.\n"
        ".SH MACROS\nValues may hold %%U (session user), %%G (its group), %%h (host name), %%m (client's NetBIOS name), %%L and %%N "
        "(server's\n"
        "name), %%M (client's DNS name), %%R (protocol), %%d (process id), %%a (client's system), %%I and %%J (client's address), %%i and "
        "%%j\n"
        "(local address), %%T and %%t (time), %%D (domain), %%w (winbind separator), %%v (version), %%V (node number), %%$(NAME)\n"
        "(environment), and for shares %%S (service), %%P (its directory), %%u and %%g (its user and group), %%H (home directory).\n");
}

void print_parameter(const Parameter& p) {
    std::printf(".TP\n.B %s (%s)\n%s\n.br\n", escaped(p.name).c_str(), p.scope == Scope::global ? "G" : "S", escaped(p.help).c_str());
    std::string values;
    for (const EnumName& name : p.values) values += (values.empty() ? " " : ", ") + escaped(name.name);
    std::printf("Value: %s%s.\n", kind_name(p.kind), values.c_str());
    std::printf("Default: %s.\n", p.default_text.empty() ? "empty" : escaped(p.default_text).c_str());
    for (const Synonym& synonym : synonyms()) {
        if (synonym.parameter == p.name) std::printf("%s: %s.\n", synonym.inverse ? "Inverse" : "Synonym", escaped(synonym.name).c_str());
    }
    if (p.deprecated) std::printf("Deprecated.\n");
}

}  // namespace

int main() {
    print_head();
    std::vector<Parameter> sorted(parameters().begin(), parameters().end());
    std::sort(sorted.begin(), sorted.end(), [](const Parameter& a, const Parameter& b) { return fold_name(a.name) < fold_name(b.name); });
    std::printf(".SH PARAMETERS\n(G) is for [global] only, (S) for shares, and for [global] as their default.\n");
    for (const Parameter& p : sorted) print_parameter(p);
    std::printf(".SH SEE ALSO\n.BR testparm (1)\n");
    return std::fflush(stdout) == 0 ? 0 : 1;
}

#include "conf/durability_report.h"

#include <iterator>

namespace Atoll::conf {

namespace {

struct Line {
    const char* parameter;
    bool ShareConf::*member;
    bool forbids;  // the value that does
};

// smb.conf(5), "durable handles", in the order of why_not_durable.
constexpr Line lines[] = {{"durable handles", &ShareConf::durable_handles, false},
                          {"kernel oplocks", &ShareConf::kernel_oplocks, true},
                          {"kernel share modes", &ShareConf::kernel_share_modes, true},
                          {"posix locking", &ShareConf::posix_locking, true}};

std::string origin_of(const Section& section, ParameterId id) {
    if (section.is_set(id)) return {};
    return section.inherited_value(id) == default_value(id) ? " (the default)" : " (in [global])";
}

}  // namespace

std::vector<std::string> lines_against_durable(const ShareConf& share) {
    std::vector<std::string> out;
    for (const Line& line : lines) {
        if (share.*line.member != line.forbids) continue;
        const ParameterId id = find_parameter(line.parameter)->id;
        out.push_back(std::string(line.parameter) + " = " + (line.forbids ? "yes" : "no") + origin_of(share.section, id));
    }
    return out;
}

std::string describe_durability(const ShareConf& share) {
    std::string out = "[" + share.name + "]: durable handles: ";
    const std::vector<std::string> against = lines_against_durable(share);
    if (against.empty()) {
        out += "yes";
    } else {
        out += "no, because of ";
        for (size_t i = 0; i < against.size(); i++) out += (i == 0 ? "" : i + 1 == against.size() ? " and " : ", ") + against[i];
    }
    out += "; persistent handles: no (this server has none";
    out += asks_for_persistent(share) ? ", whatever continuous availability = yes asks for)" : ")";
    return out;
}

}  // namespace Atoll::conf

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

std::string described(const Section& section, const char* name, bool value) {
    return std::string(name) + " = " + (value ? "yes" : "no") + origin_of(section, find_parameter(name)->id);
}

std::string yes_or_no(const std::vector<std::string>& against) {
    if (against.empty()) return "yes";
    std::string out = "no, because of ";
    for (size_t i = 0; i < against.size(); i++) out += (i == 0 ? "" : i + 1 == against.size() ? " and " : ", ") + against[i];
    return out;
}

}  // namespace

std::vector<std::string> lines_against_durable(const ShareConf& share) {
    std::vector<std::string> out;
    for (const Line& line : lines) {
        if (share.*line.member == line.forbids) out.push_back(described(share.section, line.parameter, line.forbids));
    }
    return out;
}

std::vector<std::string> lines_against_continuous_availability(const ShareConf& share) {
    std::vector<std::string> out;
    for (const Line& line : lines) {
        if (line.forbids && share.*line.member) out.push_back(described(share.section, line.parameter, true));
    }
    return out;
}

std::vector<std::string> lines_against_persistent(const ShareConf& share) {
    std::vector<std::string> out;
    const ParameterId global = find_parameter("persistent handles")->id;
    if (std::get<int64_t>(share.section.global_value(global)) == 0) out.emplace_back("persistent handles = no (in [global])");
    if (!share.continuous_availability) out.push_back(described(share.section, "continuous availability", false));
    const std::vector<std::string> durable = lines_against_durable(share);
    out.insert(out.end(), durable.begin(), durable.end());
    return out;
}

std::string describe_durability(const ShareConf& share) {
    return "[" + share.name + "]: durable handles: " + yes_or_no(lines_against_durable(share)) +
           "; persistent handles: " + yes_or_no(lines_against_persistent(share));
}

}  // namespace Atoll::conf

#include "libcli/interfaces/ndrdump_leaves.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace Atoll::interfaces {

namespace {

// ndrdump prints a WERROR by its name (MS-ERREF 2.2).
const std::map<std::string, uint32_t> errors = {{"WERR_OK", 0},
                                                {"WERR_ACCESS_DENIED", 5},
                                                {"WERR_NOT_SUPPORTED", 50},
                                                {"WERR_INVALID_PARAMETER", 87},
                                                {"WERR_INVALID_NAME", 123},
                                                {"WERR_INVALID_LEVEL", 124},
                                                {"WERR_FILE_NOT_FOUND", 2},
                                                {"WERR_MORE_DATA", 234},
                                                {"WERR_NERR_NETNAMENOTFOUND", 2310},
                                                {"WERR_NERR_NETNAMEINUSE", 2118},
                                                {"WERR_FILE_EXISTS", 80},
                                                {"WERR_BAD_NET_NAME", 67}};

// Enumerators, which we print by name and ndrdump with their number (MS-WKST 2.2.3).
const std::map<std::string, uint32_t> enumerators = {
    {"NetSetupUnknown", 0},           {"NetSetupMachine", 1},       {"NetSetupWorkgroup", 2},      {"NetSetupDomain", 3},
    {"NetSetupNonExistentDomain", 4}, {"NetSetupDnsMachine", 5},    {"NetPrimaryComputerName", 0}, {"NetAlternateComputerNames", 1},
    {"NetAllComputerNames", 2},       {"NetSetupUnknownStatus", 0}, {"NetSetupUnjoined", 1},       {"NetSetupWorkgroupName", 2},
    {"NetSetupDomainName", 3}};

std::string trimmed(const std::string& text) {
    const size_t first = text.find_first_not_of(' ');
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(" \r") - first + 1);
}

std::string number_or_name(const std::string& value) {
    static const std::regex numbered(R"(.*\((0x[0-9a-fA-F]+|[0-9]+)\)$)");
    std::smatch match;
    if (std::regex_match(value, match, numbered)) return std::to_string(std::stoull(match[1].str(), nullptr, 0));
    static const std::regex plain("-?[0-9]+");
    if (std::regex_match(value, plain)) return value;
    if (const auto error = errors.find(value); error != errors.end()) return std::to_string(error->second);
    return "? " + value;
}

// A descriptor's inside is no NDR: both sides say only that it is there.
constexpr const char* descriptor = "DESCRIPTOR";

const std::set<std::string> descriptors = {"shi502_security_descriptor", "shi503_security_descriptor", "shi1501_security_descriptor",
                                           "Buffer"};

bool is_hex(const std::string& text) { return text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string::npos; }

class JsonLeaves {
 public:
    void walk(const std::string& name, const nlohmann::ordered_json& value) {
        if (value.is_object()) {
            for (const auto& [key, inner] : value.items()) walk(key, inner);
        } else if (value.is_array()) {
            leaves.push_back(std::to_string(value.size()));
            for (const auto& inner : value) walk("", inner);
        } else if (value.is_null()) {
            // A list counts before it says that it is not there.
            if (is_list(name)) leaves.push_back("0");
            leaves.push_back("NULL");
        } else if (value.is_string() && is_list(name) && is_hex(value)) {
            leaves.push_back(std::to_string(value.get<std::string>().size() / 2));
            leaves.push_back(descriptor);
        } else if (value.is_string() && enumerators.count(value) != 0) {
            leaves.push_back(std::to_string(enumerators.at(value)));
        } else if (value.is_string()) {
            leaves.push_back("'" + value.get<std::string>() + "'");
        } else {
            leaves.push_back(value.dump());
        }
    }
    Leaves leaves;

 private:
    static bool is_list(const std::string& name) { return descriptors.count(name) != 0; }
};

}  // namespace

Leaves leaves_of_ndrdump(std::string_view text) {
    Leaves leaves;
    std::istringstream lines{std::string(text)};
    size_t skip_deeper_than = std::string::npos;
    for (std::string line; std::getline(lines, line);) {
        const size_t depth = line.find_first_not_of(' ');
        if (depth == std::string::npos || depth < 4) continue;  // "pull returned Success", "dump OK"
        if (depth > skip_deeper_than) continue;
        skip_deeper_than = std::string::npos;
        const size_t colon = line.find(": ");
        if (colon == std::string::npos) {
            leaves.push_back("? " + line);
            continue;
        }
        const std::string name = trimmed(line.substr(0, colon));
        const std::string value = trimmed(line.substr(colon + 2));
        // The bits of a bitmap behind its number, and the offset and length that stand before a varying string.
        if (name.find_first_not_of("0123456789x") == std::string::npos || name.substr(0, 2) == "__") continue;
        if (value == "struct security_descriptor") {
            skip_deeper_than = depth;
            leaves.push_back(descriptor);
        } else if (value == "NULL") {
            leaves.push_back("NULL");
        } else if (value.size() >= 2 && value.front() == '\'') {
            leaves.push_back(value);
        } else if (value != "*" && value.rfind("struct ", 0) != 0 && value.rfind("union ", 0) != 0 && value.rfind("ARRAY(", 0) != 0) {
            leaves.push_back(number_or_name(value));
        }
    }
    return leaves;
}

Leaves leaves_of_json(const nlohmann::ordered_json& value) {
    JsonLeaves all;
    all.walk("", value);
    return all.leaves;
}

}  // namespace Atoll::interfaces

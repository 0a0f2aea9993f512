#include "conf/parameter.h"

#include <array>
#include <cctype>
#include <limits>
#include <unordered_map>

#include "base/assert.h"
#include "base/utf.h"
#include "conf/parameter_table.h"

namespace Atoll::conf {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

std::string in_upper_ascii(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return out;
}

Failure<Error> bad(std::string text) { return fail(Code::invalid, "", std::move(text)); }

std::string not_a(std::string_view text, std::string_view kind) { return "'" + std::string(text) + "' is not " + std::string(kind); }

struct Digits {
    uint64_t number = 0;
    size_t length = 0;  // of the text that was read; 0: no digits
    bool overflow = false;
};

Digits read_digits(std::string_view text, unsigned base) {
    Digits out;
    for (const char c : text) {
        unsigned digit = 99;
        if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
        if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
        if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A' + 10);
        if (digit >= base) break;
        if (out.number > (std::numeric_limits<uint64_t>::max() >> 5)) out.overflow = true;
        out.number = out.number * base + digit;
        out.length++;
    }
    return out;
}

// As strtol with base 0 reads it, in 32 bits: values from 2^31 on become negative, as they do in Samba.
Result<Parsed> parse_integer(std::string_view text) {
    if (text.empty()) return Parsed{Value(int64_t{-1}), "empty number, taken as -1"};
    std::string_view rest = text;
    const bool negative = rest.front() == '-';
    if (negative || rest.front() == '+') rest.remove_prefix(1);
    unsigned base = 10;
    if (rest.size() > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'X')) {
        base = 16;
        rest.remove_prefix(2);
    } else if (rest.size() > 1 && rest[0] == '0') {
        base = 8;
    }
    const Digits digits = read_digits(rest, base);
    if (digits.length == 0) return bad(not_a(text, "a number"));
    if (digits.overflow || digits.number > std::numeric_limits<uint32_t>::max()) return bad(not_a(text, "a number of 32 bits"));
    const auto number = static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(digits.number)));
    Parsed out{Value(negative ? -number : number), ""};
    if (digits.length != rest.size()) out.warning = "only the number at the start of '" + std::string(text) + "' counts";
    return out;
}

// Samba's sizes fit a signed 32-bit number.
Result<Parsed> parse_bytes(std::string_view text) {
    const Digits digits = read_digits(text, 10);
    if (digits.length == 0 || digits.overflow) return bad(not_a(text, "a size"));
    const std::string_view suffix = trimmed(text.substr(digits.length));
    unsigned shift = 0;
    if (suffix.size() > 1) return bad(not_a(text, "a size (number and K, M, G, T or P)"));
    if (!suffix.empty()) {
        const size_t step = std::string_view("kmgtp").find(static_cast<char>(std::tolower(static_cast<unsigned char>(suffix[0]))));
        if (step == std::string_view::npos) return bad(not_a(text, "a size (number and K, M, G, T or P)"));
        shift = static_cast<unsigned>(step + 1) * 10;
    }
    constexpr uint64_t largest = std::numeric_limits<int32_t>::max();
    if (digits.number > (largest >> shift)) return bad(not_a(text, "a size below 2G"));
    return Parsed{Value(static_cast<int64_t>(digits.number << shift)), ""};
}

Result<Parsed> parse_octal(std::string_view text) {
    const Digits digits = read_digits(text, 8);
    if (digits.length == 0) return bad(not_a(text, "an octal number"));
    if (digits.overflow || digits.number > std::numeric_limits<int32_t>::max()) return bad(not_a(text, "an octal number of 32 bits"));
    Parsed out{Value(static_cast<int64_t>(digits.number)), ""};
    if (digits.length != text.size()) out.warning = "only the octal number at the start of '" + std::string(text) + "' counts";
    return out;
}

Result<Parsed> parse_enumeration(const Parameter& parameter, std::string_view text) {
    std::string known;
    for (const EnumName& name : parameter.values) {
        if (equal_ignoring_ascii_case(name.name, text)) return Parsed{Value(int64_t{name.value}), ""};
        known += (known.empty() ? "" : ", ") + std::string(name.name);
    }
    return bad(not_a(text, "one of ") + known);
}

// "+one, -other" changes the list so far; anything else replaces it.
Names changed_list(Names items, const Names& current) {
    if (items.empty() || (items[0][0] != '+' && items[0][0] != '-')) return items;
    Names out = current;
    for (const std::string& item : items) {
        const bool remove = item[0] == '-';
        const std::string name = item[0] == '+' || remove ? item.substr(1) : item;
        std::erase_if(out, [&](const std::string& old) { return equal_ignoring_ascii_case(old, name); });
        if (!remove) out.push_back(name);
    }
    return out;
}

std::string joined(const Names& items, std::string_view separator) {
    std::string out;
    for (const std::string& item : items) {
        if (!out.empty()) out += separator;
        const bool quote = item.find_first_of(" \t") != std::string::npos;
        out += quote ? "\"" + item + "\"" : item;
    }
    return out;
}

std::string octal_text(int64_t number) {
    std::string digits;
    for (auto rest = static_cast<uint64_t>(number); rest > 0 || digits.size() < 3; rest >>= 3) {
        digits.insert(digits.begin(), static_cast<char>('0' + (rest & 7)));
    }
    return "0" + digits;
}

struct Index {
    std::vector<Parameter> all;
    std::vector<Value> defaults;
    std::unordered_map<std::string, Found> by_name;

    Index() {
        for (const auto part : {global_parameters(), share_parameters()}) all.insert(all.end(), part.begin(), part.end());
        for (size_t i = 0; i < all.size(); i++) {
            by_name[fold_name(all[i].name)] = Found{static_cast<ParameterId>(i), false};
            const Value none = all[i].kind == Kind::list ? Value(Names{}) : Value(std::string());
            defaults.push_back(parse_value(all[i], all[i].default_text, false, none)->value);
        }
        for (const Synonym& synonym : synonyms()) {
            const auto target = by_name.find(fold_name(synonym.parameter));
            ATOLL_ASSERT(target != by_name.end());
            const Found found{target->second.id, synonym.inverse};
            by_name[fold_name(synonym.name)] = found;
        }
    }
};

const Index& index() {
    static const Index instance;
    return instance;
}

}  // namespace

std::string fold_name(std::string_view name) {
    std::string out;
    out.reserve(name.size());
    for (const char c : name) {
        if (!is_blank(c)) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return out;
}

std::span<const Parameter> parameters() { return index().all; }

std::optional<Found> find_parameter(std::string_view name) {
    const auto found = index().by_name.find(fold_name(name));
    if (found == index().by_name.end()) return std::nullopt;
    return found->second;
}

const Value& default_value(ParameterId id) { return index().defaults[id]; }

std::optional<bool> parse_boolean(std::string_view text) {
    for (const std::string_view yes : {"yes", "true", "on", "1"}) {
        if (equal_ignoring_ascii_case(text, yes)) return true;
    }
    for (const std::string_view no : {"no", "false", "off", "0"}) {
        if (equal_ignoring_ascii_case(text, no)) return false;
    }
    return std::nullopt;
}

Names split_list(std::string_view text) {
    Names out;
    std::string item;
    bool quoted = false;
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (is_blank(c) || c == ',' || c == ';')) {
            if (!item.empty()) out.push_back(std::exchange(item, {}));
        } else {
            item += c;
        }
    }
    if (!item.empty()) out.push_back(std::move(item));
    return out;
}

Result<Parsed> parse_value(const Parameter& parameter, std::string_view text, bool inverse, const Value& current) {
    switch (parameter.kind) {
        case Kind::boolean: {
            const std::optional<bool> value = parse_boolean(text);
            if (!value) return bad(not_a(text, "yes or no"));
            return Parsed{Value(int64_t{*value != inverse}), ""};
        }
        case Kind::integer: return parse_integer(text);
        case Kind::bytes: return parse_bytes(text);
        case Kind::octal: return parse_octal(text);
        case Kind::enumeration: return parse_enumeration(parameter, text);
        case Kind::character:
            if (text.empty()) return bad("a character is missing");
            return Parsed{Value(std::string(text.substr(0, 1))), text.size() > 1 ? "only the first character counts" : ""};
        case Kind::string: return Parsed{Value(std::string(text)), ""};
        case Kind::upper_string: return Parsed{Value(in_upper_ascii(text)), ""};
        case Kind::list: return Parsed{Value(changed_list(split_list(text), std::get<Names>(current))), ""};
        case Kind::command_list: return Parsed{Value(split_list(text)), ""};
    }
    return bad("unknown kind");
}

std::string format_value(const Parameter& parameter, const Value& value, bool inverse) {
    switch (parameter.kind) {
        case Kind::boolean: return (std::get<int64_t>(value) != 0) != inverse ? "Yes" : "No";
        case Kind::integer:
        case Kind::bytes: return std::to_string(std::get<int64_t>(value));
        case Kind::octal: return octal_text(std::get<int64_t>(value));
        case Kind::enumeration:
            for (const EnumName& name : parameter.values) {
                if (name.value == std::get<int64_t>(value)) return std::string(name.name);
            }
            return "";
        case Kind::character:
        case Kind::string:
        case Kind::upper_string: return std::get<std::string>(value);
        case Kind::list: return joined(std::get<Names>(value), ", ");
        case Kind::command_list: return joined(std::get<Names>(value), " ");
    }
    return "";
}

}  // namespace Atoll::conf

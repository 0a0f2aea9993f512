#include "conf/configuration.h"

#include <charconv>

#include "base/assert.h"
#include "conf/typed_values.h"

namespace Atoll::conf {

const Value& Section::value(ParameterId id) const {
    const auto own = values_.find(id);
    if (own != values_.end()) return own->second;
    return defaults_ ? defaults_->value(id) : default_value(id);
}

std::optional<std::string> Section::text(std::string_view name) const {
    const std::optional<Found> found = find_parameter(name);
    if (!found) return std::nullopt;
    return format_value(parameter(found->id), value(found->id), found->inverse);
}

const Section::Option* Section::own_option(std::string_view name) const {
    const std::string folded = fold_name(name);
    for (const Option& option : options_) {
        if (fold_name(option.name) == folded) return &option;
    }
    return nullptr;
}

void Section::set_option(std::string_view name, std::string value) {
    if (const Option* old = own_option(name)) {
        options_[static_cast<size_t>(old - options_.data())].value = std::move(value);
        return;
    }
    std::string lower(name);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    options_.push_back({std::move(lower), std::move(value)});
}

std::optional<std::string> Section::option(std::string_view name) const {
    if (const Option* own = own_option(name)) return own->value;
    return global_ ? global_->option(name) : std::nullopt;
}

bool Section::option_boolean(std::string_view name, bool otherwise) const {
    const std::optional<std::string> text = option(name);
    return text ? parse_boolean(*text).value_or(otherwise) : otherwise;
}

int64_t Section::option_integer(std::string_view name, int64_t otherwise) const {
    const std::optional<std::string> text = option(name);
    if (!text) return otherwise;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    return error == std::errc() && end == text->data() + text->size() ? number : otherwise;
}

std::string trimmed_section_name(std::string_view name) {
    while (!name.empty() && (name.front() == ' ' || name.front() == '\t')) name.remove_prefix(1);
    while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
    return std::string(name);
}

std::string fold_section_name(std::string_view name) {
    std::string out = trimmed_section_name(name);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::shared_ptr<const ShareConf> Configuration::find_share(std::string_view name) const {
    const auto found = by_name_.find(fold_section_name(name));
    return found == by_name_.end() ? nullptr : shares_[found->second];
}

std::shared_ptr<const ShareConf> Configuration::home_share(const HomeOwner& owner) const {
    const std::shared_ptr<const ShareConf> homes = find_share("homes");
    if (!homes) return nullptr;
    Section section = homes->section;
    section.name_ = owner.user;
    const ParameterId path = parameter_id("path");
    if (std::get<std::string>(section.value(path)).empty()) section.values_[path] = Value(owner.directory);
    const ParameterId browseable = parameter_id("browseable");
    section.values_[browseable] = global_.section.value(browseable);
    return std::make_shared<const ShareConf>(typed_share(std::move(section)));
}

}  // namespace Atoll::conf

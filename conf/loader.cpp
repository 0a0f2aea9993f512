#include "conf/loader.h"

#include <unistd.h>

#include <charconv>

#include "base/file.h"
#include "base/limits.h"
#include "base/utf.h"
#include "conf/durability_report.h"
#include "conf/typed_values.h"

namespace Atoll::conf {

namespace {

std::string machine_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
    return name;
}

// The host's name up to its first dot, at most 15 bytes (NetBIOS names have 16, the last being their kind: RFC 1002 4.1).
std::string default_netbios_name(const std::string& host) {
    std::string name = host.substr(0, host.find('.')).substr(0, 15);
    for (char& c : name) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return name;
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

bool is_number_in(std::string_view text, unsigned least, unsigned most) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() && number >= least && number <= most;
}

}  // namespace

Loader::Loader(LoadOptions options) : options_(std::move(options)), out_(std::make_shared<Configuration>()) {
    MacroValues& macros = options_.macros;
    if (!macros.host_name) macros.host_name = machine_name();
    const std::string netbios_name = default_netbios_name(*macros.host_name);
    if (!macros.server_name) macros.server_name = netbios_name;
    if (!macros.client_name) macros.client_name = "";
    auto machine = std::make_shared<Section>();
    machine->values_[parameter_id("netbios name")] = Value(netbios_name);
    global_.name_ = "global";
    global_.defaults_ = std::move(machine);
}

void Loader::warn(std::string where, std::string text) {
    warning_count_++;
    if (out_->warnings_.size() < limits::max_config_warnings) out_->warnings_.push_back({Code::invalid, std::move(where), std::move(text)});
}

Result<std::string> Loader::read_file(const std::string& path) const {
    return options_.read_file ? options_.read_file(path) : base::read_file(path, limits::max_config_file);
}

Result<std::shared_ptr<const Configuration>> Loader::run() {
    Result<std::string> text = read_file(options_.file);
    if (!text) return text.failure();
    return run_text(*text);
}

Result<std::shared_ptr<const Configuration>> Loader::run_text(std::string_view text) {
    // Before the file, for what shares inherit, and after it, so that the command line wins.
    for (const auto& [name, value] : options_.overrides) {
        if (Result<void> r = set(name, value, "--option", true); !r) return r.failure();
    }
    if (!global_.own_option("idmap config * : backend")) global_.set_option("idmap config * : backend", "tdb");
    if (Result<void> r = load_text_of(text, options_.file); !r) return r.failure();
    in_global_ = true;
    for (const auto& [name, value] : options_.overrides) {
        if (Result<void> r = set(name, value, "--option", true); !r) return r.failure();
    }
    return finish();
}

std::string Loader::next_file() const {
    return expand_macros(std::get<std::string>(global_.value(parameter_id("config file"))), options_.macros);
}

Result<void> Loader::load_text_of(std::string_view text, const std::string& file) {
    if (out_->files_.size() >= limits::max_config_files) return fail(Code::no_space, file, "too many files are included");
    out_->files_.push_back(file);
    Result<std::vector<ConfigLine>> lines = read_config_lines(text, file);
    if (!lines) return lines.failure();
    for (const ConfigLine& line : *lines) {
        if (Result<void> r = apply(line, file + ":" + std::to_string(line.number)); !r) return r;
    }
    return {};
}

Result<void> Loader::apply(const ConfigLine& line, const std::string& where) {
    switch (line.what) {
        case ConfigLine::What::section: return enter_section(line.name, where);
        case ConfigLine::What::parameter: return set(line.name, line.value, where, false);
        case ConfigLine::What::junk: warn(where, "line is ignored: it is neither a section nor 'name = value'"); return {};
    }
    return {};
}

Result<void> Loader::enter_section(const std::string& name, const std::string& where) {
    const std::string folded = fold_section_name(name);
    in_global_ = folded == "global" || folded == "globals";
    if (in_global_) return {};
    if (const auto old = by_name_.find(folded); old != by_name_.end()) {
        // As in Samba a second section of a name adds to the first one, whose `module:option` lines it forgets.
        current_ = old->second;
        sections_[current_].options_.clear();
        warn(where, "section [" + name + "] was there before, at " + sections_[current_].where_);
        return {};
    }
    if (sections_.size() >= limits::max_config_sections) return fail(Code::no_space, where, "too many sections");
    Section section;
    section.name_ = name;
    section.where_ = where;
    section.defaults_ = share_defaults();
    current_ = sections_.size();
    by_name_[folded] = current_;
    sections_.push_back(std::move(section));
    return {};
}

std::shared_ptr<const Section> Loader::share_defaults() {
    if (!share_defaults_) {
        auto defaults = std::make_shared<Section>();
        for (const auto& [id, value] : global_.values_) {
            if (parameter(id).scope == Scope::share) defaults->values_[id] = value;
        }
        share_defaults_ = std::move(defaults);
    }
    return share_defaults_;
}

Result<void> Loader::set(std::string_view name, const std::string& value, const std::string& where, bool from_command_line) {
    const std::optional<Found> found = find_parameter(name);
    if (found) return set_parameter(*found, name, value, where, from_command_line);
    if (name.find(':') != std::string_view::npos) {
        current().set_option(name, value);
        return {};
    }
    if (from_command_line) return fail(Code::invalid, where, "unknown parameter '" + std::string(name) + "'");
    warn(where, "unknown parameter \"" + std::string(name) + "\" is ignored");
    return {};
}

Result<void> Loader::set_parameter(const Found& found, std::string_view name, const std::string& value, const std::string& where,
                                   bool from_command_line) {
    const Parameter& p = parameter(found.id);
    if (p.scope == Scope::global && !in_global_) {
        warn(where, "global parameter \"" + std::string(name) + "\" is ignored in the section of a share");
        return {};
    }
    if (p.deprecated) warn(where, "parameter \"" + std::string(name) + "\" is deprecated");
    if (p.name == "copy") {
        if (Result<void> r = copy(value, where); !r) return r;
    }
    Result<Parsed> parsed = parse_value(p, value, found.inverse, current().value(found.id));
    if (!parsed) return fail(parsed.error().code, where, std::string(p.name) + ": " + parsed.error().text);
    if (!parsed->warning.empty()) warn(where, std::string(p.name) + ": " + parsed->warning);
    Value& v = parsed->value;
    if (p.name == "realm") v = Value(upper(std::get<std::string>(v)));
    if (p.name == "include") v = Value(expand_macros(std::get<std::string>(v), options_.macros));
    if (Result<void> r = check_value(p, v, where); !r) return r;
    set_idmap_option(p, value);

    const std::string path = p.name == "include" ? std::get<std::string>(v) : "";
    Section& section = current();
    if (p.name == "continuous availability") continuous_availability_at_[section.name_] = where;
    section.values_[found.id] = std::move(v);
    section.explicit_.insert(found.id);
    if (from_command_line) {
        section.by_name_.erase(found.id);
    } else if (!found.inverse) {
        section.by_name_.insert(found.id);
    }
    if (in_global_ && p.scope == Scope::share) share_defaults_.reset();
    return path.empty() ? Result<void>() : include(path, where);
}

Result<void> Loader::check_value(const Parameter& p, const Value& value, const std::string& where) const {
    if (p.name == "smb ports") {
        const auto& ports = std::get<Names>(value);
        if (ports.empty()) return fail(Code::invalid, where, "smb ports: no port is named");
        for (const std::string& port : ports) {
            if (!is_number_in(port, 1, 65535)) return fail(Code::invalid, where, "smb ports: '" + port + "' is not a port (1 to 65535)");
        }
    }
    if (p.name == "name resolve order") {
        for (const std::string& way : std::get<Names>(value)) {
            if (way != "lmhosts" && way != "host" && way != "wins" && way != "bcast") {
                return fail(Code::invalid, where, "name resolve order: '" + way + "' is not one of lmhosts, host, wins, bcast");
            }
        }
    }
    if (p.name == "rpc server dynamic port range") {
        const auto& text = std::get<std::string>(value);
        const size_t dash = text.find('-');
        if (dash == std::string::npos || !is_number_in(text.substr(0, dash), 1024, 65535) ||
            !is_number_in(text.substr(dash + 1), 1024, 65535)) {
            return fail(Code::invalid, where, std::string(p.name) + ": '" + text + "' is not a range of ports from 1024 to 65535");
        }
    }
    return {};
}

// The old names of the default domain's mapping (smb.conf(5) idmap uid).
void Loader::set_idmap_option(const Parameter& p, const std::string& value) {
    if (p.name == "idmap uid" || p.name == "idmap gid") global_.set_option("idmap config * : range", value);
    if (p.name == "idmap backend") global_.set_option("idmap config * : backend", value);
}

Result<void> Loader::include(const std::string& path, const std::string& where) {
    if (equal_ignoring_ascii_case(path, "registry")) {
        warn(where, "include = registry: there is no registry to read from");
        return {};
    }
    if (depth_ + 1 > limits::max_config_include_depth) return fail(Code::no_space, where, "include is nested too deeply: " + path);
    Result<std::string> text = read_file(path);
    if (!text) {
        warn(where, "included file is not read: " + text.error().message());
        return {};
    }
    depth_++;
    Result<void> r = load_text_of(*text, path);
    depth_--;
    return r;
}

Result<void> Loader::copy(const std::string& source, const std::string& where) {
    if (in_global_) return fail(Code::invalid, where, "copy has no meaning in [global]");
    const auto found = by_name_.find(fold_section_name(source));
    if (found == by_name_.end()) return fail(Code::not_found, where, "copy: there is no section [" + source + "] above");
    if (found->second == current_) return fail(Code::invalid, where, "copy: section [" + source + "] cannot copy itself");
    const Section& from = sections_[found->second];
    Section& to = sections_[current_];
    for (size_t i = 0; i < parameters().size(); i++) {
        const auto id = static_cast<ParameterId>(i);
        if (parameter(id).scope != Scope::share || to.explicit_.contains(id)) continue;
        if (from.value(id) != to.value(id)) to.values_[id] = from.value(id);
    }
    // Samba takes them latest first, and testparm shows the order in which they were taken.
    for (auto option = from.options_.rbegin(); option != from.options_.rend(); ++option) to.set_option(option->name, option->value);
    return {};
}

void Loader::finish_share(Section& share) {
    const std::string folded = fold_section_name(share.name_);
    const ParameterId printable = parameter_id("printable");
    const ParameterId available = parameter_id("available");
    if (folded == "printers") {
        if (std::get<int64_t>(share.value(printable)) == 0) {
            warn(share.where_, "[printers] is made printable: it must be");
            share.values_[printable] = Value(int64_t{1});
        }
        share.values_[parameter_id("browseable")] = Value(int64_t{0});
    }
    const bool has_path = !std::get<std::string>(share.value(parameter_id("path"))).empty();
    if (!has_path && folded != "homes") {
        warn(share.where_, "share " + share.name_ + " has no path and is not available");
        share.values_[available] = Value(int64_t{0});
    } else if (std::get<int64_t>(share.value(available)) == 0) {
        warn(share.where_, "share " + share.name_ + " is flagged unavailable");
    }
}

void Loader::check_global() {
    const GlobalConf& g = out_->global_;
    if (g.server_min_protocol > g.server_max_protocol) warn(options_.file, "server max protocol is older than server min protocol");
    if (g.client_min_protocol > g.client_max_protocol) warn(options_.file, "client max protocol is older than client min protocol");
    if (g.netbios_name.size() > 15) warn(options_.file, "netbios name is longer than 15 characters");
    if (equal_ignoring_ascii_case(g.netbios_name, g.workgroup)) warn(options_.file, "workgroup and netbios name are the same");
    if (g.winbind_separator.size() != 1) warn(options_.file, "winbind separator is not a single character");
    if (std::get<int64_t>(global_.value(parameter_id("wins support"))) != 0 &&
        !std::get<Names>(global_.value(parameter_id("wins server"))).empty()) {
        warn(options_.file, "wins support and wins server exclude each other");
    }
    if (g.server_smb3_encryption_algorithms.empty()) warn(options_.file, "server smb3 encryption algorithms names none that is known");
    if (g.server_smb3_signing_algorithms.empty()) warn(options_.file, "server smb3 signing algorithms names none that is known");
}

// The weaker ways to log on as a client count only while the stronger ones are off (smb.conf(5) client lanman auth, client NTLMv2 auth).
void Loader::disable_weak_client_auth() {
    const auto is_on = [&](std::string_view name) { return std::get<int64_t>(global_.value(parameter_id(name))) != 0; };
    if (is_on("client NTLMv2 auth")) global_.values_[parameter_id("client lanman auth")] = Value(int64_t{0});
    if (!is_on("client lanman auth")) global_.values_[parameter_id("client plaintext auth")] = Value(int64_t{0});
}

// What a continuously available share promises holds for its SMB clients alone.
Result<void> Loader::check_continuous_availability(const ShareConf& share, const std::string& section_at) const {
    if (!share.continuous_availability || !out_->global_.persistent_handles) return {};
    const std::vector<std::string> against = lines_against_continuous_availability(share);
    if (against.empty()) return {};
    auto at = continuous_availability_at_.find(share.section.name());
    if (at == continuous_availability_at_.end()) at = continuous_availability_at_.find(global_.name());
    return fail(Code::invalid, at == continuous_availability_at_.end() ? section_at : at->second,
                "continuous availability: [" + share.name + "] cannot have it together with " + against.front());
}

Result<std::shared_ptr<const Configuration>> Loader::finish() {
    Configuration& out = *out_;
    disable_weak_client_auth();
    out.global_.section = global_;
    if (global_.is_set(parameter_id("netbios name"))) options_.macros.server_name = global_.text("netbios name");
    fill_global(out.global_, options_.macros);
    check_global();
    const auto global = std::make_shared<const Section>(global_);
    for (Section& section : sections_) {
        finish_share(section);
        section.global_ = global;
        const std::string where = section.where_;
        out.shares_.push_back(std::make_shared<const ShareConf>(typed_share(std::move(section))));
        if (auto checked = check_continuous_availability(*out.shares_.back(), where); !checked) return checked.failure();
    }
    out.by_name_ = by_name_;
    if (warning_count_ > out.warnings_.size()) {
        const std::string rest = std::to_string(warning_count_ - out.warnings_.size());
        out.warnings_.push_back({Code::invalid, options_.file, "and " + rest + " more warnings"});
    }
    return std::shared_ptr<const Configuration>(out_);
}

Result<std::shared_ptr<const Configuration>> load(const LoadOptions& options) {
    constexpr int max_hops = 4;  // of `config file` pointing to a file that points on
    LoadOptions next = options;
    for (int hop = 0;; hop++) {
        Loader loader(next);
        Result<std::shared_ptr<const Configuration>> loaded = loader.run();
        if (!loaded || !options.follow_config_file) return loaded;
        const std::string file = loader.next_file();
        if (file.empty() || file == next.file) return loaded;
        const bool exists = options.read_file ? options.read_file(file).ok() : ::access(file.c_str(), F_OK) == 0;
        if (!exists) return loaded;
        if (hop == max_hops) return fail(Code::invalid, next.file, "config file leads from file to file without end");
        next.file = file;
    }
}

Result<std::shared_ptr<const Configuration>> load_text(std::string_view text, LoadOptions options) {
    if (!options.read_file) {
        options.read_file = [](const std::string& path) -> Result<std::string> {
            return fail(Code::not_found, path, "files are not read here");
        };
    }
    return Loader(std::move(options)).run_text(text);
}

}  // namespace Atoll::conf

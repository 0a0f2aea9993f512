// Builds one Configuration (conf/configuration.h). One Loader, one run.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config_lines.h"
#include "conf/configuration.h"

namespace Atoll::conf {

class Loader {
 public:
    explicit Loader(LoadOptions options);

    Result<std::shared_ptr<const Configuration>> run();
    Result<std::shared_ptr<const Configuration>> run_text(std::string_view text);
    // The value of `config file` after a run, expanded; empty if there is none.
    [[nodiscard]] std::string next_file() const;

 private:
    Result<std::string> read_file(const std::string& path) const;
    Result<void> load_text_of(std::string_view text, const std::string& file);
    Result<void> apply(const ConfigLine& line, const std::string& where);
    Result<void> enter_section(const std::string& name, const std::string& where);
    Result<void> set(std::string_view name, const std::string& value, const std::string& where, bool from_command_line);
    Result<void> set_parameter(const Found& found, std::string_view name, const std::string& value, const std::string& where,
                               bool from_command_line);
    Result<void> include(const std::string& path, const std::string& where);
    Result<void> copy(const std::string& source, const std::string& where);
    Result<void> check_value(const Parameter& parameter, const Value& value, const std::string& where) const;
    void set_idmap_option(const Parameter& parameter, const std::string& value);
    Result<std::shared_ptr<const Configuration>> finish();
    void finish_share(Section& share);
    void check_global();
    void disable_weak_client_auth();
    Result<void> check_continuous_availability(const ShareConf& share, const std::string& section_at) const;
    std::shared_ptr<const Section> share_defaults();
    Section& current() { return in_global_ ? global_ : sections_[current_]; }
    void warn(std::string where, std::string text);

    LoadOptions options_;
    Section global_;
    bool in_global_ = true;
    size_t current_ = 0;  // index into sections_ unless in_global_
    std::vector<Section> sections_;
    std::map<std::string, size_t, std::less<>> by_name_;
    std::shared_ptr<const Section> share_defaults_;  // [global]'s share parameters as of now; null: they have changed
    std::map<std::string, std::string> continuous_availability_at_;  // by section: the line that says it
    unsigned depth_ = 0;
    size_t warning_count_ = 0;
    std::shared_ptr<Configuration> out_;
};

}  // namespace Atoll::conf

// The loader on arbitrary text, which is also what every `include` finds; then everything that reads its result.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "conf/access_lists.h"
#include "conf/configuration.h"

using namespace Atoll;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    conf::LoadOptions options;
    options.macros.host_name = "host";
    options.macros.client_name = "client";
    options.macros.environment = [](std::string_view name) { return std::optional<std::string>(std::string(name)); };
    int reads = 0;
    options.read_file = [&](const std::string& path) -> Result<std::string> {
        if (++reads > 8) return fail(Code::not_found, path, "enough");
        return text.substr(0, 4096);
    };
    const auto loaded = conf::load_text(text, options);
    if (!loaded) return 0;
    const conf::Configuration& configuration = **loaded;
    const conf::ClientHost host{"192.0.2.7", [] { return std::string("client.example.org"); }};
    for (const auto& share : configuration.shares()) {
        for (size_t i = 0; i < conf::parameters().size(); i++) {
            const auto id = static_cast<conf::ParameterId>(i);
            conf::format_value(conf::parameter(id), share->section.value(id));
        }
        conf::MacroValues macros = options.macros;
        macros.service = share->name;
        (void)conf::NamePatterns(conf::expand_macros(share->veto_files, macros)).matches("a file.tmp");
        (void)conf::host_allowed(share->hosts_allow, share->hosts_deny, host);
        (void)conf::user_in_list(share->valid_users, "alice", {}, {}, macros);
    }
    (void)configuration.home_share({"alice", "/home/alice"});
    return 0;
}

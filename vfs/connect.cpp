// Building a share's stack of modules.
#include <algorithm>
#include <map>

#include "vfs/modules.h"
#include "vfs/posix.h"

namespace Atoll::vfs {

namespace {

std::map<std::string, ModuleFactory, std::less<>>& registry() {
    static std::map<std::string, ModuleFactory, std::less<>> modules{
        {"btrfs", make_btrfs},
        {"catia", make_catia},
        {"readonly", make_readonly},
        {"recycle", make_recycle},
        {"acl_xattr", make_acl_xattr},
        {"full_audit", make_full_audit},
        {"streams_xattr", make_streams_xattr},
        {"shadow_copy2", make_shadow_copy2},
    };
    return modules;
}

}  // namespace

void register_module(std::string name, ModuleFactory factory) { registry().insert_or_assign(std::move(name), factory); }

std::vector<std::string> unknown_modules(const std::vector<std::string>& names) {
    std::vector<std::string> unknown;
    for (const std::string& name : names) {
        if (!registry().contains(name)) unknown.push_back(name);
    }
    return unknown;
}

Result<std::unique_ptr<Vfs>> connect_share(Options options) {
    if (const auto unknown = unknown_modules(options.modules); !unknown.empty()) {
        return fail(Code::unsupported, options.share,
                    "unknown module '" + unknown.front() + "' in vfs objects: the share is not available");
    }
    const std::vector<std::string> modules = options.modules;
    if (std::find(modules.begin(), modules.end(), "acl_xattr") != modules.end()) prepare_acl_xattr(options);
    if (std::find(modules.begin(), modules.end(), "full_audit") != modules.end()) {
        if (auto r = check_full_audit(options); !r) return r.failure();
    }
    static security::UnixIdMap unix_ids;
    if (options.ids == nullptr) options.ids = &unix_ids;
    auto posix = PosixVfs::connect(std::move(options));
    if (!posix) return posix.failure();
    std::unique_ptr<Vfs> top = std::move(*posix);
    for (auto name = modules.rbegin(); name != modules.rend(); ++name) top = registry().find(*name)->second(std::move(top));
    return top;
}

}  // namespace Atoll::vfs

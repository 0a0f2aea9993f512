#include "vfs/path.h"

#include "base/limits.h"

namespace Atoll::vfs {

bool is_valid_path(std::string_view path) {
    if (path.empty()) return true;
    if (path.find('\0') != std::string_view::npos) return false;
    size_t start = 0;
    while (true) {
        const size_t slash = path.find('/', start);
        const std::string_view component = path.substr(start, slash == std::string_view::npos ? slash : slash - start);
        if (component.empty() || component == "." || component == ".." || component.size() > limits::max_component_bytes) return false;
        if (slash == std::string_view::npos) return true;
        start = slash + 1;
    }
}

std::string_view parent_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view leaf_of(std::string_view path) {
    const size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace Atoll::vfs

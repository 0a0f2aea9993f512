#include "torture/memory.h"

#include <dirent.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace Atoll::torture {
namespace {

// Bytes of resident memory of every process of that session.
size_t resident(const std::string& session) {
    size_t total = 0;
    std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        std::ifstream stat(std::string("/proc/") + entry->d_name + "/stat");
        std::string text((std::istreambuf_iterator<char>(stat)), {});
        const size_t paren = text.rfind(')');
        if (paren == std::string::npos) continue;
        std::istringstream fields(text.substr(paren + 1));
        std::string state, parent, group, sid;
        fields >> state >> parent >> group >> sid;
        if (sid != session) continue;
        std::ifstream statm(std::string("/proc/") + entry->d_name + "/statm");
        size_t size = 0, pages = 0;
        statm >> size >> pages;
        total += pages * 4096;
    }
    return total;
}

}  // namespace

size_t resident_at_rest(Test& t, const std::string& session) {
    size_t least = ~size_t{0};
    for (int i = 0; i < 20; ++i) {
        (void)t.loop.run_until(monotonic_now() + std::chrono::milliseconds(100));
        least = std::min(least, resident(session));
    }
    return least;
}

}  // namespace Atoll::torture

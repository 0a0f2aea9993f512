#include "torture/memory.h"

#include <dirent.h>

#include <algorithm>
#include <sstream>

#include "torture/server_process.h"

namespace Atoll::torture {
namespace {

// Bytes of resident memory of every process of that session.
size_t resident(const std::string& session) {
    size_t total = 0;
    std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), ::closedir);
    while (const dirent* entry = proc ? ::readdir(proc.get()) : nullptr) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (!is_of_session(entry->d_name, session)) continue;
        std::istringstream statm(process_file(entry->d_name, "statm"));
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

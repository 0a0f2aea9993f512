// The memory in which processes share names of directories, as a process gone wild may have left it: nothing leads out of it.
#include <algorithm>
#include <string>
#include <vector>

#include "vfs/shared_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll;
    constexpr vfs::SharedNames::Bounds bounds{2, 16, 256};
    const size_t needed = vfs::SharedNames::size_for(bounds);
    std::vector<uint64_t> memory((needed + 7) / 8);
    const MutableBytes bytes(reinterpret_cast<uint8_t*>(memory.data()), needed);
    std::copy_n(data, std::min(size, needed), bytes.begin());
    vfs::SharedNames names(bytes, bounds);
    const auto ignore = [](const auto&) {};
    std::vector<uint32_t> ids;
    names.each([&](const auto& one) { ids.push_back(one.id); });
    auto* made = names.add_directory({1, 2, 3, 4}, 5, ignore);
    if (made != nullptr) ids.push_back(made->id);
    std::string stored;
    for (const uint32_t id : ids) {
        auto* directory = names.by_id(id);
        if (directory == nullptr) continue;
        (void)names.find(*directory, "name", stored);
        names.erase(*directory, "name");
        (void)names.insert(id, "a name that is long", ignore);
        directory = names.by_id(id);
        if (directory != nullptr) (void)names.find_short(*directory, "ANAMET~1", '~', stored);
    }
    names.reset(1);
    made = names.add_directory({1, 2, 3, 4}, 5, ignore);
    if (made == nullptr || !names.insert(made->id, "name", ignore) || !names.find(*made, "NAME", stored)) __builtin_trap();
    return 0;
}

#include "torture/hammer/world.h"

#include <algorithm>
#include <cstdio>

#include "base/assert.h"
#include "libcli/smb/create.h"

namespace Atoll::hammer {

namespace {

bool forbids(uint32_t share, uint32_t access) {
    using namespace smb;
    if ((share & file_share::read) == 0 && (access & (access_mask::file_read_data | access_mask::file_execute)) != 0) return true;
    if ((share & file_share::write) == 0 && (access & (access_mask::file_write_data | access_mask::file_append_data)) != 0) return true;
    return (share & file_share::delete_access) == 0 && (access & access_mask::delete_access) != 0;
}

bool takes_part(uint32_t access) {
    using namespace smb::access_mask;
    return (access & (file_read_data | file_execute | file_write_data | file_append_data | delete_access)) != 0;
}

}  // namespace

bool ShareClaim::excludes(const ShareClaim& other) const {
    if (file != other.file || !takes_part(access) || !takes_part(other.access)) return false;
    return forbids(share, other.access) || forbids(other.share, access);
}

void World::read_ends(int client, Moment asked) {
    const auto [first, last] = reads_.equal_range(client);
    const auto at = std::find_if(first, last, [&](const auto& read) { return read.second == asked; });
    ATOLL_ASSERT(at != last);
    reads_.erase(at);
}

Moment World::oldest_read() const {
    Moment oldest = clock;
    for (const auto& [client, asked] : reads_) oldest = std::min(oldest, asked);
    return oldest;
}

void World::fault(const std::string& what) {
    if (++faults <= max_faults) std::printf("FAULT at %llu: %s\n", static_cast<unsigned long long>(clock), what.c_str());
}

void World::changed(const std::string& name, Notices::Kind kind, Moment asked) {
    for (auto& [client, watcher] : watchers) {
        if (watcher.since < asked) watcher.notices.expect(name, kind, monotonic_now() + grace);
    }
}

}  // namespace Atoll::hammer

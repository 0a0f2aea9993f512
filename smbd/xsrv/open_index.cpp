#include "smbd/xsrv/open_index.h"

#include <algorithm>

#include "base/log.h"
#include "idl/level.h"
#include "smbd/xsrv/persistent.h"

namespace Atoll::xsrv {

const Guid* index_key_of(const open_global& record) {
    return is_persistent(record) && record.durable->create_guid ? &*record.durable->create_guid : nullptr;
}

Result<void> OpenIndex::add(const Guid& create_guid, uint64_t persistent_id) {
    auto locked = database_.fetch_locked(create_guid.bytes);
    if (!locked) return locked.failure();
    record_.opens.clear();
    if (locked->exists() && !decode(locked->value(), record_)) record_.opens.clear();
    const auto is_it = [&](const indexed_open& one) { return one.persistent_id == persistent_id; };
    if (std::ranges::any_of(record_.opens, is_it)) return {};
    if (record_.opens.size() >= MAX_SAME_CREATE_GUID) return fail(Code::no_space, database_.name(), "too many opens have one create GUID");
    record_.opens.push_back({persistent_id, self_});
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return locked->store(encoded_);
}

Result<void> OpenIndex::remove(const Guid& create_guid, uint64_t persistent_id) {
    auto locked = database_.fetch_locked(create_guid.bytes);
    if (!locked) return locked.failure();
    if (!locked->exists() || !decode(locked->value(), record_)) return {};
    std::erase_if(record_.opens, [&](const indexed_open& one) { return one.persistent_id == persistent_id; });
    if (record_.opens.empty()) return locked->remove();
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return locked->store(encoded_);
}

Result<std::vector<uint64_t>> OpenIndex::find(const Guid& create_guid) {
    std::vector<uint64_t> found;
    const auto fetched = database_.parse(create_guid.bytes, [&](Bytes value) {
        if (!decode(value, record_)) return;
        for (const indexed_open& one : record_.opens) found.push_back(one.persistent_id);
    });
    if (!fetched) return fetched.failure();
    return found;
}

void OpenIndex::end_holders(const messaging::ServerIds& holders, const std::function<bool(uint64_t persistent_id)>& is_there) {
    std::vector<std::pair<Guid, uint64_t>> gone;
    const auto visited = database_.traverse([&](Bytes key, Bytes value) {
        Guid guid;
        if (key.size() != guid.bytes.size() || !decode(value, record_)) return tdb::Visit::go_on;
        std::ranges::copy(key, guid.bytes.begin());
        for (const indexed_open& one : record_.opens) {
            if (holders.contains(messaging::ServerId(one.entered_by)) && !is_there(one.persistent_id)) gone.emplace_back(guid, one.persistent_id);
        }
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("{}", visited.error().message());
    for (const auto& [guid, id] : gone) {
        if (const auto removed = remove(guid, id); !removed) log_error("{}", removed.error().message());
    }
}

}  // namespace Atoll::xsrv

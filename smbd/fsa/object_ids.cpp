#include "smbd/fsa/object_ids.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "idl/level.h"
#include "smbd/fsa/kept_beside.h"

namespace Atoll::fsa {

namespace {

constexpr size_t id_size = 16;

using Key = std::array<uint8_t, 8 + id_size>;

Key key_of(uint64_t volume, Bytes id) {
    ATOLL_ASSERT(id.size() == id_size);
    Key key;
    store_le(key.data(), volume);
    std::ranges::copy(id, key.begin() + 8);
    return key;
}

NtStatus failed(const Error& error) {
    log_error("object_ids: {}", error.message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

}  // namespace

// Null: there is none.
tdb::Database* ObjectIds::index() {
    if (!params_.object_ids) return nullptr;
    const loop::RootScope root;  // the server's own file
    return params_.object_ids();
}

bool ObjectIds::read(tdb::Database& index, Bytes key) {
    bool found = false;
    const auto seen = index.parse(key, [&](Bytes value) { found = decode(value, owner_).ok(); });
    if (!seen) log_error("object_ids: {}", seen.error().message());
    return found;
}

bool ObjectIds::is_owner() const { return std::ranges::equal(owner_.handle, handle_.bytes()); }

// Whether the file that `owner_` names is another than `handle_`'s, and still has the id.
bool ObjectIds::is_taken(vfs::Vfs& vfs, Bytes id) {
    if (is_owner()) return false;
    const loop::RootScope root;  // the file may be anywhere on the volume
    const auto owner = vfs.open_handle(owner_.handle);
    ObjectId now;
    return owner && vfs.get_xattr(*owner, object_id_xattr, now.bytes) && std::ranges::equal(Bytes(now.bytes).first(id_size), id);
}

// All in one transaction: of two who want the same id for different files the second finds that the first's file has it.
Result<void, NtStatus> ObjectIds::claim(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id, Give give) {
    tdb::Database* const ids = index();
    if (ids == nullptr || !vfs.handle(file, handle_)) return give();
    const Key key = key_of(volume, id);
    if (auto r = ids->begin(); !r) return failed(r.error());
    if (read(*ids, key) && is_taken(vfs, id)) {
        ids->cancel();
        return NtStatus::DUPLICATE_NAME;
    }
    owner_.handle.assign(handle_.bytes().begin(), handle_.bytes().end());
    encoded_.clear();
    encode(owner_, encoded_, idl::written_level());
    Result<void, NtStatus> given;
    if (auto r = ids->store(key, encoded_); r) {
        given = give();
    } else {
        given = failed(r.error());
    }
    if (!given) {
        ids->cancel();
        return given;
    }
    if (auto r = ids->commit(); !r) {
        (void)remove_beside(vfs, file, object_id_xattr).ok();  // the commit's failure is to be told
        return failed(r.error());
    }
    return {};
}

void ObjectIds::note(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id) {
    tdb::Database* const ids = index();
    if (ids == nullptr || read(*ids, key_of(volume, id))) return;
    const auto has_it = []() -> Result<void, NtStatus> { return {}; };
    if (auto r = claim(vfs, file, volume, id, has_it); !r) log_info("object_ids: {}", to_string(r.error()));
}

void ObjectIds::forget(vfs::Vfs& vfs, const vfs::File& file, uint64_t volume, Bytes id) {
    tdb::Database* const ids = index();
    if (ids == nullptr || !vfs.handle(file, handle_)) return;
    const Key key = key_of(volume, id);
    Result<void> forgotten = ids->begin();
    if (forgotten && read(*ids, key) && is_owner()) {
        if (auto removed = ids->remove(key); !removed) {
            ids->cancel();
            forgotten = removed.failure();
        } else {
            forgotten = ids->commit();
        }
    } else if (forgotten) {
        ids->cancel();
    }
    if (!forgotten) log_error("object_ids: {}", forgotten.error().message());
}

}  // namespace Atoll::fsa

#include "smbd/xsrv/persistent.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <tuple>

#include "base/bytes.h"
#include "base/log.h"
#include "idl/level.h"

namespace Atoll::xsrv {

namespace {

// Big-endian, so that records sort and print as the numbers do.
template <size_t Numbers>
class Key {
 public:
    explicit Key(const std::array<uint64_t, Numbers>& numbers) {
        for (size_t i = 0; i < Numbers; i++) {
            store_be32(bytes_.data() + 8 * i, static_cast<uint32_t>(numbers[i] >> 32));
            store_be32(bytes_.data() + 8 * i + 4, static_cast<uint32_t>(numbers[i]));
        }
    }
    operator Bytes() const { return bytes_; }

 private:
    std::array<uint8_t, 8 * Numbers> bytes_{};
};

Key<1> open_key(uint64_t persistent_id) { return Key<1>({persistent_id}); }
Key<2> lock_key(uint64_t persistent_id, size_t bucket) { return Key<2>({persistent_id, bucket}); }
Key<3> file_key(const fsa::FileId& file) { return Key<3>({file.volume, file.inode, file.generation}); }

std::array<uint8_t, 32> intent_key(const Guid& client_guid, const Guid& create_guid) {
    std::array<uint8_t, 32> key{};
    std::copy(client_guid.bytes.begin(), client_guid.bytes.end(), key.begin());
    std::copy(create_guid.bytes.begin(), create_guid.bytes.end(), key.begin() + 16);
    return key;
}

uint64_t number_at(Bytes key, size_t i) { return uint64_t{load_be32(key.data() + 8 * i)} << 32 | load_be32(key.data() + 8 * i + 4); }

template <class Visit>
void for_each_bucket(LockBuckets buckets, Visit visit) {
    for (; buckets != 0; buckets &= buckets - 1) visit(static_cast<size_t>(std::countr_zero(buckets)));
}

using Buckets = std::array<persistent_locks, LOCK_BUCKETS>;

Buckets sorted_into_buckets(const open_global& record) {
    Buckets out;
    for (const open_lock& lock : record.durable->locks) out[static_cast<size_t>(std::countr_zero(bucket_of(lock)))].locks.push_back(lock);
    return out;
}

void add(const std::vector<open_lock>& locks, durable_open& durable) {
    durable.locks.insert(durable.locks.end(), locks.begin(), locks.end());
}

template <class Record>
void put(committer::Batch& batch, const char* database, Bytes key, const Record& record) {
    Buffer encoded;
    encode(record, encoded, idl::written_level());
    batch.store(database, key, encoded);
}

template <class Record>
std::optional<Record> find(committer::DurableStore& store, const char* database, Bytes key) {
    Buffer value;
    const auto fetched = store.database(database)->fetch(key, value);
    if (!fetched) log_error("{}", fetched.error().message());
    Record record;
    if (!fetched || !*fetched) return std::nullopt;
    if (decode(value, record)) return record;
    log_error("{}: a record that is not understood", database);
    return std::nullopt;
}

template <class Record>
Result<void> for_each(committer::DurableStore& store, const char* database, const std::function<void(Bytes, Record&)>& visit) {
    const auto opened = store.database(database);
    const auto visited = opened->traverse([&](Bytes key, Bytes value) {
        Record record;
        if (decode(value, record)) {
            visit(key, record);
        } else {
            log_error("{}: a record that is not understood", database);
        }
        return tdb::Visit::go_on;
    });
    if (!visited && visited.error().code != Code::not_found) return visited.failure();  // nothing was ever written
    return {};
}

}  // namespace

// The same in every process and for ever. Ranges that follow each other lie in different ones.
LockBuckets bucket_of(const open_lock& lock) {
    constexpr uint64_t odd = 0x9E3779B97F4A7C15u;
    const uint64_t mixed = ((lock.offset * odd) ^ lock.length) * odd;
    return LockBuckets{1} << (mixed >> 58);
}

LockBuckets buckets_of(const open_global& record) {
    LockBuckets out = 0;
    if (record.durable) {
        for (const open_lock& lock : record.durable->locks) out |= bucket_of(lock);
    }
    return out;
}

void put_open(committer::Batch& batch, const open_global& record) {
    open_global without_locks = record;
    without_locks.durable->locks.clear();
    put(batch, persistent_open_database, open_key(record.persistent_id), without_locks);
}

void put_locks(committer::Batch& batch, const open_global& record, LockBuckets buckets) {
    const Buckets now = sorted_into_buckets(record);
    for_each_bucket(buckets, [&](size_t bucket) {
        if (now[bucket].locks.empty()) {
            batch.remove(persistent_lock_database, lock_key(record.persistent_id, bucket));
        } else {
            put(batch, persistent_lock_database, lock_key(record.persistent_id, bucket), now[bucket]);
        }
    });
}

void remove_open(committer::Batch& batch, uint64_t persistent_id, LockBuckets buckets) {
    batch.remove(persistent_open_database, open_key(persistent_id));
    remove_locks(batch, persistent_id, buckets);
}

void remove_locks(committer::Batch& batch, uint64_t persistent_id, LockBuckets buckets) {
    for_each_bucket(buckets, [&](size_t bucket) { batch.remove(persistent_lock_database, lock_key(persistent_id, bucket)); });
}

void put_file(committer::Batch& batch, const fsa::FileId& file, const fsa::FileState& state) {
    persistent_file record;
    record.share_path = state.share_path;
    record.name = state.name;
    record.delete_pending = state.delete_pending;
    record.delete_token = state.delete_token;
    put(batch, persistent_file_database, file_key(file), record);
}

void remove_file(committer::Batch& batch, const fsa::FileId& file) { batch.remove(persistent_file_database, file_key(file)); }

void put_intent(committer::Batch& batch, const create_intent& intent) {
    put(batch, create_intent_database, intent_key(intent.client_guid, intent.create_guid), intent);
}

void remove_intent(committer::Batch& batch, const Guid& client_guid, const Guid& create_guid) {
    batch.remove(create_intent_database, intent_key(client_guid, create_guid));
}

Result<void> PersistentState::for_each_open(const std::function<void(const open_global&)>& visit) {
    std::map<uint64_t, std::vector<open_lock>> locks;
    const auto read = for_each<persistent_locks>(store_, persistent_lock_database, [&](Bytes key, const persistent_locks& found) {
        if (key.size() != 16) return;
        auto& all = locks[number_at(key, 0)];
        all.insert(all.end(), found.locks.begin(), found.locks.end());
    });
    if (!read) return read;
    return for_each<open_global>(store_, persistent_open_database, [&](Bytes, open_global& record) {
        const auto found = locks.find(record.persistent_id);
        if (found != locks.end() && record.durable) add(found->second, *record.durable);
        visit(record);
    });
}

Result<void> PersistentState::for_each_lock_bucket(const std::function<void(uint64_t, LockBuckets)>& visit) {
    return for_each<persistent_locks>(store_, persistent_lock_database, [&](Bytes key, const persistent_locks&) {
        if (key.size() == 16 && number_at(key, 1) < LOCK_BUCKETS) visit(number_at(key, 0), LockBuckets{1} << number_at(key, 1));
    });
}

Result<void> PersistentState::for_each_file(const std::function<void(const fsa::FileId&)>& visit) {
    return for_each<persistent_file>(store_, persistent_file_database, [&](Bytes key, const persistent_file&) {
        if (key.size() != 24) return;
        visit({number_at(key, 0), number_at(key, 1), number_at(key, 2), 0});
    });
}

Result<void> PersistentState::for_each_intent(const std::function<void(const create_intent&)>& visit) {
    return for_each<create_intent>(store_, create_intent_database, [&](Bytes, const create_intent& intent) { visit(intent); });
}

std::optional<open_global> PersistentState::find_open(uint64_t persistent_id) {
    auto record = find<open_global>(store_, persistent_open_database, open_key(persistent_id));
    for (size_t bucket = 0; record && record->durable && bucket < LOCK_BUCKETS; bucket++) {
        const auto found = find<persistent_locks>(store_, persistent_lock_database, lock_key(persistent_id, bucket));
        if (found) add(found->locks, *record->durable);
    }
    return record;
}

Result<bool> PersistentState::has_open(uint64_t persistent_id) {
    return store_.reader().read(persistent_open_database, open_key(persistent_id), [](Bytes) {});
}

Result<bool> PersistentState::remove_unchanged_open(committer::Batch& batch, uint64_t persistent_id) {
    const auto key = open_key(persistent_id);
    const auto expect = [&](Bytes value) { batch.expect(persistent_open_database, key, value); };
    auto there = store_.reader().read(persistent_open_database, key, expect);
    if (!there || !*there) return there;
    batch.remove(persistent_open_database, key);
    for (size_t bucket = 0; bucket < LOCK_BUCKETS; bucket++) {
        const auto lock = lock_key(persistent_id, bucket);
        const auto found = store_.reader().read(persistent_lock_database, lock, [](Bytes) {});
        if (!found) return found;
        if (*found) batch.remove(persistent_lock_database, lock);
    }
    return true;
}

Result<bool> PersistentState::remove_unchanged_file(committer::Batch& batch, const fsa::FileId& file) {
    const auto key = file_key(file);
    const auto expect = [&](Bytes value) { batch.expect(persistent_file_database, key, value); };
    auto there = store_.reader().read(persistent_file_database, key, expect);
    if (there && *there) batch.remove(persistent_file_database, key);
    return there;
}

LockBuckets PersistentState::differing(const open_global& record) {
    const auto order = [](const open_lock& a, const open_lock& b) {
        return std::tie(a.offset, a.length, a.exclusive) < std::tie(b.offset, b.length, b.exclusive);
    };
    Buckets now = sorted_into_buckets(record);
    LockBuckets out = 0;
    for (size_t bucket = 0; bucket < LOCK_BUCKETS; bucket++) {
        auto there =
            find<persistent_locks>(store_, persistent_lock_database, lock_key(record.persistent_id, bucket)).value_or(persistent_locks{});
        std::ranges::sort(there.locks, order);
        std::ranges::sort(now[bucket].locks, order);
        const auto same = [&](const open_lock& a, const open_lock& b) { return !order(a, b) && !order(b, a); };
        if (!std::ranges::equal(there.locks, now[bucket].locks, same)) out |= LockBuckets{1} << bucket;
    }
    return out;
}

std::optional<fsa::FileState> PersistentState::find_file(const fsa::FileId& file) {
    auto record = find<persistent_file>(store_, persistent_file_database, file_key(file));
    if (!record) return std::nullopt;
    return fsa::FileState{std::move(record->share_path), std::move(record->name), record->delete_pending, std::move(record->delete_token)};
}

std::optional<create_intent> PersistentState::find_intent(const Guid& client_guid, const Guid& create_guid) {
    return find<create_intent>(store_, create_intent_database, intent_key(client_guid, create_guid));
}

void give_up_read_caching(open_global& record) {
    durable_open& durable = *record.durable;
    if (durable.oplock == fsa::oplock_kind::OPLOCK_LEVEL_II) durable.oplock = fsa::oplock_kind::OPLOCK_NONE;
    if (!durable.lease || (durable.lease->state & fsa::caching::write) != 0 || durable.lease->state == fsa::caching::none) return;
    durable.lease->state = fsa::caching::none;
    if (durable.lease->version > 1) durable.lease->epoch++;
}

fsa::RemainingOpen remaining_open(const open_global& record) {
    fsa::RemainingOpen out;
    out.open_id = record.persistent_id;
    out.file = file_of(record);
    out.name = record.name;
    out.granted_access = record.access_mask;
    out.share_access = record.share_access;
    out.options = record.create_options;
    const durable_open& durable = *record.durable;
    out.position = durable.position;
    out.allocation_size = durable.allocation_size;
    out.oplock = static_cast<fsa::OplockLevel>(durable.oplock);
    if (durable.lease) {
        out.lease_client = record.client_guid;
        out.lease_key = durable.lease->lease_key;
        out.lease.state = durable.lease->state;
        out.lease.parent = durable.lease->parent_lease_key;
        out.lease.epoch = durable.lease->epoch;
        out.lease.version = durable.lease->version;
    }
    for (const open_lock& lock : durable.locks) out.locks.push_back({lock.offset, lock.length, lock.exclusive});
    return out;
}

}  // namespace Atoll::xsrv

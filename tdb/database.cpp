#include "tdb/database.h"

#include <algorithm>
#include <cstring>

#include "base/limits.h"

namespace Atoll::tdb {
namespace {

std::array<HeldRecord, limits::max_held_records> held_table;
unsigned held_total = 0;

int compare(Bytes a, Bytes b) {
    const size_t common = std::min(a.size(), b.size());
    const int order = common > 0 ? std::memcmp(a.data(), b.data(), common) : 0;
    if (order != 0) return order;
    return a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0);
}

HeldRecord& take_entry() {
    for (HeldRecord& entry : held_table) {
        if (entry.database == nullptr) return entry;
    }
    ATOLL_ASSERT(false && "more records held than limits::max_held_records");
    __builtin_unreachable();
}

// The order of locks of tdb/database.h: may `database` lock `key`, given what is held?
void assert_order_of_held(const Database& database, Bytes key, bool wait) {
    for (const HeldRecord& entry : held_table) {
        if (entry.database == nullptr) continue;
        ATOLL_ASSERT(entry.database->rank() <= database.rank() && "records are locked in ascending rank");
        if (entry.database->rank() < database.rank()) continue;
        ATOLL_ASSERT(!wait && "a second record of the same rank is taken by try_fetch_locked");
        ATOLL_ASSERT((entry.database != &database || compare(entry.key, key) < 0) && "records of one database are locked in key order");
    }
}

inline void assert_order(const Database& database, Bytes key, bool wait) {
    if (held_total != 0) assert_order_of_held(database, key, wait);
}

}  // namespace

unsigned held_records() { return held_total; }

LockedRecord& LockedRecord::operator=(LockedRecord&& other) noexcept {
    if (this != &other) {
        release();
        held_ = std::exchange(other.held_, nullptr);
    }
    return *this;
}

Database& LockedRecord::database() const {
    ATOLL_ASSERT(held_);
    return *held_->database;
}

Bytes LockedRecord::key() const {
    ATOLL_ASSERT(held_);
    return held_->key;
}

bool LockedRecord::exists() const {
    ATOLL_ASSERT(held_);
    return held_->database->locked_exists(*held_);
}

Bytes LockedRecord::value() const {
    ATOLL_ASSERT(held_);
    return held_->database->locked_value(*held_);
}

Result<void> LockedRecord::store(Bytes value) {
    ATOLL_ASSERT(held_);
    return held_->database->change_held(*held_, value);
}

Result<void> LockedRecord::remove() {
    ATOLL_ASSERT(held_);
    return held_->database->remove_held(*held_);
}

void LockedRecord::release() {
    if (!held_) return;
    Database* database = held_->database;
    database->do_unlock(*held_);
    if (held_->announced) database->observer_->released(*database, held_->key);
    held_->database = nullptr;
    held_ = nullptr;
    database->held_count_--;
    held_total--;
}

Database::~Database() { ATOLL_ASSERT(held_count_ == 0); }

HeldRecord* Database::find_among_held(Bytes key) {
    for (HeldRecord& entry : held_table) {
        if (entry.database == this && compare(entry.key, key) == 0) return &entry;
    }
    return nullptr;
}

Result<bool> Database::parse(Bytes key, Parser parser) {
    if (HeldRecord* entry = find_held(key)) {
        if (!locked_exists(*entry)) return false;
        parser(locked_value(*entry));
        return true;
    }
    assert_order(*this, key, true);
    return do_parse(key, parser);
}

Result<bool> Database::fetch(Bytes key, Buffer& out) {
    return parse(key, [&out](Bytes value) { out.assign(value); });
}

Result<bool> Database::exists(Bytes key) {
    return parse(key, [](Bytes) {});
}

Result<LockedRecord> Database::lock(Bytes key, bool wait) {
    assert_order(*this, key, wait);
    HeldRecord& entry = take_entry();
    entry.key.assign(key);
    entry.cookie = {};
    entry.announced = false;
    // The entry is taken before: a store may lock records of another store while it locks this one.
    entry.database = this;
    held_count_++;
    held_total++;
    if (auto locked = do_lock(entry, wait); !locked) {
        entry.database = nullptr;
        held_count_--;
        held_total--;
        return locked.failure();
    }
    return LockedRecord(&entry);
}

Result<LockedRecord> Database::fetch_locked(Bytes key) { return lock(key, true); }

Result<LockedRecord> Database::try_fetch_locked(Bytes key) { return lock(key, false); }

// Before the first change under each lock.
Result<void> Database::announce(HeldRecord& held) {
    if (observer_ == nullptr || held.announced) return {};
    auto wanted = observer_->about_to_change(*this, held.key);
    if (!wanted) return wanted.failure();
    held.announced = *wanted;
    return {};
}

Result<void> Database::change_held(HeldRecord& held, Bytes value) {
    if (auto announced = announce(held); !announced) return announced;
    return locked_store(held, value);
}

Result<void> Database::remove_held(HeldRecord& held) {
    if (!locked_exists(held)) return {};
    if (auto announced = announce(held); !announced) return announced;
    return locked_remove(held);
}

Result<void> Database::store(Bytes key, Bytes value, StoreMode mode) {
    HeldRecord* entry = find_held(key);
    if (entry == nullptr && observer_ == nullptr) {
        assert_order(*this, key, true);
        return do_store(key, value, mode);
    }
    LockedRecord own;
    if (entry == nullptr) {
        auto locked = lock(key, true);
        if (!locked) return locked.failure();
        own = std::move(*locked);
        entry = own.held_;
    }
    const bool there = locked_exists(*entry);
    if (there && mode == StoreMode::insert) return failed(Code::exists, "the record is there already");
    if (!there && mode == StoreMode::modify) return failed(Code::not_found, "no such record");
    return change_held(*entry, value);
}

Result<bool> Database::remove(Bytes key) {
    HeldRecord* entry = find_held(key);
    if (entry == nullptr && observer_ == nullptr) {
        assert_order(*this, key, true);
        return do_remove(key);
    }
    LockedRecord own;
    if (entry == nullptr) {
        auto locked = lock(key, true);
        if (!locked) return locked.failure();
        own = std::move(*locked);
        entry = own.held_;
    }
    const bool there = locked_exists(*entry);
    if (auto removed = remove_held(*entry); !removed) return removed.failure();
    return there;
}

Result<uint64_t> Database::traverse(Visitor visitor) {
    ATOLL_ASSERT(held_count_ == 0);
    return do_traverse(visitor);
}

Result<uint64_t> Database::traverse_locked(LockedVisitor visitor) {
    ATOLL_ASSERT(held_count_ == 0);
    uint64_t seen = 0;
    Result<void> outcome;
    auto traversed = do_traverse([&](Bytes key, Bytes) {
        auto record = fetch_locked(key);
        if (!record) {
            outcome = record.failure();
            return Visit::stop;
        }
        if (!record->exists()) return Visit::go_on;
        seen++;
        return visitor(*record);
    });
    if (!traversed) return traversed.failure();
    if (!outcome) return outcome.failure();
    return seen;
}

Result<void> Database::begin() { return failed(Code::unsupported, "this store has no transactions"); }

Result<void> Database::commit() { return failed(Code::unsupported, "this store has no transactions"); }

void Database::cancel() {}

}  // namespace Atoll::tdb

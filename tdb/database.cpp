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
void assert_order(const Database& database, Bytes key, bool wait) {
    if (held_total == 0) return;
    for (const HeldRecord& entry : held_table) {
        if (entry.database == nullptr) continue;
        ATOLL_ASSERT(entry.database->rank() <= database.rank() && "records are locked in ascending rank");
        if (entry.database->rank() < database.rank()) continue;
        ATOLL_ASSERT(!wait && "a second record of the same rank is taken by try_fetch_locked");
        ATOLL_ASSERT((entry.database != &database || compare(entry.key, key) < 0) && "records of one database are locked in key order");
    }
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
    return held_->database->locked_store(*held_, value);
}

Result<void> LockedRecord::remove() {
    ATOLL_ASSERT(held_);
    return held_->database->locked_remove(*held_);
}

void LockedRecord::release() {
    if (!held_) return;
    Database* database = held_->database;
    database->do_unlock(*held_);
    held_->database = nullptr;
    held_ = nullptr;
    database->held_count_--;
    held_total--;
}

Database::~Database() { ATOLL_ASSERT(held_count_ == 0); }

HeldRecord* Database::find_held(Bytes key) {
    if (held_count_ == 0) return nullptr;
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
    if (auto locked = do_lock(entry, wait); !locked) return locked.failure();
    entry.database = this;
    held_count_++;
    held_total++;
    return LockedRecord(&entry);
}

Result<LockedRecord> Database::fetch_locked(Bytes key) { return lock(key, true); }

Result<LockedRecord> Database::try_fetch_locked(Bytes key) { return lock(key, false); }

Result<void> Database::store(Bytes key, Bytes value, StoreMode mode) {
    if (HeldRecord* entry = find_held(key)) {
        const bool there = locked_exists(*entry);
        if (there && mode == StoreMode::insert) return failed(Code::exists, "the record is there already");
        if (!there && mode == StoreMode::modify) return failed(Code::not_found, "no such record");
        return locked_store(*entry, value);
    }
    assert_order(*this, key, true);
    return do_store(key, value, mode);
}

Result<bool> Database::remove(Bytes key) {
    if (HeldRecord* entry = find_held(key)) {
        const bool there = locked_exists(*entry);
        if (auto removed = locked_remove(*entry); !removed) return removed.failure();
        return there;
    }
    assert_order(*this, key, true);
    return do_remove(key);
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

#include "tdb/memory/memory_database.h"

namespace Atoll::tdb {
namespace {

void copy_records(const std::map<std::string, Buffer, std::less<>>& from, std::map<std::string, Buffer, std::less<>>& to) {
    to.clear();
    for (const auto& [key, value] : from) to[key].assign(value);
}

}  // namespace

std::unique_ptr<MemoryDatabase> MemoryDatabase::open(const MemoryOptions& options) {
    return std::unique_ptr<MemoryDatabase>(new MemoryDatabase(options.name, options.rank));
}

void MemoryDatabase::fail_writes(unsigned nth, Code code, unsigned count) {
    until_fault_ = nth;
    faults_ = count;
    fault_ = code;
}

Result<void> MemoryDatabase::write_allowed() {
    if (until_fault_ == 0) return {};
    if (until_fault_ > 1) {
        until_fault_--;
        return {};
    }
    if (--faults_ == 0) until_fault_ = 0;
    return failed(fault_, "injected fault");
}

Result<bool> MemoryDatabase::do_parse(Bytes key, Parser parser) {
    const auto at = records_.find(as_text(key));
    if (at == records_.end()) return false;
    parser(at->second);
    return true;
}

Result<void> MemoryDatabase::do_store(Bytes key, Bytes value, StoreMode mode) {
    const auto at = records_.find(as_text(key));
    const bool there = at != records_.end();
    if (there && mode == StoreMode::insert) return failed(Code::exists, "the record is there already");
    if (!there && mode == StoreMode::modify) return failed(Code::not_found, "no such record");
    if (auto allowed = write_allowed(); !allowed) return allowed;
    Buffer copy;
    copy.append(value);  // value may point into the record itself
    records_.insert_or_assign(std::string(as_text(key)), std::move(copy));
    sequence_++;
    return {};
}

Result<bool> MemoryDatabase::do_remove(Bytes key) {
    const auto at = records_.find(as_text(key));
    if (at == records_.end()) return false;
    if (auto allowed = write_allowed(); !allowed) return allowed.failure();
    records_.erase(at);
    sequence_++;
    return true;
}

Result<uint64_t> MemoryDatabase::do_traverse(Visitor visitor) {
    traversals_++;
    Records snapshot;
    copy_records(records_, snapshot);
    uint64_t seen = 0;
    for (const auto& [key, value] : snapshot) {
        if (records_.find(key) == records_.end()) continue;
        seen++;
        if (visitor(as_bytes(key), value) == Visit::stop) break;
    }
    return seen;
}

Result<void> MemoryDatabase::do_lock(HeldRecord&, bool) { return {}; }

void MemoryDatabase::do_unlock(HeldRecord&) noexcept {}

bool MemoryDatabase::locked_exists(const HeldRecord& held) const { return records_.find(as_text(held.key)) != records_.end(); }

Bytes MemoryDatabase::locked_value(const HeldRecord& held) const {
    const auto at = records_.find(as_text(held.key));
    return at == records_.end() ? Bytes{} : at->second.bytes();
}

Result<void> MemoryDatabase::locked_store(HeldRecord& held, Bytes value) { return do_store(held.key, value, StoreMode::replace); }

Result<void> MemoryDatabase::locked_remove(HeldRecord& held) {
    if (auto removed = do_remove(held.key); !removed) return removed.failure();
    return {};
}

Result<void> MemoryDatabase::wipe() {
    ATOLL_ASSERT(!any_held());
    if (auto allowed = write_allowed(); !allowed) return allowed;
    records_.clear();
    sequence_++;
    return {};
}

Result<void> MemoryDatabase::begin() {
    ATOLL_ASSERT(!in_transaction_ && !any_held());
    copy_records(records_, before_);
    in_transaction_ = true;
    return {};
}

Result<void> MemoryDatabase::commit() {
    ATOLL_ASSERT(in_transaction_ && !any_held());
    if (auto allowed = write_allowed(); !allowed) {
        cancel();
        return allowed;
    }
    in_transaction_ = false;
    before_.clear();
    return {};
}

void MemoryDatabase::cancel() {
    ATOLL_ASSERT(in_transaction_ && !any_held());
    records_ = std::move(before_);
    before_.clear();
    in_transaction_ = false;
}

}  // namespace Atoll::tdb

#include "tdb/file/file_database.h"

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"

namespace Atoll::tdb {
namespace {

Offset next_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, next)); }
Offset magic_word(Offset record) { return record + static_cast<Offset>(offsetof(RecordHeader, magic)); }

// What HeldRecord::cookie means here.
enum Cookie : size_t { cookie_hash, cookie_record };

// Keys are short: memcmp's call costs more than its work.
bool same_bytes(const uint8_t* a, const uint8_t* b, size_t length) {
    for (; length >= 8; a += 8, b += 8, length -= 8) {
        if (load_le<uint64_t>(a) != load_le<uint64_t>(b)) return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (a[i] != b[i]) return false;
    }
    return true;
}

}  // namespace

Failure<Error> FileDatabase::bad_chain(uint32_t chain) const { return failed(Code::corrupt, fmt::format("chain {} is damaged", chain)); }

void FileDatabase::changed() {
    if (count_changes_) std::atomic_ref(mapping_.edit_header().sequence_number).fetch_add(1, std::memory_order_acq_rel);
}

Result<uint32_t> FileDatabase::sequence_number() { return mapping_.load(offsetof(FileHeader, sequence_number)); }

// Chains that this process holds

// Beside others that are held.
Result<void> FileDatabase::take_another(uint32_t chain, Intent intent, bool wait) {
    if (whole_ != Whole::none) {
        ATOLL_ASSERT(whole_ == Whole::write || intent == Intent::read);
        return {};
    }
    Hold* entry = nullptr;
    for (Hold& hold : holds_) {
        if (hold.count > 0 && hold.chain == chain) {
            ATOLL_ASSERT(hold.intent == Intent::write || intent == Intent::read);
            hold.count++;
            return {};
        }
        if (hold.count == 0 && !entry) entry = &hold;
    }
    ATOLL_ASSERT(entry && "too many chains of one database are held");
    const Taken taken = locks_.lock_chain(chain, intent, wait);
    if (taken != Taken::yes || commit_.recovery_pending()) {
        if (auto settled = settle_chain(taken, chain, intent, wait); !settled) return settled;
    }
    *entry = {chain, 1, intent};
    chains_held_++;
    return {};
}

// After trying to lock a chain: what stands in the way is waited for or repaired, until it is locked.
Result<void> FileDatabase::settle_chain(Taken taken, uint32_t chain, Intent intent, bool wait) {
    do {
        if (auto handled = on_no_chain(taken, chain); !handled) return handled;
        taken = locks_.lock_chain(chain, intent, wait);
    } while (taken != Taken::yes || commit_.recovery_pending());
    return {};
}

// After trying to lock a chain: an error, or what was left by the dead has been repaired and it may be tried again.
Result<void> FileDatabase::on_no_chain(Taken taken, uint32_t chain) {
    Result<void> repaired;
    switch (taken) {
        case Taken::busy: return fail(Code::busy, {}, "locked");
        case Taken::failed: return fail_errno(errno, name(), "cannot lock a chain");
        case Taken::all_from_dead:
            repaired = repair_after_death();
            locks_.unlock_all();
            return repaired;
        case Taken::from_dead:
            log_notice("{}: a process died with chain {} locked; checking the chain", name(), chain);
            repaired = repair_chain(chain);
            locks_.unlock_chain(chain);
            return repaired;
        case Taken::yes: break;  // but a commit is to be undone
    }
    locks_.unlock_chain(chain);
    return undo_dead_commit();
}

void FileDatabase::release_one_of(uint32_t chain) {
    if (whole_ != Whole::none) return;
    for (Hold& hold : holds_) {
        if (hold.count == 0 || hold.chain != chain) continue;
        if (--hold.count == 0) {
            locks_.unlock_chain(chain);
            chains_held_--;
        }
        return;
    }
    ATOLL_ASSERT(false && "released a chain that is not held");
}

// Walking chains

// The lock of a chain and its first record are far apart: both are on their way to the processor's cache before the lock is taken.
void FileDatabase::announce(uint32_t chain) const {
    locks_.prefetch_chain(chain);
    const uint8_t* first = mapping_.at(mapping_.load(chain_head(chain)));
    for (size_t line = 0; line < 4; line++) __builtin_prefetch(first + line * record_alignment);
}

Bytes FileDatabase::key_of(Offset record) const { return {mapping_.at(record + sizeof(RecordHeader)), mapping_.record(record).key_len}; }

Bytes FileDatabase::value_of(Offset record) const {
    const RecordHeader& header = mapping_.record(record);
    return {mapping_.at(record + sizeof(RecordHeader) + header.key_len), header.data_len};
}

// The record at a link of a chain, 0 at its end, `damaged` if there is none.
inline Offset FileDatabase::walk(Offset link) {
    const Offset offset = mapping_.load(link);
    if (offset == 0) return 0;
    if (__builtin_expect(!space_.is_record(offset), 0)) return damaged;
    const RecordHeader& record = mapping_.record(offset);
    if (__builtin_expect(record.magic != record_live, 0)) return record.magic == record_dead ? offset : damaged;
    return uint64_t{record.key_len} + record.data_len + sizeof(Tailer) <= record.rec_len ? offset : damaged;
}

Result<Offset> FileDatabase::follow(Offset link, uint32_t chain) {
    const Offset offset = walk(link);
    if (__builtin_expect(offset == damaged, 0)) return bad_chain(chain);
    return offset;
}

inline bool FileDatabase::has_key(Offset offset, Bytes key, uint32_t hash) const {
    const RecordHeader& record = mapping_.record(offset);
    return record.full_hash == hash && record.magic == record_live && record.key_len == key.size() &&
           same_bytes(mapping_.at(offset + sizeof(RecordHeader)), key.data(), key.size());
}

Offset FileDatabase::find(Bytes key, uint32_t hash, uint32_t chain) {
    Offset offset = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        offset = walk(offset);  // a record's first word is its link
        if (offset <= damaged || has_key(offset, key, hash)) return offset;
    }
    return damaged;
}

// Ends where it has both the key's record and room for the next; `dead` then counts those before. With `in_place` that room is the record
// itself, if it is large enough and not far too large.
FileDatabase::Found FileDatabase::survey(Bytes key, uint32_t hash, uint32_t chain, uint64_t payload, bool in_place) {
    Found found;
    Offset offset = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        offset = walk(offset);
        if (offset == 0) return found;
        if (offset == damaged) break;
        const RecordHeader& record = mapping_.record(offset);
        // Where a value may be written; the loop touches its header.
        if (record.next != 0) __builtin_prefetch(mapping_.at(record.next) + 64, 1);
        if (record.magic == record_dead) {
            found.dead++;
            if (found.reusable == 0 && record.rec_len >= payload + sizeof(Tailer)) found.reusable = offset;
        } else if (found.record == 0 && has_key(offset, key, hash)) {
            found.record = offset;
            if (in_place && record.rec_len >= payload + sizeof(Tailer) && record.rec_len / 4 <= record_length(payload))
                found.reusable = offset;
        }
        if (found.record != 0 && found.reusable != 0) return found;
    }
    return {damaged, 0, 0};
}

// Changing chains. A record becomes live, and dead, by one store of its magic: a value is never seen half written.

Result<Offset> FileDatabase::link_new(uint64_t payload, uint32_t hash) {
    auto guard = space_.lock();
    if (!guard) return guard.failure();
    auto taken = space_.take(payload, hash);
    if (!taken) return taken;
    const Offset head = chain_head(chain_of(hash));
    mapping_.publish(next_word(*taken), mapping_.load(head));
    mapping_.publish(head, *taken);
    return taken;
}

void FileDatabase::bury(Offset record) { mapping_.publish(magic_word(record), record_dead); }

// The largest of a chain's dead records, which has room for most of what the chain will be given.
Result<Offset> FileDatabase::largest_dead(uint32_t chain) {
    Offset largest = 0;
    Offset link = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        auto offset = follow(link, chain);
        if (!offset) return offset;
        if (*offset == 0) return largest;
        const RecordHeader& record = mapping_.record(*offset);
        if (record.magic == record_dead && (largest == 0 || record.rec_len > mapping_.record(largest).rec_len)) largest = *offset;
        link = next_word(*offset);
    }
    return bad_chain(chain);
}

// Moves up to `surplus` dead records of a chain, but not `kept`, to the free list.
Result<void> FileDatabase::purge(uint32_t chain, uint64_t surplus, Offset kept) {
    auto guard = space_.lock();
    if (!guard) return guard.failure();
    Offset link = chain_head(chain);
    for (Steps steps; surplus > 0 && steps.next(mapping_);) {
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) return {};
        const bool dead = mapping_.record(*offset).magic == record_dead && *offset != kept;
        // In fcntl mode a traverse of another program may stand on it, with nothing but a lock of its first byte, and will go on from it.
        if (!dead || (whole_ == Whole::none && !locks_.mutexes() && is_locked_by_other(mapping_.fd(), *offset))) {
            link = next_word(*offset);
            continue;
        }
        mapping_.publish(link, mapping_.load(next_word(*offset)));
        if (auto given = space_.give(*offset); !given) return given;
        surplus--;
    }
    return {};
}

Result<void> FileDatabase::purge_surplus(uint32_t chain, uint64_t surplus) {
    auto kept = largest_dead(chain);
    if (!kept) return kept.failure();
    return purge(chain, surplus, *kept);
}

// A transaction is there as a whole or not at all. Otherwise it takes a slot, which files with mutexes have.
bool FileDatabase::may_overwrite(size_t value_size) const {
    return mapping_.is_private() || (locks_.mutexes() && value_size <= Overwrite::max_value);
}

bool FileDatabase::put_in_place(Offset target, uint32_t chain, Bytes value) {
    if (mapping_.is_private()) {
        const uint32_t key_size = mapping_.record(target).key_len;
        uint8_t* bytes = mapping_.edit(target + sizeof(RecordHeader) + key_size, value.size());
        if (!value.empty()) std::memmove(bytes, value.data(), value.size());  // `value` may be the record's own
        mapping_.edit_record(target).data_len = static_cast<uint32_t>(value.size());
    } else if (!overwrite_.put(target, chain, value)) {
        return false;
    }
    changed();
    return true;
}

Result<Offset> FileDatabase::put(Bytes key, uint32_t hash, Bytes value, const Found& found) {
    if (found.record != 0 && found.reusable == found.record) {
        const uint32_t chain = chain_of(hash);
        if (put_in_place(found.record, chain, value)) return found.record;
        return put(key, hash, value, survey(key, hash, chain, uint64_t{key.size()} + value.size(), false));
    }
    const uint64_t payload = uint64_t{key.size()} + value.size();
    Offset target = found.reusable;
    if (target == 0) {
        auto fresh = link_new(payload, hash);
        if (!fresh) return fresh;
        target = *fresh;
    }
    RecordHeader& record = mapping_.edit_record(target);
    record.key_len = record.data_len = 0;
    uint8_t* bytes = mapping_.edit(target + sizeof(RecordHeader), payload);
    if (!key.empty()) std::memcpy(bytes, key.data(), key.size());
    if (!value.empty()) std::memcpy(bytes + key.size(), value.data(), value.size());
    record.key_len = static_cast<uint32_t>(key.size());
    record.data_len = static_cast<uint32_t>(value.size());
    record.full_hash = hash;
    mapping_.publish(magic_word(target), record_live);
    if (found.record != 0) bury(found.record);
    changed();
    const uint64_t dead = uint64_t{found.dead} + (found.record != 0) - (found.reusable != 0);
    if (__builtin_expect(dead > limits::max_dead_records, 0)) {
        // The store is done; space that cannot be given back now is given back by a later one.
        if (auto purged = purge_surplus(chain_of(hash), dead - limits::max_dead_records); !purged)
            log_warning("{}", purged.error().message());
    }
    return target;
}

// After a process died with the chain locked: one that replaced a value may have left both.
Result<void> FileDatabase::repair_chain(uint32_t chain) {
    auto structure = space_.lock();  // and what it left of the file's structure, if it held this lock too
    if (!structure) return structure.failure();
    if (locks_.mutexes()) overwrite_.finish(chain, hash_size_);
    Offset link = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) return {};
        if (mapping_.record(*offset).magic == record_live) {
            if (auto buried = bury_copies_behind(*offset, chain); !buried) return buried;
        } else if (is_half_filled(*offset)) {
            mapping_.publish(link, mapping_.load(next_word(*offset)));
            if (auto given = space_.give(*offset); !given) return given;
            continue;
        }
        link = next_word(*offset);
    }
    return bad_chain(chain);
}

// A dead record says what it was, and libtdb's check wants its key to have its hash; one that a process died in does not.
bool FileDatabase::is_half_filled(Offset record) const {
    const RecordHeader& header = mapping_.record(record);
    return uint64_t{header.key_len} + header.data_len + sizeof(Tailer) > header.rec_len || hash_(key_of(record)) != header.full_hash;
}

// Behind the live record of a key no other of it may stand: as readers take the first, it is the one that stays.
Result<void> FileDatabase::bury_copies_behind(Offset record, uint32_t chain) {
    const Bytes key = key_of(record);
    Offset link = next_word(record);
    for (Steps steps; steps.next(mapping_);) {
        auto other = follow(link, chain);
        if (!other) return other.failure();
        if (*other == 0) return {};
        const Bytes same = key_of(*other);
        const bool equal = key.size() == same.size() && std::memcmp(key.data(), same.data(), key.size()) == 0;
        if (equal && mapping_.record(*other).magic == record_live) bury(*other);
        link = next_word(*other);
    }
    return bad_chain(chain);
}

// Operations

Result<bool> FileDatabase::do_parse(Bytes key, Parser parser) {
    const uint32_t hash = hash_of(key), chain = chain_of(hash);
    announce(chain);
    ChainGuard guard(*this, chain, Intent::read);
    if (!guard) return guard.failure();
    const Offset record = find(key, hash, chain);
    if (record == 0) return false;
    if (record == damaged) return bad_chain(chain);
    parser(value_of(record));
    return true;
}

Result<void> FileDatabase::do_store(Bytes key, Bytes value, StoreMode mode) {
    if (auto allowed = writable(); !allowed) return allowed;
    const uint32_t hash = hash_of(key), chain = chain_of(hash);
    announce(chain);
    ChainGuard guard(*this, chain, Intent::write);
    if (!guard) return guard.failure();
    const Found found = survey(key, hash, chain, uint64_t{key.size()} + value.size(), may_overwrite(value.size()));
    if (found.record == damaged) return bad_chain(chain);
    if (mode == StoreMode::insert && found.record != 0) return failed(Code::exists, "the record is there already");
    if (mode == StoreMode::modify && found.record == 0) return failed(Code::not_found, "no such record");
    if (auto stored = put(key, hash, value, found); !stored) return stored.failure();
    return {};
}

Result<bool> FileDatabase::do_remove(Bytes key) {
    if (auto allowed = writable(); !allowed) return allowed.failure();
    const uint32_t hash = hash_of(key), chain = chain_of(hash);
    announce(chain);
    ChainGuard guard(*this, chain, Intent::write);
    if (!guard) return guard.failure();
    const Offset record = find(key, hash, chain);
    if (record == 0) return false;
    if (record == damaged) return bad_chain(chain);
    bury(record);
    changed();
    return true;
}

Result<void> FileDatabase::do_lock(HeldRecord& held, bool wait) {
    const uint32_t hash = hash_of(held.key), chain = chain_of(hash);
    announce(chain);
    const Intent intent = read_only_ ? Intent::read : Intent::write;
    if (auto taken = take_chain(chain, intent, wait); !taken) return taken;
    const Offset record = find(held.key, hash, chain);
    if (record == damaged) {
        release_chain(chain);
        return bad_chain(chain);
    }
    held.cookie[cookie_hash] = hash;
    held.cookie[cookie_record] = record;
    return {};
}

void FileDatabase::do_unlock(HeldRecord& held) noexcept { release_chain(chain_of(static_cast<uint32_t>(held.cookie[cookie_hash]))); }

bool FileDatabase::locked_exists(const HeldRecord& held) const { return held.cookie[cookie_record] != 0; }

Bytes FileDatabase::locked_value(const HeldRecord& held) const {
    const auto record = static_cast<Offset>(held.cookie[cookie_record]);
    return record != 0 ? value_of(record) : Bytes{};
}

Result<void> FileDatabase::locked_store(HeldRecord& held, Bytes value) {
    const auto hash = static_cast<uint32_t>(held.cookie[cookie_hash]);
    if (auto allowed = writable(); !allowed) return allowed;
    const Found found = survey(held.key, hash, chain_of(hash), uint64_t{held.key.size()} + value.size(), may_overwrite(value.size()));
    if (found.record == damaged) return bad_chain(chain_of(hash));
    auto stored = put(held.key, hash, value, found);
    if (!stored) return stored.failure();
    held.cookie[cookie_record] = *stored;
    return {};
}

Result<void> FileDatabase::locked_remove(HeldRecord& held) {
    if (auto allowed = writable(); !allowed) return allowed;
    const auto record = static_cast<Offset>(held.cookie[cookie_record]);
    if (record == 0) return {};
    bury(record);
    held.cookie[cookie_record] = 0;
    changed();
    return {};
}

// Appends key and value of each record of a chain, each pair after its two lengths.
Result<void> FileDatabase::copy_chain(uint32_t chain, Buffer& copies) {
    ChainGuard guard(*this, chain, Intent::read);
    if (!guard) return guard.failure();
    ByteWriter out(copies);
    Offset link = chain_head(chain);
    for (Steps steps; steps.next(mapping_);) {
        auto offset = follow(link, chain);
        if (!offset) return offset.failure();
        if (*offset == 0) return {};
        const RecordHeader& record = mapping_.record(*offset);
        if (record.magic == record_live) {
            out.u32(record.key_len);
            out.u32(record.data_len);
            out.bytes(key_of(*offset));
            out.bytes(value_of(*offset));
        }
        link = next_word(*offset);
    }
    return bad_chain(chain);
}

Result<uint64_t> FileDatabase::do_traverse(Visitor visitor) {
    Buffer nested;  // of a traverse inside a visitor
    const bool outer = !traversing_;
    Buffer& copies = outer ? copies_ : nested;
    traversing_ = true;
    Result<uint64_t> outcome = uint64_t{0};
    bool stopped = false;
    for (uint32_t chain = 0; chain < hash_size_ && outcome && !stopped; chain++) {
        if (mapping_.load(chain_head(chain)) == 0) continue;
        copies.clear();
        if (auto copied = copy_chain(chain, copies); !copied) outcome = copied.failure();
        ByteReader in(copies);
        while (outcome && !stopped && in.remaining() > 0) {
            const uint32_t key_size = in.u32();
            const uint32_t value_size = in.u32();
            const Bytes key = in.bytes(key_size);
            const Bytes value = in.bytes(value_size);
            ++*outcome;
            stopped = visitor(key, value) == Visit::stop;
        }
    }
    if (outer) traversing_ = false;
    return outcome;
}

Result<void> FileDatabase::wipe() {
    ATOLL_ASSERT(!any_held());
    if (auto allowed = writable(); !allowed) return allowed;
    for (uint32_t chain = 0; chain < hash_size_; chain++) {
        if (mapping_.load(chain_head(chain)) == 0) continue;
        ChainGuard guard(*this, chain, Intent::write);
        if (!guard) return guard.failure();
        uint64_t buried = 0;
        Offset link = chain_head(chain);
        for (Steps steps;;) {
            if (!steps.next(mapping_)) return bad_chain(chain);
            auto offset = follow(link, chain);
            if (!offset) return offset.failure();
            if (*offset == 0) break;
            bury(*offset);
            buried++;
            link = next_word(*offset);
        }
        if (auto purged = purge(chain, buried, 0); !purged) return purged;
    }
    changed();
    return {};
}

}  // namespace Atoll::tdb

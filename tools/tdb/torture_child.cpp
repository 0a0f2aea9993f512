#include "tools/tdb/torture_child.h"

#include <random>

#include <fmt/format.h>

#include "base/bytes.h"

namespace Atoll::tools {
namespace {

constexpr unsigned own_records = 4;  // of each process: always all of one transaction
constexpr unsigned shared_records = 150;
constexpr unsigned max_payload = 500;
constexpr size_t digest_size = 4;

uint32_t digest(std::string_view key, Bytes payload) {  // FNV-1a
    uint32_t hash = 2166136261u;
    for (const char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
    for (const uint8_t byte : payload) hash = (hash ^ byte) * 16777619u;
    return hash;
}

// A value tells whether it is whole and whose it is: a digest of key and payload stands before the payload.
void make_value(std::string_view key, Bytes payload, Buffer& out) {
    out.clear();
    store_le<uint32_t>(out.extend(digest_size).data(), digest(key, payload));
    out.append(payload);
}

bool is_whole(std::string_view key, Bytes value) {
    return value.size() >= digest_size && load_le<uint32_t>(value.data()) == digest(key, value.subspan(digest_size));
}

std::string own_key(unsigned number, unsigned record) { return fmt::format("own {} {}", number, record); }

Failure<Error> torn(const tdb::FileDatabase& database, std::string_view key) {
    return fail(Code::corrupt, database.name(), fmt::format("the value of '{}' is not what anybody stored", key));
}

// The number that the process's last transaction wrote into each of its records; 0: there was none yet.
Result<uint64_t> own_number(tdb::FileDatabase& database, unsigned number) {
    uint64_t first = 0;
    for (unsigned record = 0; record < own_records; record++) {
        const std::string key = own_key(number, record);
        Buffer value;
        auto found = database.fetch(as_bytes(key), value);
        if (!found) return found.failure();
        if (*found && (!is_whole(key, value) || value.size() != digest_size + 8)) return torn(database, key);
        const uint64_t seen = *found ? load_le<uint64_t>(value.data() + digest_size) : 0;
        if (record == 0) first = seen;
        if (seen != first)
            return fail(Code::corrupt, database.name(),
                        fmt::format("a transaction of process {} is half there: {} and {}", number, first, seen));
    }
    return first;
}

Result<uint64_t> verify_own(tdb::FileDatabase& database, TortureBoard::Process& process, unsigned number) {
    auto seen = own_number(database, number);
    if (!seen) return seen;
    if (*seen != process.committed.load() && *seen != process.attempted.load()) {
        return fail(Code::corrupt, database.name(),
                    fmt::format("process {} committed {} and the file has {}", number, process.committed.load(), *seen));
    }
    return seen;
}

class Child {
 public:
    Child(tdb::FileDatabase& database, const TortureOptions& options, TortureBoard& board, unsigned number, unsigned generation)
        : database_(database),
          options_(options),
          board_(board),
          process_(board.processes[number]),
          number_(number),
          random_(options.seed + number * 1000003 + generation * 7919) {}

    Result<void> run() {
        auto seen = verify_own(database_, process_, number_);
        if (!seen) return seen.failure();
        process_.committed.store(*seen);
        while (process_.loops.fetch_add(1) < options_.loops) {
            if (auto done = step(); !done) return done;
        }
        return {};
    }

 private:
    unsigned dice(unsigned sides) { return static_cast<unsigned>(random_() % sides); }
    std::string any_key() { return fmt::format("shared {}", dice(shared_records)); }

    const Buffer& any_value(const std::string& key) {
        payload_.resize(dice(max_payload));
        for (uint8_t& byte : payload_.mutable_bytes()) byte = static_cast<uint8_t>(random_());
        make_value(key, payload_, value_);
        return value_;
    }

    Result<void> step() {
        const unsigned what = dice(1000);
        if (what < 2) return look_at_all();
        if (what < 400) return look_at(any_key());
        if (options_.only_transactions || what < 450) return transaction();
        return change();
    }

    Result<void> look_at(const std::string& key) {
        bool whole = true;
        auto found = database_.parse(as_bytes(key), [&](Bytes value) { whole = is_whole(key, value); });
        if (!found) return found.failure();
        return whole ? Result<void>() : torn(database_, key);
    }

    Result<void> look_at_all() {
        Result<void> outcome;
        auto seen = database_.traverse([&](Bytes key, Bytes value) {
            if (is_whole(as_text(key), value)) return tdb::Visit::go_on;
            outcome = torn(database_, as_text(key));
            return tdb::Visit::stop;
        });
        return seen ? outcome : Result<void>(seen.failure());
    }

    Result<void> change() {
        const std::string key = any_key();
        const unsigned how = dice(4);
        if (how == 0) {
            auto removed = database_.remove(as_bytes(key));
            return removed ? Result<void>() : Result<void>(removed.failure());
        }
        if (how == 1) return change_locked(key);
        return database_.store(as_bytes(key), any_value(key));
    }

    Result<void> change_locked(const std::string& key) {
        auto record = database_.fetch_locked(as_bytes(key));
        if (!record) return record.failure();
        if (record->exists() && !is_whole(key, record->value())) return torn(database_, key);
        return dice(3) == 0 ? record->remove() : record->store(any_value(key));
    }

    // A new number in each of the process's own records, among changes of others.
    Result<void> transaction() {
        if (auto begun = database_.begin(); !begun) return begun;
        auto changed = change_in_transaction(process_.committed.load() + 1);
        if (!changed || dice(5) == 0) {
            database_.cancel();
            return changed;
        }
        process_.attempted.store(process_.committed.load() + 1);
        if (auto committed = database_.commit(); !committed) return committed;
        process_.committed.store(process_.attempted.load());
        board_.commits.fetch_add(1);
        return {};
    }

    Result<void> change_in_transaction(uint64_t next) {
        uint8_t payload[8];
        store_le<uint64_t>(payload, next);
        for (unsigned record = 0; record < own_records; record++) {
            const std::string key = own_key(number_, record);
            make_value(key, payload, value_);
            if (auto stored = database_.store(as_bytes(key), value_); !stored) return stored;
            for (unsigned i = dice(3); i > 0; i--) {
                if (auto changed = change(); !changed) return changed;
            }
        }
        return {};
    }

    tdb::FileDatabase& database_;
    const TortureOptions& options_;
    TortureBoard& board_;
    TortureBoard::Process& process_;
    unsigned number_;
    std::mt19937 random_;
    Buffer payload_, value_;
};

}  // namespace

Result<void> torture(tdb::FileDatabase& database, const TortureOptions& options, TortureBoard& board, unsigned number,
                     unsigned generation) {
    return Child(database, options, board, number, generation).run();
}

Result<uint64_t> verify_torture(tdb::FileDatabase& database, const TortureOptions& options, TortureBoard& board) {
    auto lock = database.lock_all(tdb::Intent::read);  // programs of others may be at work on the file
    if (!lock) return lock.failure();
    auto records = database.check();
    if (!records) return records;
    for (unsigned number = 0; number < options.processes; number++) {
        auto seen = verify_own(database, board.processes[number], number);
        if (!seen) return seen;
    }
    Result<void> outcome;
    auto seen = database.traverse([&](Bytes key, Bytes value) {
        if (is_whole(as_text(key), value)) return tdb::Visit::go_on;
        outcome = torn(database, as_text(key));
        return tdb::Visit::stop;
    });
    if (!seen) return seen;
    if (!outcome) return outcome.failure();
    if (*seen != *records)
        return fail(Code::corrupt, database.name(), fmt::format("{} records of which a traverse sees {}", *records, *seen));
    return records;
}

}  // namespace Atoll::tools

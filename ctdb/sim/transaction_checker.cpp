#include "ctdb/sim/transaction_checker.h"

#include <algorithm>

#include "base/bytes.h"

namespace Atoll::ctdb::sim {
namespace {

uint64_t stamp_of(const Value& value) { return value.size() == 8 ? load_le<uint64_t>(value.data()) : 0; }
std::string text(uint64_t number) { return std::to_string(number); }

}  // namespace

void TransactionChecker::submitted(uint64_t stamp, DatabaseId database, int64_t base, Keys keys) {
    submitted_[stamp] = Submitted{database, base, std::move(keys)};
}

// It stands at one place only, and if it depends on what its client read, right behind that.
std::optional<std::string> TransactionChecker::place(uint64_t stamp, uint64_t seqnum) {
    const auto found = submitted_.find(stamp);
    if (found == submitted_.end()) return "transaction " + text(stamp) + " was never submitted";
    Submitted& transaction = found->second;
    if (transaction.lost) return std::nullopt;
    if (transaction.refused) return "transaction " + text(stamp) + " was refused, and is number " + text(seqnum);
    if (transaction.placed != 0 && transaction.placed != seqnum)
        return "transaction " + text(stamp) + " is number " + text(transaction.placed) + " and number " + text(seqnum);
    if (transaction.base != protocol::ANY_SEQUENCE && static_cast<uint64_t>(transaction.base) + 1 != seqnum)
        return "transaction " + text(stamp) + " read number " + std::to_string(transaction.base) + " and is number " + text(seqnum);
    transaction.placed = seqnum;
    return std::nullopt;
}

std::optional<std::string> TransactionChecker::committed(uint64_t stamp, uint64_t seqnum) {
    if (submitted_.at(stamp).lost) return std::nullopt;
    History& history = histories_[submitted_.at(stamp).database];
    history.floor = std::max(history.floor, seqnum);
    if (auto wrong = place(stamp, seqnum)) return wrong;
    const auto state = history.states.find(seqnum);
    if (state == history.states.end()) return std::nullopt;
    for (const auto& key : submitted_.at(stamp).keys) {
        const auto record = state->second.find(key);
        if (record == state->second.end() || stamp_of(record->second) != stamp)
            return "transaction " + text(stamp) + " was answered as number " + text(seqnum) + ", which is another";
    }
    return std::nullopt;
}

std::optional<std::string> TransactionChecker::refused(uint64_t stamp) {
    Submitted& transaction = submitted_.at(stamp);
    if (transaction.lost) return std::nullopt;
    if (transaction.placed != 0) return "transaction " + text(stamp) + " was refused, and was seen as number " + text(transaction.placed);
    transaction.refused = true;
    return std::nullopt;
}

bool TransactionChecker::keeps(DatabaseId database, uint64_t seqnum, const Disk::Records& records) const {
    const auto history = histories_.find(database);
    if (history == histories_.end() || seqnum < history->second.floor) return false;
    const auto state = history->second.states.find(seqnum);
    if (state != history->second.states.end() && state->second != records) return false;
    return !std::all_of(records.begin(), records.end(), [&](const auto& record) {
        const auto found = submitted_.find(stamp_of(record.second));
        return found != submitted_.end() && found->second.lost;
    });
}

void TransactionChecker::lost(DatabaseId database) {
    histories_.erase(database);
    for (auto& [stamp, transaction] : submitted_) {
        if (transaction.database == database) transaction.lost = true;
    }
}

// From one number to the next exactly one transaction's writes.
std::optional<std::string> TransactionChecker::check_step(const Disk::Records& before, const Disk::Records& after, uint64_t seqnum) {
    Keys changed;
    uint64_t stamp = 0;
    for (const auto& [key, value] : after) {
        const auto old = before.find(key);
        if (old != before.end() && old->second == value) continue;
        if (stamp != 0 && stamp_of(value) != stamp) return "number " + text(seqnum) + " is parts of several transactions";
        stamp = stamp_of(value);
        changed.insert(key);
    }
    if (stamp == 0 || after.size() < before.size()) return "number " + text(seqnum) + " has lost what the one before it had";
    if (auto wrong = place(stamp, seqnum)) return wrong;
    if (submitted_.at(stamp).keys != changed) return "number " + text(seqnum) + " is a part of transaction " + text(stamp);
    return std::nullopt;
}

std::optional<std::string> TransactionChecker::observed(DatabaseId database, uint64_t seqnum, const Disk::Records& records) {
    History& history = histories_[database];
    if (seqnum < history.floor)
        return "database " + text(database) + " is read at number " + text(seqnum) + " after number " + text(history.floor);
    history.floor = seqnum;
    if (seqnum == 0) return records.empty() ? std::nullopt : std::optional<std::string>("an empty database has records");
    const auto [at, first] = history.states.try_emplace(seqnum, records);
    if (!first) {
        if (at->second == records) return std::nullopt;
        return "database " + text(database) + " has two states of number " + text(seqnum);
    }
    if (seqnum == 1) return check_step({}, records, seqnum);
    const auto before = history.states.find(seqnum - 1);
    if (before == history.states.end()) return std::nullopt;
    return check_step(before->second, records, seqnum);
}

}  // namespace Atoll::ctdb::sim

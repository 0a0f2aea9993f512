// FileDatabase: locks of all records, transactions, and what a dead process left of them.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/limits.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {

// A process died while it held all chains for writing: in a commit, or in any operation. This process holds them now.
Result<void> FileDatabase::repair_after_death() {
    log_notice("{}: a process died with all chains locked; checking the file", name());
    locks_.wait_for_holders();
    if (!locks_.lock_byte(F_WRLCK, lock_open, true)) return fail_errno(errno, name(), "cannot lock the file");
    auto undone = commit_.recover();
    locks_.lock_byte(F_UNLCK, lock_open, true);
    if (!undone) return undone;
    return repair_all();
}

Result<void> FileDatabase::take_all(Intent intent, bool wait) {
    for (;;) {
        Result<void> repaired;
        const Taken taken = locks_.lock_all(intent, wait, [&](uint32_t chain) {
            if (auto outcome = repair_chain(chain); !outcome && repaired.ok()) repaired = outcome;
        });
        if (taken == Taken::busy) return failed(Code::busy, "others use the database");
        if (taken == Taken::failed) return fail_errno(errno, name(), "cannot lock all chains");
        if (taken == Taken::all_from_dead) {
            repaired = repair_after_death();
            locks_.unlock_all();
            if (!repaired) return repaired;
            continue;
        }
        if (repaired && !commit_.recovery_pending()) repaired = settle_all(intent);
        if (!repaired || !commit_.recovery_pending()) {
            if (!repaired) locks_.unlock_all();
            return repaired;
        }
        locks_.unlock_all();
        if (auto undone = undo_dead_commit(); !undone) return undone;
    }
}

// All chains are locked, and repaired where their owners had died.
Result<void> FileDatabase::settle_all(Intent intent) {
    if (!locks_.mutexes()) return {};
    if (auto free_list = space_.lock(); !free_list) return free_list.failure();  // repaired likewise
    locks_.settle(intent);
    return {};
}

void FileDatabase::release_all() { locks_.unlock_all(); }

// Writing, also for those who read only: the file must be put back before anything in it can be trusted.
Result<void> FileDatabase::make_writable() {
    if (mapping_.writable() || can_undo_) return {};
    UniqueFd fd(::open(name().c_str(), O_RDWR | O_CLOEXEC));
    struct stat st {};
    if (!fd || ::fstat(fd.get(), &st) != 0 || st.st_dev != device_ || st.st_ino != inode_)
        return failed(Code::denied, "a process died while committing a transaction; who may write to the file has to undo that first");
    // No lock is held: closing a descriptor would drop it.
    if (::dup3(fd.get(), mapping_.fd(), O_CLOEXEC) < 0) return fail_errno(errno, name(), "cannot open the database for writing");
    can_undo_ = true;
    return {};
}

// No lock is held. Whoever comes first undoes it; the others find nothing to do.
Result<void> FileDatabase::undo_dead_commit() {
    if (auto may = make_writable(); !may) return may;
    const Taken taken = locks_.lock_all(Intent::write, true, [](uint32_t) {});
    if (taken == Taken::failed) return fail_errno(errno, name(), "cannot lock all chains");
    Result<void> undone;
    if (taken == Taken::all_from_dead) {
        undone = repair_after_death();
    } else if (!locks_.lock_byte(F_WRLCK, lock_open, true)) {
        undone = fail_errno(errno, name(), "cannot lock the file");
    } else {
        locks_.settle(Intent::write);
        undone = commit_.recover();
        locks_.lock_byte(F_UNLCK, lock_open, true);
        if (undone && locks_.mutexes()) undone = repair_all();
    }
    locks_.unlock_all();
    return undone;
}

// All records

Result<FileDatabase::WholeLock> FileDatabase::lock_all(Intent intent, bool wait) {
    ATOLL_ASSERT(!any_held() && depth_ == 0 && (whole_ == Whole::none || unlocked_));
    if (intent == Intent::write) {
        if (auto allowed = writable(); !allowed) return allowed.failure();
    }
    if (!unlocked_) {
        if (auto taken = take_all(intent, wait); !taken) return taken.failure();
        whole_ = intent == Intent::read ? Whole::read : Whole::write;
        locks_.suspend(true);
    }
    return WholeLock(*this);
}

void FileDatabase::WholeLock::release() {
    if (!database_) return;
    FileDatabase& database = *std::exchange(database_, nullptr);
    if (database.unlocked_) return;
    ATOLL_ASSERT(!database.any_held() && database.depth_ == 0);
    database.locks_.suspend(false);
    database.whole_ = Whole::none;
    database.locks_.unlock_all();
}

// Transactions

Result<void> FileDatabase::begin() { return start(true); }

Result<void> FileDatabase::try_begin() { return start(false); }

Result<void> FileDatabase::start(bool wait) {
    if (auto allowed = writable(); !allowed) return allowed;
    if (depth_ > 0) {
        if (nesting_ == Nesting::refused) return failed(Code::invalid, "there is a transaction already");
        if (prepared_) return failed(Code::invalid, "the transaction is about to be committed");
        depth_++;
        return {};
    }
    ATOLL_ASSERT(!any_held() && (whole_ == Whole::none || unlocked_));
    if (!locks_.lock_byte(F_WRLCK, lock_transaction, wait)) {
        if (errno == EAGAIN || errno == EACCES) return failed(Code::busy, "another process has a transaction");
        return fail_errno(errno, name(), "cannot lock the file for a transaction");
    }
    Result<void> outcome;
    if (!unlocked_) outcome = take_all(Intent::read, wait);
    if (outcome) {
        outcome = mapping_.begin_private();
        if (!outcome && !unlocked_) release_all();
    }
    if (!outcome) {
        locks_.lock_byte(F_UNLCK, lock_transaction, true);
        return outcome;
    }
    locks_.suspend(true);
    whole_ = Whole::write;
    depth_ = 1;
    poisoned_ = prepared_ = false;
    outcome = space_.adopt_end();
    if (!outcome) finish();
    return outcome;
}

// From here on nobody else reads or opens the file.
Result<void> FileDatabase::upgrade() {
    if (unlocked_) return {};
    const Taken taken = locks_.upgrade_all();
    if (taken != Taken::yes) return fail_errno(errno, name(), "cannot lock all chains for writing");
    if (!locks_.lock_byte(F_WRLCK, lock_open, true)) return fail_errno(errno, name(), "cannot lock the file");
    return {};
}

bool FileDatabase::is_fragmented() {
    return space_.searched_long() && space_.is_longer_than(limits::max_tdb_free_records + mapping_.size() / Mapping::page_size);
}

Result<void> FileDatabase::prepare() {
    if (is_fragmented()) {
        if (auto rewritten = rewrite(); !rewritten) return rewritten;
    }
    if (!mapping_.changed_pages().empty()) {
        if (auto upgraded = upgrade(); !upgraded) return upgraded;
        if (auto prepared = commit_.prepare(); !prepared) return prepared;
    }
    prepared_ = true;
    return {};
}

Result<void> FileDatabase::prepare_commit() {
    ATOLL_ASSERT(!any_held());
    if (depth_ != 1 || prepared_) return failed(Code::invalid, "no transaction that could be prepared");
    auto prepared = poisoned_ ? failed(Code::invalid, "a transaction inside this one was cancelled") : prepare();
    if (!prepared) finish();
    return prepared;
}

Result<void> FileDatabase::commit() {
    ATOLL_ASSERT(!any_held());
    if (depth_ == 0) return failed(Code::invalid, "no transaction to commit");
    if (depth_ > 1) {
        depth_--;
        return poisoned_ ? failed(Code::invalid, "a transaction beside or inside this one was cancelled") : Result<void>{};
    }
    Result<void> outcome;
    if (poisoned_) outcome = failed(Code::invalid, "a transaction inside this one was cancelled");
    if (outcome && !prepared_) outcome = prepare();
    if (outcome && !mapping_.changed_pages().empty()) outcome = commit_.write();
    finish();
    return outcome;
}

void FileDatabase::cancel() {
    ATOLL_ASSERT(!any_held() && depth_ > 0);
    if (depth_ > 1) {
        depth_--;
        poisoned_ = true;
        return;
    }
    if (prepared_ && !mapping_.changed_pages().empty()) commit_.abandon();
    finish();
}

// The end of a transaction, whatever became of it.
void FileDatabase::finish() {
    if (mapping_.is_private()) mapping_.end_private();
    (void)mapping_.refresh_size();
    depth_ = 0;
    locks_.suspend(unlocked_);
    if (unlocked_) return;
    whole_ = Whole::none;
    locks_.unlock_all();
    locks_.lock_byte(F_UNLCK, lock_transaction, true);
    locks_.lock_byte(F_UNLCK, lock_open, true);
}

}  // namespace Atoll::tdb

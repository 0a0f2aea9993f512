// Byte-range locks of an open (MS-FSA 2.1.5.8, 2.1.5.9), and with `posix locking` those that programs on this machine see.
//
// The POSIX locks are those of the open's own file description: they follow brlock.tdb, are taken after it and given up before it. So
// between clients brlock.tdb alone decides, and one that is in the way of another client's never is seen by it.
#include <climits>

#include "base/log.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

bool OpenFile::uses_posix_locks() const { return share_->conf().posix_locking && !file.path_only && !file.stream; }

// Makes the POSIX locks in `range` what the byte-range locks of this open are there, less `without`. EAGAIN: a local program's is in the
// way.
Result<void, int> OpenFile::set_posix_locks(const LockRange& range, std::span<const LockRange> without) {
    auto& pieces = core_.posix_pieces;
    core_.locks.posix_pieces({id, open_id}, range, without, pieces);
    for (const PosixPiece& piece : pieces) {
        if (piece.offset > INT64_MAX) break;  // POSIX has no such bytes
        const uint64_t length = piece.last >= INT64_MAX ? 0 : piece.last - piece.offset + 1;
        auto set = vfs().lock_range(file, piece.lock, piece.offset, length);
        if (set) continue;
        if (set.error() == EAGAIN) return set;
        log_info("fsa: {} has no POSIX lock: errno {}", name, set.error());
    }
    return {};
}

Result<void, NtStatus> OpenFile::check_lock_request() const {
    if (directory) return NtStatus::INVALID_PARAMETER;
    if ((granted & (access::read_data | access::write_data | access::append_data | access::execute)) == 0) return NtStatus::ACCESS_DENIED;
    return {};
}

Result<void, NtStatus> OpenFile::may_lock(Wait* wait) {
    if (!core_.node.shared() || !share_->conf().locking || !check_lock_request()) return {};
    return core_.node.need_lock(id, wait);
}

Result<void, NtStatus> OpenFile::lock(std::span<const LockRange> ranges, Wait* wait) {
    if (auto r = check_lock_request(); !r) return r;
    if (!share_->conf().locking) return {};
    if (!share_->conf().blocking_locks) wait = nullptr;
    core_.oplocks.break_for_lock(*this);
    if (auto r = core_.node.need_lock(id, wait); !r) return r;
    if (auto r = core_.locks.lock({id, open_id, durable}, ranges, wait); !r) return r;
    locks += ranges.size();
    if (!core_.node.still_locks(id)) {  // recalled meanwhile, by somebody who saw no lock
        if (auto undone = unlock(ranges); !undone) log_error("fsa: locks of {} stay: {}", name, to_string(undone.error()));
        auto again = core_.node.need_lock(id, wait);
        return again ? Result<void, NtStatus>(NtStatus::LOCK_NOT_GRANTED) : again;
    }
    if (!uses_posix_locks()) return {};
    for (const LockRange& range : ranges) {
        if (set_posix_locks(range, {})) continue;
        if (auto undone = unlock(ranges); !undone) log_error("fsa: locks of {} stay: {}", name, to_string(undone.error()));
        if (wait != nullptr) return core_.locks.wait_for_change(id, *wait, limits::posix_lock_retry);
        return NtStatus::LOCK_NOT_GRANTED;
    }
    return {};
}

Result<void, NtStatus> OpenFile::unlock(std::span<const LockRange> ranges) {
    if (auto r = check_lock_request(); !r) return r;
    if (!share_->conf().locking) return {};
    const size_t step = uses_posix_locks() ? 1 : ranges.size();
    for (; !ranges.empty(); ranges = ranges.subspan(step)) {
        const auto now = ranges.first(step);
        if (step == 1 && uses_posix_locks()) (void)set_posix_locks(now.front(), now).ok();  // what is unlocked is in nobody's way
        size_t done = 0;
        auto unlocked = core_.locks.unlock({id, open_id, durable}, now, done);
        locks -= done;
        if (!unlocked) return unlocked;
    }
    return {};
}

void OpenFile::give_up_locks() {
    if (locks == 0) return;
    if (uses_posix_locks()) (void)vfs().lock_range(file, vfs::RangeLock::none, 0, 0).ok();  // a job may keep the descriptor
    core_.locks.unlock_all({id, open_id});
    locks = 0;
}

Result<void, NtStatus> OpenFile::check_locks(uint64_t offset, uint64_t length, bool write) {
    const conf::ShareConf& conf = share_->conf();
    if (!conf.locking || conf.strict_locking == conf::Tristate::no) return {};
    if (!core_.locks.forbid({id, open_id}, offset, length, write, unlocked_at)) return {};
    if (conf.strict_locking == conf::Tristate::by_itself && client_checks_locks(write)) return {};
    return NtStatus::FILE_LOCK_CONFLICT;
}

// smb.conf(5), `strict locking = auto`: who caches a file knows of all locks in the way of what he caches. They are those of his lease's
// other opens, for another's would have broken it.
bool OpenFile::client_checks_locks(bool write) {
    uint8_t state = caching_of(oplock);
    if (lease) {
        const auto now = core_.oplocks.find_lease(*lease);
        state = now ? static_cast<uint8_t>(now->state) : caching::none;
    }
    return (state & (write ? caching::write : caching::write | caching::read)) != 0;
}

}  // namespace Atoll::fsa

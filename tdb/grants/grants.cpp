#include "tdb/grants/grants.h"

#include "base/log.h"
#include "idl/level.h"
#include "tdb/grants/limits.h"

namespace Atoll::grants {

// Into record_. One that does not decode, or is of another session, counts as none: then the cluster part is asked.
bool NodeGrants::read(Bytes value) {
    const uint64_t session = home_.session();
    const auto decoded = decode(value, record_);
    if (!decoded) log_error("{}: {}", held_.name(), decoded.error().message());
    if (decoded && session != 0 && record_.session == session) return true;
    record_ = {};
    return false;
}

Result<tdb::LockedRecord> NodeGrants::lock(Bytes file) {
    auto locked = held_.fetch_locked(file);
    if (!locked) return locked;
    record_ = {};
    if (locked->exists()) (void)read(locked->value());
    record_.session = home_.session();
    return locked;
}

Result<void> NodeGrants::write(tdb::LockedRecord& record) {
    if (record_.session == 0) return fail(Code::dead, held_.name(), "the node does not serve");
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return record.store(encoded_);
}

Result<bool> NodeGrants::has(Bytes file, const rights& wanted) {
    bool there = false;
    auto seen = held_.parse(file, [&](Bytes value) { there = read(value) && contains(record_.held, wanted); });
    if (!seen) return seen.failure();
    return there;
}

Result<bool> NodeGrants::uses(Bytes file, const rights& wanted) {
    auto there = has(file, wanted);
    if (!there || !*there || empty(record_.fresh)) return there;
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.fresh = {};
    if (auto r = write(*locked); !r) return r.failure();
    return contains(record_.held, wanted);
}

Result<bool> NodeGrants::take(Bytes file, const rights& wanted) {
    return home_.take(file, wanted, [&](uint64_t stamp) { return granted(file, wanted, stamp, false); });
}

Result<Answer> NodeGrants::need(Bytes file, const rights& wanted, Question& question, Arm arm) {
    auto there = has(file, wanted);
    if (!there) return there.failure();
    if (*there) return Answer::here;
    // A refusal counts for those who had begun to ask when it was said; whoever comes later may find the other node's file closed.
    const auto is_refused = [&] {
        return question != 0 && question <= record_.refused_through && intersect(record_.refused, without(wanted, record_.held));
    };
    if (question != 0) {
        auto locked = lock(file);
        if (!locked) return locked.failure();
        if (is_refused()) {
            question = 0;
            return Answer::refused;
        }
    }
    auto taken = take(file, wanted);
    if (!taken) return taken.failure();
    if (*taken) return Answer::here;
    auto locked = lock(file);
    if (!locked) return locked.failure();
    const rights missing = without(wanted, record_.held);
    if (empty(missing)) return Answer::here;
    const bool on_its_way = now_() < record_.asked_until && contains(record_.asked, missing);
    if (on_its_way) {
        // That question began before: its refusal would not be his.
        if (question == 0) question = record_.questions + 1;
    } else {
        record_.asked = merged(record_.asked, missing);
        record_.asked_until = in_milliseconds(limits::grant_answer_seconds * 1000);
        record_.questions++;
        if (question == 0 || question > record_.questions) question = record_.questions;
        if (auto r = write(*locked); !r) return r.failure();
    }
    if (auto r = arm(*locked); !r) return r.failure();
    locked->release();
    if (!on_its_way) home_.ask(file, missing);
    return Answer::wait;
}

Result<void> NodeGrants::granted(Bytes file, const rights& given, uint64_t stamp, bool awaited) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.stamp = stamp;
    record_.held = merged(record_.held, given);
    record_.asked = without(record_.asked, given);
    // These alone are asked for by the way: nobody waits to use them.
    const bool by_the_way = contains({.change = true, .unlocked = true}, given);
    if (awaited && !by_the_way) {
        record_.fresh = merged(record_.fresh, given);
        record_.fresh_until = in_milliseconds(limits::fresh_grant_milliseconds);
    }
    return write(*locked);
}

Result<void> NodeGrants::refused(Bytes file, const rights& wanted) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.asked = without(record_.asked, wanted);
    record_.refused = wanted;
    record_.refused_through = record_.questions;
    return write(*locked);
}

Result<rights> NodeGrants::unanswered(Bytes file) {
    rights asked;
    auto seen = held_.parse(file, [&](Bytes value) {
        if (read(value)) asked = record_.asked;
    });
    if (!seen) return seen.failure();
    return asked;
}

Result<rights> NodeGrants::held(Bytes file) {
    rights held;
    auto seen = held_.parse(file, [&](Bytes value) {
        if (read(value)) held = record_.held;
    });
    if (!seen) return seen.failure();
    return held;
}

Result<Answer> NodeGrants::take_back(Bytes file, const rights& lost, NtTime& until, Arm arm) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    if (intersect(record_.fresh, lost) && now_() < record_.fresh_until) {
        until = record_.fresh_until;
        if (auto r = arm(*locked); !r) return r.failure();
        return Answer::wait;
    }
    if (!locked->exists()) return Answer::here;
    record_.held = without(record_.held, lost);
    record_.fresh = without(record_.fresh, lost);
    if (auto r = write(*locked); !r) return r.failure();
    return Answer::here;
}

Result<void> NodeGrants::lay_down(Bytes file, const rights& unused) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    if (!locked->exists()) return {};
    record_.held = without(record_.held, unused);
    record_.fresh = without(record_.fresh, unused);
    return write(*locked);
}

// What somebody of this node has taken again meanwhile is kept as what is still used.
Result<void> NodeGrants::give_up(Bytes file, const rights& lost, const rights& kept) {
    rights left;
    uint64_t stamp = 0;
    {
        auto locked = lock(file);
        if (!locked) return locked.failure();
        record_.held = merged(record_.held, kept);
        left = without(lost, without(lost, record_.held));
        stamp = record_.stamp;
        if (auto r = empty(record_.held) && empty(record_.asked) ? locked->remove() : write(*locked); !r) return r;
    }
    home_.gave(file, lost, left, stamp);
    return {};
}

}  // namespace Atoll::grants

#include "tdb/grants/grants.h"

#include "base/log.h"
#include "tdb/grants/limits.h"

namespace Atoll::grants {

namespace {

constexpr idl::Level format_level = idl::first_level;

NtTime in_seconds(uint64_t seconds) { return {NtTime::now().ticks + seconds * 10'000'000}; }

}  // namespace

// One that does not decode counts as none: then the cluster part is asked.
Result<tdb::LockedRecord> NodeGrants::lock(Bytes file) {
    auto locked = held_.fetch_locked(file);
    if (!locked) return locked;
    record_ = {};
    if (!locked->exists()) return locked;
    if (auto r = decode(locked->value(), record_); !r) {
        log_error("{}: {}", held_.name(), r.error().message());
        record_ = {};
    }
    return locked;
}

Result<void> NodeGrants::write(tdb::LockedRecord& record) {
    encoded_.clear();
    encode(record_, encoded_, format_level);
    return record.store(encoded_);
}

Result<bool> NodeGrants::has(Bytes file, const rights& wanted) {
    bool there = false;
    auto seen = held_.parse(file, [&](Bytes value) {
        record_ = {};
        there = decode(value, record_) && contains(record_.held, wanted);
    });
    if (!seen) return seen.failure();
    return there;
}

Result<Answer> NodeGrants::need(Bytes file, const rights& wanted, Arm arm) {
    auto there = has(file, wanted);
    if (!there) return there.failure();
    if (*there) return Answer::here;
    auto locked = lock(file);
    if (!locked) return locked.failure();
    const rights missing = without(wanted, record_.held);
    if (empty(missing)) return Answer::here;
    const NtTime now = NtTime::now();
    if (now < record_.refused_until && !empty(without(record_.refused, without(record_.refused, missing)))) return Answer::refused;
    const bool on_its_way = now < record_.asked_until && contains(record_.asked, missing);
    if (!on_its_way) {
        record_.asked = merged(record_.asked, missing);
        record_.asked_until = in_seconds(limits::grant_answer_seconds);
        if (auto r = write(*locked); !r) return r.failure();
    }
    if (auto r = arm(*locked); !r) return r.failure();
    locked->release();
    if (!on_its_way) home_.ask(file, missing);
    return Answer::wait;
}

Result<void> NodeGrants::granted(Bytes file, const rights& given) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.held = merged(record_.held, given);
    record_.asked = without(record_.asked, given);
    record_.refused = without(record_.refused, given);
    return write(*locked);
}

Result<void> NodeGrants::refused(Bytes file, const rights& wanted) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.asked = without(record_.asked, wanted);
    record_.refused = wanted;
    record_.refused_until = in_seconds(limits::grant_refusal_seconds);
    return write(*locked);
}

Result<void> NodeGrants::take_back(Bytes file, const rights& lost) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    record_.held = without(record_.held, lost);
    return write(*locked);
}

Result<void> NodeGrants::give_up(Bytes file, const rights& lost, const rights& kept) {
    {
        auto locked = lock(file);
        if (!locked) return locked.failure();
        record_.held = merged(record_.held, kept);
        if (auto r = empty(record_.held) && empty(record_.asked) ? locked->remove() : write(*locked); !r) return r;
    }
    home_.recalled(file, lost, kept);
    return {};
}

}  // namespace Atoll::grants

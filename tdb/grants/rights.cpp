#include "tdb/grants/rights.h"

namespace Atoll::grants {

namespace {

constexpr unsigned combinations = 64;

// Whether opens of these two combinations, of two nodes, exclude each other. One without access excludes nothing.
constexpr bool exclude(unsigned a, unsigned b) {
    const unsigned access_a = a / 8, shared_a = a % 8, access_b = b / 8, shared_b = b % 8;
    if (access_a == 0 || access_b == 0) return false;
    return (access_a & ~shared_b) != 0 || (access_b & ~shared_a) != 0;
}

uint64_t excluded_by(uint64_t opens) {
    uint64_t out = 0;
    for (unsigned a = 0; a < combinations; a++) {
        if ((opens >> a & 1) == 0) continue;
        for (unsigned b = 0; b < combinations; b++) {
            if (exclude(a, b)) out |= uint64_t{1} << b;
        }
    }
    return out;
}

}  // namespace

bool empty(const rights& one) { return one.opens == 0 && one.lease == 0 && !one.change && !one.lock && !one.unlocked && !one.deletion; }

bool contains(const rights& all, const rights& some) { return empty(without(some, all)); }

rights merged(const rights& a, const rights& b) {
    rights out;
    out.opens = a.opens | b.opens;
    out.lease = a.lease | b.lease;
    out.change = a.change || b.change;
    out.lock = a.lock || b.lock;
    out.unlocked = a.unlocked || b.unlocked;
    out.deletion = a.deletion || b.deletion;
    return out;
}

rights without(const rights& all, const rights& lost) {
    rights out;
    out.opens = all.opens & ~lost.opens;
    out.lease = static_cast<uint8_t>(all.lease & ~lost.lease);
    out.change = all.change && !lost.change;
    out.lock = all.lock && !lost.lock;
    out.unlocked = all.unlocked && !lost.unlocked;
    out.deletion = all.deletion && !lost.deletion;
    return out;
}

bool intersect(const rights& a, const rights& b) { return !empty(without(a, without(a, b))); }

rights in_the_way(const rights& wanted, const rights& theirs) {
    rights out;
    const bool reads_alone = (wanted.lease & read_lease) != 0, all_alone = (wanted.lease & write_lease) != 0;
    out.opens = theirs.opens & (all_alone || wanted.deletion ? ~uint64_t{0} : excluded_by(wanted.opens));
    // The other way round: their leases W for our opens, leases and change, their leases R for our change.
    if (wanted.opens != 0 || wanted.change || reads_alone || all_alone) out.lease |= theirs.lease & write_lease;
    if (wanted.change || all_alone) out.lease |= theirs.lease & read_lease;
    out.change = theirs.change && (reads_alone || all_alone);
    out.lock = theirs.lock && wanted.unlocked;
    out.unlocked = theirs.unlocked && wanted.lock;
    out.deletion = theirs.deletion && (wanted.opens != 0 || wanted.deletion);
    return out;
}

}  // namespace Atoll::grants

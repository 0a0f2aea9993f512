#include "vfs/folded_names.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/utf.h"
#include "vfs/short_name.h"

namespace Atoll::vfs {

namespace {

constexpr size_t smallest_table = 16;
constexpr size_t worth_compacting = 4096;  // wasted bytes

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

uint64_t mix(uint64_t h, char c) {  // FNV-1a
    return (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
}

uint32_t finish(uint64_t h) {
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15;
    return static_cast<uint32_t>(h >> 32);
}

}  // namespace

void OffsetTable::clear() {
    slots_ = {};
    used_ = 0;
}

void OffsetTable::put(uint32_t hash, uint32_t state) {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].state != empty) i = next(i);
    slots_[i] = {hash, state};
    used_++;
}

// At most three quarters of the slots are in use, so that every search meets an empty one.
void OffsetTable::make_room() {
    if (!slots_.empty() && (used_ + 1) * 4 <= slots_.size() * 3) return;
    std::vector<Slot> former(std::max(slots_.size() * 2, smallest_table), Slot{0, empty});
    former.swap(slots_);
    used_ = 0;
    for (const Slot& slot : former) {
        if (slot.state != empty) put(slot.hash, slot.state);
    }
}

size_t OffsetTable::find(uint32_t hash, uint32_t offset) const {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].state != empty && (slots_[i].state != offset + first || slots_[i].hash != hash)) i = next(i);
    return i;
}

void OffsetTable::insert(uint32_t hash, uint32_t offset) {
    ATOLL_ASSERT(offset <= UINT32_MAX - first);
    make_room();
    put(hash, offset + first);
}

// Leaves no mark: what stands behind the gap and would be searched across it moves into it. So names that come and go for ever need no
// sweeping.
void OffsetTable::erase(uint32_t hash, uint32_t offset) {
    if (slots_.empty()) return;
    size_t gap = find(hash, offset);
    if (slots_[gap].state == empty) return;
    for (size_t i = next(gap); slots_[i].state != empty; i = next(i)) {
        if (distance(slots_[i].hash, i) < distance(gap, i)) continue;  // its search begins behind the gap
        slots_[gap] = slots_[i];
        gap = i;
    }
    slots_[gap] = {0, empty};
    used_--;
}

void OffsetTable::replace(uint32_t hash, uint32_t offset, uint32_t with) {
    Slot& slot = slots_[find(hash, offset)];
    ATOLL_ASSERT(slot.state != empty);
    slot.state = with + first;
}

std::string_view FoldedNames::at(uint32_t offset) const { return {names_.data() + offset + 1, static_cast<unsigned char>(names_[offset])}; }

uint32_t FoldedNames::hash_of(std::string_view name) {
    to_upper_utf8(name, upper_);
    uint64_t h = seed_;
    for (const char c : upper_) h = mix(h, c);
    return finish(h);
}

uint32_t FoldedNames::hash_of_short(std::string_view short_name) const {
    uint64_t h = seed_;
    for (const char c : short_name) h = mix(h, upper(c));
    return finish(h);
}

bool FoldedNames::find_exact(uint32_t hash, std::string_view name, uint32_t& offset) const {
    return by_name_.any(hash, [&](uint32_t o) {
        offset = o;
        return at(o) == name;
    });
}

void FoldedNames::add_short(std::string_view name, uint32_t offset) {
    if (is_8_3_name(name)) return;  // its own 8.3 name, found as a name
    by_short_name_.insert(hash_of_short(ShortName(name, mangling_char_).text()), offset);
}

void FoldedNames::insert(std::string_view name) {
    ATOLL_ASSERT(!name.empty() && name.size() <= 255);
    const uint32_t hash = hash_of(name);
    uint32_t offset = 0;
    if (find_exact(hash, name, offset)) return;
    offset = static_cast<uint32_t>(names_.size());
    names_ += static_cast<char>(name.size());
    names_ += name;
    by_name_.insert(hash, offset);
    if (has_short_names_) add_short(name, offset);
    size_++;
}

void FoldedNames::erase(std::string_view name) {
    const uint32_t hash = hash_of(name);
    uint32_t offset = 0;
    if (!find_exact(hash, name, offset)) return;
    by_name_.erase(hash, offset);
    if (has_short_names_ && !is_8_3_name(name)) by_short_name_.erase(hash_of_short(ShortName(name, mangling_char_).text()), offset);
    size_--;
    wasted_ += 1 + name.size();
    if (wasted_ > worth_compacting && wasted_ > names_.size() / 2) compact();
}

// In place. The table of short names is made again when it is asked for.
void FoldedNames::compact() {
    by_short_name_.clear();
    has_short_names_ = false;
    size_t kept = 0;
    for (size_t from = 0; from < names_.size();) {
        const auto offset = static_cast<uint32_t>(from);
        const size_t length = 1 + at(offset).size();
        const uint32_t hash = hash_of(at(offset));
        if (by_name_.any(hash, [&](uint32_t o) { return o == offset; })) {
            by_name_.replace(hash, offset, static_cast<uint32_t>(kept));
            std::memmove(names_.data() + kept, names_.data() + from, length);
            kept += length;
        }
        from += length;
    }
    names_.resize(kept);
    wasted_ = 0;
}

bool FoldedNames::find(std::string_view name, std::string& stored) {
    const uint32_t hash = hash_of(name);
    bool found = false;
    by_name_.any(hash, [&](uint32_t offset) {
        const std::string_view candidate = at(offset);
        const bool exact = candidate == name;
        if (!exact && (found || !equal_ignoring_case(candidate, name))) return false;
        stored.assign(candidate);
        found = true;
        return exact;
    });
    return found;
}

bool FoldedNames::find_short(std::string_view short_name, char mangling_char, std::string& stored) {
    if (!has_short_names_ || mangling_char_ != mangling_char) {
        by_short_name_.clear();
        has_short_names_ = true;
        mangling_char_ = mangling_char;
        by_name_.each([&](uint32_t offset) { add_short(at(offset), offset); });
    }
    return by_short_name_.any(hash_of_short(short_name), [&](uint32_t offset) {
        if (!equal_ignoring_ascii_case(ShortName(at(offset), mangling_char).text(), short_name)) return false;
        stored.assign(at(offset));
        return true;
    });
}

}  // namespace Atoll::vfs

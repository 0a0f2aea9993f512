#include "vfs/shared_names.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/assert.h"
#include "base/utf.h"
#include "vfs/short_name.h"

namespace Atoll::vfs {

namespace {

constexpr uint64_t short_names = 0x5bd1e9955bd1e995;  // what is mixed into the hashes of 8.3 names

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

uint64_t mix(uint64_t h, char c) {  // FNV-1a
    return (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
}

uint64_t begin_hash(uint64_t seed, uint32_t id) { return seed ^ (id * 0x9e3779b97f4a7c15); }

uint32_t finish(uint64_t h) {
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15;
    return static_cast<uint32_t>(h >> 32);
}

}  // namespace

size_t SharedNames::size_for(Bounds bounds) {
    return sizeof(Head) + bounds.directories * (sizeof(Directory) + 2 * sizeof(uint32_t)) + bounds.slots * sizeof(Slot) + bounds.name_bytes;
}

SharedNames::SharedNames(MutableBytes memory, Bounds bounds) : bounds_(bounds) {
    ATOLL_ASSERT(bounds.directories > 0 && bounds.slots > 0 && (bounds.slots & (bounds.slots - 1)) == 0);
    ATOLL_ASSERT(memory.size() >= size_for(bounds) && reinterpret_cast<uintptr_t>(memory.data()) % alignof(Head) == 0);
    uint8_t* at = memory.data();
    head_ = reinterpret_cast<Head*>(at);
    at += sizeof(Head);
    directories_ = reinterpret_cast<Directory*>(at);
    at += bounds.directories * sizeof(Directory);
    tags_ = reinterpret_cast<uint32_t*>(at);
    at += bounds.directories * 2 * sizeof(uint32_t);  // an even number: what follows is aligned as this is
    slots_ = reinterpret_cast<Slot*>(at);
    at += bounds.slots * sizeof(Slot);
    names_ = reinterpret_cast<char*>(at);
}

// Numbers of directories go on: what a process remembers of one is never true of another.
void SharedNames::reset(uint64_t seed) {
    std::fill_n(directories_, bounds_.directories, Directory{});
    std::fill_n(tags_, bounds_.directories, uint32_t{0});
    std::fill_n(slots_, bounds_.slots, Slot{0, 0});
    *head_ = Head{seed, 0, 0, 0, head_->last_id, 0};
    damaged_ = false;
}

// --- Directories

uint32_t SharedNames::tag_of(const Key& key) {
    return finish(key.inode ^ (key.device << 32) ^ static_cast<uint64_t>(key.born_seconds * 1000000007 + key.born_nanoseconds));
}

SharedNames::Directory* SharedNames::find(const Key& key) {
    const uint32_t tag = tag_of(key), end = high();
    for (uint32_t i = 0; i < end; i++) {
        if (tags_[i] == tag && directories_[i].id != 0 && directories_[i].key == key) return &directories_[i];
    }
    return nullptr;
}

SharedNames::Directory* SharedNames::by_watch(int watch) {
    for (uint32_t i = 0; i < high(); i++) {
        if (directories_[i].watch == watch && directories_[i].id != 0) return &directories_[i];
    }
    return nullptr;
}

SharedNames::Directory* SharedNames::by_id(uint32_t id) {
    if (id == 0) return nullptr;
    for (uint32_t i = 0; i < high(); i++) {
        if (directories_[i].id == id) return &directories_[i];
    }
    return nullptr;
}

SharedNames::Directory* SharedNames::free_directory() {
    for (uint32_t i = 0; i < bounds_.directories; i++) {
        if (directories_[i].id == 0) return &directories_[i];
    }
    return nullptr;
}

SharedNames::Directory* SharedNames::oldest_but(uint32_t id) {
    Directory* oldest = nullptr;
    for (uint32_t i = 0; i < high(); i++) {
        Directory& one = directories_[i];
        if (one.id != 0 && one.id != id && (oldest == nullptr || one.used < oldest->used)) oldest = &one;
    }
    return oldest;
}

void SharedNames::drop(Directory& directory) { directory.id = 0; }

// --- The tables

bool SharedNames::read(uint32_t offset, Entry& entry) const {
    const uint32_t end = std::min(head_->name_bytes, bounds_.name_bytes);
    if (offset > end || end - offset < entry_head) return false;
    const char* at = names_ + offset;
    std::memcpy(&entry.id, at, sizeof entry.id);
    std::memcpy(&entry.hash, at + sizeof entry.id, sizeof entry.hash);
    const auto length = static_cast<unsigned char>(at[entry_head - 1]);
    if (length == 0 || end - offset - entry_head < length) return false;
    entry.name = {at + entry_head, length};
    return true;
}

// Calls `matches` with the offsets of `hash` until it says true; whether it did.
template <class F>
bool SharedNames::any(uint32_t hash, F&& matches) {
    const uint32_t mask = bounds_.slots - 1;
    for (uint32_t i = hash & mask, n = 0; n < bounds_.slots; i = (i + 1) & mask, n++) {
        const Slot slot = slots_[i];
        if (slot.state == 0) return false;
        if (slot.hash == hash && matches(slot.state - 1)) return true;
    }
    damaged_ = true;  // there is always an empty one
    return false;
}

// With each name's offset, in their order, until `f` says false.
template <class F>
void SharedNames::each_name(F&& f) {
    Entry entry;
    for (uint32_t offset = 0; offset < head_->name_bytes; offset += entry_size(entry.name)) {
        if (!read(offset, entry)) {
            damaged_ = true;
            return;
        }
        if (!f(offset, entry)) return;
    }
}

void SharedNames::put(uint32_t hash, uint32_t offset) {
    const uint32_t mask = bounds_.slots - 1;
    for (uint32_t i = hash & mask, n = 0; n < bounds_.slots; i = (i + 1) & mask, n++) {
        if (slots_[i].state != 0) continue;
        slots_[i] = {hash, offset + 1};
        head_->slots++;
        return;
    }
    damaged_ = true;
}

// Leaves no mark: what stands behind the gap and would be searched across it moves into it.
void SharedNames::take_out(uint32_t hash, uint32_t offset) {
    const uint32_t mask = bounds_.slots - 1;
    uint32_t gap = hash & mask, n = 0;
    while (n < bounds_.slots && slots_[gap].state != 0 && (slots_[gap].state != offset + 1 || slots_[gap].hash != hash)) {
        gap = (gap + 1) & mask;
        n++;
    }
    if (n == bounds_.slots || slots_[gap].state == 0) return;
    for (uint32_t i = (gap + 1) & mask; slots_[i].state != 0 && n < bounds_.slots; i = (i + 1) & mask, n++) {
        if (((i - slots_[i].hash) & mask) < ((i - gap) & mask)) continue;  // its search begins behind the gap
        slots_[gap] = slots_[i];
        gap = i;
    }
    slots_[gap] = {0, 0};
    head_->slots--;
}

bool SharedNames::fits(uint32_t bytes, uint32_t slots) const {
    const uint32_t most = bounds_.slots / 4 * 3;
    return head_->name_bytes <= bounds_.name_bytes && bounds_.name_bytes - head_->name_bytes >= bytes && head_->slots <= most &&
           most - head_->slots >= slots;
}

// Whether the living take more than half of what there is, so that sweeping would have to be done again soon.
bool SharedNames::is_crowded() {
    uint64_t bytes = 0, slots = 0;
    each([&](const Directory& one) {
        bytes += one.bytes;
        slots += one.names;
    });
    return bytes > bounds_.name_bytes / 2 || slots > bounds_.slots / 4;
}

// Moves the living names together and makes the slots again; those of 8.3 names when they are asked for.
void SharedNames::sweep() {
    std::vector<uint32_t> living;
    each([&](Directory& one) {
        living.push_back(one.id);
        one.has_short_names = 0;
    });
    std::sort(living.begin(), living.end());
    std::memset(slots_, 0, bounds_.slots * sizeof(Slot));
    head_->slots = 0;
    uint32_t kept = 0;
    each_name([&](uint32_t offset, const Entry& entry) {
        if (!std::binary_search(living.begin(), living.end(), entry.id)) return true;
        const uint32_t size = entry_size(entry.name), hash = entry.hash;
        std::memmove(names_ + kept, names_ + offset, size);
        put(hash, kept);
        kept += size;
        return !damaged_;
    });
    head_->name_bytes = kept;
}

// --- Names

uint64_t SharedNames::exact_hash(std::string_view name) const {
    uint64_t h = head_->seed;
    for (const char c : name) h = mix(h, c);
    return h | 1;
}

uint32_t SharedNames::hash_of(uint32_t id, std::string_view name) {
    to_upper_utf8(name, upper_);
    uint64_t h = begin_hash(head_->seed, id);
    for (const char c : upper_) h = mix(h, c);
    return finish(h);
}

uint32_t SharedNames::hash_of_short(uint32_t id, std::string_view short_name) const {
    uint64_t h = begin_hash(head_->seed ^ short_names, id);
    for (const char c : short_name) h = mix(h, upper(c));
    return finish(h);
}

bool SharedNames::find_exact(const Directory& directory, uint32_t hash, std::string_view name, uint32_t& offset) {
    return any(hash, [&](uint32_t at) {
        Entry entry;
        offset = at;
        return read(at, entry) && entry.id == directory.id && entry.name == name;
    });
}

void SharedNames::add_name(Directory& directory, uint32_t hash, std::string_view name) {
    const uint32_t offset = head_->name_bytes;
    char* at = names_ + offset;
    std::memcpy(at, &directory.id, sizeof directory.id);
    std::memcpy(at + sizeof directory.id, &hash, sizeof hash);
    at[entry_head - 1] = static_cast<char>(name.size());
    std::memcpy(at + entry_head, name.data(), name.size());
    head_->name_bytes += entry_size(name);
    put(hash, offset);
    if (directory.has_short_names != 0 && !is_8_3_name(name))
        put(hash_of_short(directory.id, ShortName(name, directory.mangling_char).text()), offset);
    directory.names++;
    directory.bytes += entry_size(name);
}

void SharedNames::erase(Directory& directory, std::string_view name) {
    if (name.empty() || name.size() > 255) return;
    const uint32_t hash = hash_of(directory.id, name);
    uint32_t offset = 0;
    if (!find_exact(directory, hash, name, offset)) return;
    take_out(hash, offset);
    if (directory.has_short_names != 0 && !is_8_3_name(name))
        take_out(hash_of_short(directory.id, ShortName(name, directory.mangling_char).text()), offset);
    std::memset(names_ + offset, 0, sizeof(uint32_t));
    directory.names--;
    directory.bytes -= entry_size(name);
}

bool SharedNames::find(const Directory& directory, std::string_view name, std::string& stored) {
    bool found = false;
    any(hash_of(directory.id, name), [&](uint32_t offset) {
        Entry entry;
        if (!read(offset, entry) || entry.id != directory.id) return false;
        const bool exact = entry.name == name;
        if (!exact && (found || !equal_ignoring_case(entry.name, name))) return false;
        stored.assign(entry.name);
        found = true;
        return exact;
    });
    return found;
}

// The slots of the 8.3 names are made when one is asked for first. For another mangling character they are made again.
bool SharedNames::find_short(Directory& directory, std::string_view short_name, char mangling_char, std::string& stored) {
    if (directory.has_short_names == 0 || directory.mangling_char != mangling_char) {
        if (directory.has_short_names != 0 || !fits(0, directory.names)) sweep();
        if (!fits(0, directory.names)) {
            drop(directory);
            return false;
        }
        directory.has_short_names = 1;
        directory.mangling_char = mangling_char;
        each_name([&](uint32_t offset, const Entry& entry) {
            if (entry.id == directory.id && !is_8_3_name(entry.name)) {
                if (!fits(0, 1)) damaged_ = true;
                if (!damaged_) put(hash_of_short(directory.id, ShortName(entry.name, mangling_char).text()), offset);
            }
            return !damaged_;
        });
    }
    return any(hash_of_short(directory.id, short_name), [&](uint32_t offset) {
        Entry entry;
        if (!read(offset, entry) || entry.id != directory.id) return false;
        if (!equal_ignoring_ascii_case(ShortName(entry.name, mangling_char).text(), short_name)) return false;
        stored.assign(entry.name);
        return true;
    });
}

}  // namespace Atoll::vfs

// The names of many directories in one piece of memory, which processes may share: found whatever their case, or by their 8.3 names.
//
// The memory holds a head, a table of directories, a table of slots (hash to offset, open addressing) that is one for all directories,
// and the names one behind the other, each with its directory's number and its hash. A directory that goes only gives its number up: what
// it leaves is swept away when room is needed, by one pass that moves the living names together.
//
// Whoever calls holds the memory's lock. What stands in the memory is believed no further than that it cannot lead out of it: every
// offset and length is looked at, every search ends. damaged() then says that it is to be reset.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace Atoll::vfs {

class SharedNames {
 public:
    struct Bounds {
        uint32_t directories;  // at least 1
        uint32_t slots;        // a power of two; three quarters of them are used
        uint32_t name_bytes;   // of names with 9 bytes each beside them
    };
    struct Key {
        uint64_t device = 0, inode = 0;
        int64_t born_seconds = 0, born_nanoseconds = 0;
        bool operator==(const Key&) const = default;
    };
    // As it stands in the memory.
    struct Directory {
        Key key;
        uint64_t used;      // when, as next_use() counts
        uint64_t arrivals;  // names that have come since it is watched
        uint64_t came;      // hash of the name of the last move, if it was one into the directory; else 0
        int64_t filling_since;
        int32_t filler;  // pid, while it is being filled
        int32_t watch;
        uint32_t id;  // 0: not in use
        uint32_t names;
        uint32_t bytes;  // of its names
        uint8_t ready;   // filled: what is not there does not exist
        uint8_t has_short_names;
        char mangling_char;
        uint8_t unused;
    };

    // A view of `memory` of size_for(bounds) bytes, aligned to 8. Its content is as it was; all zeros are without directories.
    SharedNames(MutableBytes memory, Bounds bounds);
    static size_t size_for(Bounds bounds);
    // `seed`: so that nobody can choose names that all have one hash. For memory that is all zeros.
    void begin(uint64_t seed) { head_->seed = seed; }
    // Whatever it held, it holds nothing then.
    void reset(uint64_t seed);
    [[nodiscard]] bool damaged() const { return damaged_; }

    // --- Directories. Pointers are good until the next add_directory() or insert(), which may take the room of any other.
    Directory* find(const Key& key);
    Directory* by_watch(int watch);
    Directory* by_id(uint32_t id);
    // Not ready, without names. Null: the memory is damaged. `Drop` is called with each directory that has to go for it.
    template <class Drop>
    Directory* add_directory(const Key& key, int watch, Drop&& drop);
    void drop(Directory& directory);
    template <class F>
    void each(F&& f) {
        for (uint32_t i = 0; i < high(); i++) {
            if (directories_[i].id != 0) f(directories_[i]);
        }
    }
    uint64_t next_use() { return ++head_->uses; }
    uint64_t exact_hash(std::string_view name) const;  // never 0

    // --- Names of 1 to 255 bytes. False: there is no room for it, even without all others.
    template <class Drop>
    [[nodiscard]] bool insert(uint32_t id, std::string_view name, Drop&& drop);
    void erase(Directory& directory, std::string_view name);  // nothing if that very name is not there
    // A name that equals `name` ignoring case, by preference `name` itself.
    bool find(const Directory& directory, std::string_view name, std::string& stored);
    // A name whose made 8.3 name is `short_name`. Where there is no room for those of the directory it is dropped: false, and id is 0.
    bool find_short(Directory& directory, std::string_view short_name, char mangling_char, std::string& stored);

    [[nodiscard]] size_t name_bytes() const { return head_->name_bytes; }  // in use, those to be swept among them

 private:
    struct Head {
        uint64_t seed, uses;
        uint32_t name_bytes;  // in use
        uint32_t slots;       // in use
        uint32_t last_id;
        uint32_t high;  // directories that have ever been in use stand below it
    };
    struct Slot {
        uint32_t hash;
        uint32_t state;  // 0: empty; else an offset + 1
    };
    struct Entry {
        uint32_t id = 0;  // 0: erased
        uint32_t hash = 0;
        std::string_view name;
    };
    static constexpr uint32_t entry_head = 9;

    [[nodiscard]] uint32_t high() const { return std::min(head_->high, bounds_.directories); }
    static uint32_t tag_of(const Key& key);
    static uint32_t entry_size(std::string_view name) { return entry_head + static_cast<uint32_t>(name.size()); }
    bool read(uint32_t offset, Entry& entry) const;
    void put(uint32_t hash, uint32_t offset);
    void take_out(uint32_t hash, uint32_t offset);
    template <class F>
    bool any(uint32_t hash, F&& matches);
    template <class F>
    void each_name(F&& f);
    bool find_exact(const Directory& directory, uint32_t hash, std::string_view name, uint32_t& offset);
    uint32_t hash_of(uint32_t id, std::string_view name);
    uint32_t hash_of_short(uint32_t id, std::string_view short_name) const;
    [[nodiscard]] bool fits(uint32_t bytes, uint32_t slots) const;
    void add_name(Directory& directory, uint32_t hash, std::string_view name);
    Directory* free_directory();
    Directory* oldest_but(uint32_t id);
    bool is_crowded();
    void sweep();

    Bounds bounds_;
    Head* head_;
    Directory* directories_;
    uint32_t* tags_;  // of the directories' keys: what find() looks through
    Slot* slots_;
    char* names_;
    bool damaged_ = false;
    std::string upper_;  // scratch
};

// --- Of templates

template <class Drop>
SharedNames::Directory* SharedNames::add_directory(const Key& key, int watch, Drop&& drop_it) {
    Directory* free = free_directory();
    if (free == nullptr) {
        free = oldest_but(0);
        if (free == nullptr) return nullptr;
        drop_it(*free);
        drop(*free);
    }
    tags_[free - directories_] = tag_of(key);
    head_->high = std::max(head_->high, static_cast<uint32_t>(free - directories_) + 1);
    *free = Directory{};
    free->key = key;
    free->watch = watch;
    free->id = ++head_->last_id;
    if (free->id == 0) free->id = ++head_->last_id;
    free->used = next_use();
    return free;
}

template <class Drop>
bool SharedNames::insert(uint32_t id, std::string_view name, Drop&& drop_it) {
    Directory* directory = by_id(id);
    if (directory == nullptr || name.empty() || name.size() > 255) return false;
    const uint32_t hash = hash_of(id, name);
    uint32_t offset = 0;
    if (find_exact(*directory, hash, name, offset)) return true;
    // A name, and its 8.3 name.
    if (!fits(entry_size(name), 2)) {
        while (is_crowded()) {
            Directory* const oldest = oldest_but(id);
            if (oldest == nullptr) return false;
            drop_it(*oldest);
            drop(*oldest);
        }
        sweep();
        if (!fits(entry_size(name), 2)) return false;
    }
    add_name(*directory, hash, name);
    return !damaged_;
}

}  // namespace Atoll::vfs

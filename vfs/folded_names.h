// A set of a directory's names that finds them whatever their case, or by their 8.3 names: in memory, compact (a name's bytes, one for
// its length, and 11 to 22 for its place in the table).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace Atoll::vfs {

// Hash to offset, open addressing. One hash may have several offsets.
class OffsetTable {
 public:
    void insert(uint32_t hash, uint32_t offset);
    void erase(uint32_t hash, uint32_t offset);
    void replace(uint32_t hash, uint32_t offset, uint32_t with);
    void clear();
    [[nodiscard]] size_t memory() const { return slots_.capacity() * sizeof(Slot); }

    // Calls `matches` with the offsets of `hash` until it says true; whether it did.
    template <class F>
    bool any(uint32_t hash, F&& matches) const {
        if (slots_.empty()) return false;
        for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
            const Slot& slot = slots_[i];
            if (slot.state == empty) return false;
            if (slot.hash == hash && matches(slot.state - first)) return true;
        }
    }
    template <class F>
    void each(F&& f) const {
        for (const Slot& slot : slots_) {
            if (slot.state >= first) f(slot.state - first);
        }
    }

 private:
    static constexpr uint32_t empty = 0, first = 1;
    struct Slot {
        uint32_t hash;
        uint32_t state;  // empty, or the offset + first
    };
    [[nodiscard]] size_t next(size_t i) const { return (i + 1) & (slots_.size() - 1); }
    [[nodiscard]] size_t distance(size_t from, size_t to) const { return (to - from) & (slots_.size() - 1); }
    [[nodiscard]] size_t find(uint32_t hash, uint32_t offset) const;  // of the empty slot behind it, if it is not there
    void put(uint32_t hash, uint32_t state);
    void make_room();

    std::vector<Slot> slots_;  // a power of two of them
    size_t used_ = 0;
};

// Names are 1 to 255 bytes.
class FoldedNames {
 public:
    // `seed`: so that nobody can choose names that all have one hash.
    explicit FoldedNames(uint64_t seed) : seed_(seed) {}

    void insert(std::string_view name);  // nothing if that very name is there
    void erase(std::string_view name);   // nothing if it is not there
    // A name that equals `name` ignoring case, by preference `name` itself.
    bool find(std::string_view name, std::string& stored);
    // A name whose made 8.3 name is `short_name`. The table for it is made when it is asked for first.
    bool find_short(std::string_view short_name, char mangling_char, std::string& stored);
    [[nodiscard]] size_t size() const { return size_; }
    [[nodiscard]] size_t memory() const { return names_.capacity() + by_name_.memory() + by_short_name_.memory(); }

 private:
    [[nodiscard]] std::string_view at(uint32_t offset) const;
    uint32_t hash_of(std::string_view name);
    [[nodiscard]] uint32_t hash_of_short(std::string_view short_name) const;
    bool find_exact(uint32_t hash, std::string_view name, uint32_t& offset) const;
    void add_short(std::string_view name, uint32_t offset);
    void compact();

    uint64_t seed_;
    std::string names_;  // each: its length in one byte, its bytes
    OffsetTable by_name_, by_short_name_;
    bool has_short_names_ = false;
    char mangling_char_ = 0;
    size_t size_ = 0, wasted_ = 0;  // names; bytes of erased ones in names_
    std::string upper_;             // scratch
};

}  // namespace Atoll::vfs

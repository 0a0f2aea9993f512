#include "smbd/fsa/lock_array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace Atoll::fsa {
namespace {

bool overlaps(const LockEntry& e, uint64_t first, uint64_t last) { return e.offset <= last && e.last >= first; }

// The array against a list that is searched from end to end.
TEST(LockArray, AgreesWithAList) {
    std::mt19937_64 random(7);
    std::vector<uint8_t> bytes;
    LockArray array(bytes);
    std::vector<LockEntry> list;
    const auto upto = [&](uint64_t limit) { return random() % limit; };
    for (int step = 0; step < 20000; step++) {
        const uint64_t offset = 1 + upto(400);
        const uint64_t last = offset + (upto(8) == 0 ? upto(400) : upto(6)) - 1;  // some of no bytes, some large
        const uint64_t open_id = upto(3);
        if (upto(2) == 0) {
            array.insert({offset, last, open_id, 5});
            list.push_back({offset, last, open_id, 5});
        } else if (!list.empty()) {
            const LockEntry wanted = upto(4) == 0 ? LockEntry{offset, last, open_id, 0} : list[upto(list.size())];
            const auto there = std::ranges::find_if(list, [&](const LockEntry& e) {
                return e.offset == wanted.offset && e.last == wanted.last && e.open_id == wanted.open_id;
            });
            LockEntry removed;
            ASSERT_EQ(array.remove(wanted.offset, wanted.last, wanted.open_id, removed), there != list.end());
            if (there != list.end()) list.erase(there);
        }
        if (step % 5000 == 4999) {
            array.remove_if([](const LockEntry& e) { return e.open_id == 1; });
            std::erase_if(list, [](const LockEntry& e) { return e.open_id == 1; });
        }
        ASSERT_EQ(array.size(), list.size());
        const auto found = std::ranges::count_if(list, [&](const LockEntry& e) { return overlaps(e, offset, last); });
        ASSERT_EQ(array.any_overlap(offset, last), found > 0);
        ptrdiff_t visited = 0;
        array.for_each_overlap(offset, last, [&](const LockEntry& e) {
            EXPECT_TRUE(overlaps(e, offset, last));
            visited++;
            return true;
        });
        ASSERT_EQ(visited, found);
    }
}

// Whatever bytes there are, nothing is read or written beyond them.
TEST(LockArray, LivesWithDamage) {
    std::mt19937_64 random(9);
    for (int round = 0; round < 500; round++) {
        std::vector<uint8_t> bytes(random() % 400);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        LockArray array(bytes);
        size_t visited = 0;
        array.for_each_overlap(random(), random(), [&](const LockEntry&) { return ++visited < 100; });
        const size_t before = array.size();
        array.insert({random(), random(), 1, 0});
        LockEntry removed;
        (void)array.remove(removed.offset, removed.last, 1, removed);
        EXPECT_LE(array.size(), before + 1);
        array.remove_if([](const LockEntry&) { return true; });
        EXPECT_TRUE(array.empty());
    }
}

}  // namespace
}  // namespace Atoll::fsa

#include "vfs/shared_names.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

#include "vfs/short_name.h"

namespace Atoll::vfs {
namespace {

class SharedNamesTest : public ::testing::Test {
 protected:
    explicit SharedNamesTest(SharedNames::Bounds bounds = {4, 4096, 64 * 1024})
        : memory_((SharedNames::size_for(bounds) + 7) / 8),
          names_({reinterpret_cast<uint8_t*>(memory_.data()), memory_.size() * 8}, bounds) {
        names_.reset(3);
    }
    SharedNames::Directory& directory(uint64_t inode) {
        auto* made =
            names_.add_directory({1, inode, 0, 0}, static_cast<int>(inode), [&](const auto& gone) { gone_.push_back(gone.key.inode); });
        EXPECT_NE(made, nullptr);
        return *made;
    }
    bool insert(const SharedNames::Directory& to, std::string_view name) {
        return names_.insert(to.id, name, [&](const auto& gone) { gone_.push_back(gone.key.inode); });
    }
    // "": it is not there.
    std::string find(const SharedNames::Directory& in, std::string_view name) {
        std::string stored;
        return names_.find(in, name, stored) ? stored : "";
    }
    std::string find_short(SharedNames::Directory& in, std::string_view name, char mangling_char = '~') {
        std::string stored;
        return names_.find_short(in, name, mangling_char, stored) ? stored : "";
    }

    std::vector<uint64_t> memory_;
    SharedNames names_;
    std::vector<uint64_t> gone_;
};

TEST_F(SharedNamesTest, FindsWhateverTheCaseAndPrefersTheExactName) {
    auto& d = directory(1);
    EXPECT_EQ(find(d, "a"), "");
    for (const char* name : {"Readme", "README", "Straße", "ÄRGER", "README"}) EXPECT_TRUE(insert(d, name));
    EXPECT_EQ(d.names, 4u);
    EXPECT_EQ(find(d, "README"), "README");
    EXPECT_EQ(find(d, "Readme"), "Readme");
    EXPECT_NE(find(d, "readme"), "");
    EXPECT_EQ(find(d, "ärger"), "ÄRGER");
    names_.erase(d, "readme");  // not there in this case
    EXPECT_EQ(d.names, 4u);
    names_.erase(d, "README");
    EXPECT_EQ(find(d, "README"), "Readme");
    names_.erase(d, "Readme");
    EXPECT_EQ(find(d, "README"), "");
    EXPECT_FALSE(insert(d, ""));
    EXPECT_FALSE(insert(d, std::string(256, 'x')));
    EXPECT_TRUE(insert(d, std::string(255, 'x')));
}

TEST_F(SharedNamesTest, ADirectoryHasItsOwnNames) {
    auto& a = directory(1);
    auto& b = directory(2);
    EXPECT_TRUE(insert(a, "file"));
    EXPECT_EQ(find(b, "FILE"), "");
    EXPECT_EQ(names_.find(SharedNames::Key{1, 2, 0, 0}), &b);
    EXPECT_EQ(names_.find(SharedNames::Key{2, 2, 0, 0}), nullptr);
    EXPECT_EQ(names_.find(SharedNames::Key{1, 2, 0, 1}), nullptr);
    EXPECT_EQ(names_.by_watch(1), &a);
    const uint32_t id = a.id;
    EXPECT_EQ(names_.by_id(id), &a);
    names_.drop(a);
    EXPECT_EQ(names_.by_id(id), nullptr);
    auto& again = directory(1);
    EXPECT_NE(again.id, id);
    EXPECT_EQ(find(again, "FILE"), "");
}

TEST_F(SharedNamesTest, ShortNamesFollowChanges) {
    auto& d = directory(1);
    const auto made = [](const char* name, char mangling_char = '~') { return std::string(ShortName(name, mangling_char).text()); };
    EXPECT_TRUE(insert(d, "a name that is long.text"));
    EXPECT_EQ(find_short(d, made("a name that is long.text")), "a name that is long.text");
    EXPECT_TRUE(insert(d, "another long name.text"));
    EXPECT_EQ(find_short(d, made("another long name.text")), "another long name.text");
    EXPECT_EQ(find_short(d, made("another long name.text"), '#'), "");
    EXPECT_EQ(find_short(d, made("another long name.text", '#'), '#'), "another long name.text");
    names_.erase(d, "another long name.text");
    EXPECT_EQ(find_short(d, made("another long name.text")), "");
    EXPECT_EQ(find_short(d, made("a name that is long.text")), "a name that is long.text");
}

TEST_F(SharedNamesTest, AgreesWithAMapAndStaysInItsMemory) {
    std::mt19937 random(7);
    std::set<std::string> there;
    auto& d = directory(1);
    for (int step = 0; step < 30000; step++) {
        const std::string name = (random() % 2 == 0 ? "Name" : "nAME") + std::to_string(random() % 300);
        if (random() % 2 == 0) {
            ASSERT_TRUE(insert(d, name));
            there.insert(name);
        } else {
            names_.erase(d, name);
            there.erase(name);
        }
        const std::string number = std::to_string(random() % 300);
        ASSERT_EQ(!find(d, "NAME" + number).empty(), there.contains("Name" + number) || there.contains("nAME" + number));
        ASSERT_EQ(d.names, there.size());
    }
    EXPECT_LE(names_.name_bytes(), 64u * 1024);
    EXPECT_FALSE(names_.damaged());
}

TEST_F(SharedNamesTest, TheOneUnusedLongestMakesRoom) {
    for (uint64_t i = 1; i <= 4; i++) EXPECT_TRUE(insert(directory(i), "name"));
    names_.find(SharedNames::Key{1, 1, 0, 0})->used = names_.next_use();
    (void)directory(5);
    EXPECT_EQ(gone_, std::vector<uint64_t>{2});
    // For names too; one that has no room even alone has none.
    auto* last = names_.find(SharedNames::Key{1, 5, 0, 0});
    bool fits = true;
    size_t count = 0;
    for (; fits && count < 10000; count++) fits = insert(*last, "a name of some length " + std::to_string(count));
    EXPECT_FALSE(fits);
    EXPECT_EQ(gone_.size(), 4u);
    EXPECT_GT(count, 500u);
    EXPECT_EQ(find(*last, "A NAME OF SOME LENGTH 0"), "a name of some length 0");
    EXPECT_FALSE(names_.damaged());
}

// Whatever stands in the memory, nothing leads out of it and everything ends.
TEST_F(SharedNamesTest, DamageIsContained) {
    std::mt19937 random(9);
    auto* bytes = reinterpret_cast<uint8_t*>(memory_.data());
    size_t found_damaged = 0;
    for (int round = 0; round < 300; round++) {
        names_.reset(static_cast<uint64_t>(round));
        for (uint64_t i = 1; i <= 3; i++) {
            auto& d = directory(i);
            for (int n = 0; n < 50; n++) ASSERT_TRUE(insert(d, "a name of some length " + std::to_string(n)));
        }
        const size_t from = random() % (memory_.size() * 8), many = 1 + random() % 4096;
        for (size_t at = from; at < std::min(memory_.size() * 8, from + many); at++) bytes[at] = static_cast<uint8_t>(random());
        for (uint64_t i = 1; i <= 4 && !names_.damaged(); i++) {
            auto* d = names_.find(SharedNames::Key{1, i, 0, 0});
            if (d == nullptr) d = &directory(i);
            (void)find(*d, "A NAME OF SOME LENGTH 7");
            names_.erase(*d, "a name of some length 8");
            (void)find_short(*d, "ANAMEO~1");
            for (int n = 0; n < 2000 && !names_.damaged(); n++) {
                if (d->id == 0 || !insert(*d, "another " + std::to_string(n))) break;
            }
        }
        found_damaged += names_.damaged() ? 1 : 0;
    }
    EXPECT_GT(found_damaged, 0u);
    names_.reset(1);
    auto& d = directory(1);
    EXPECT_TRUE(insert(d, "Sound"));
    EXPECT_EQ(find(d, "SOUND"), "Sound");
}

}  // namespace
}  // namespace Atoll::vfs

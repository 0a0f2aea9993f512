// What every store must do: a test file of a store includes this and instantiates Conformance with its ways to open one.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "tdb/database.h"

namespace Atoll::tdb {

struct Store {
    std::string name;
    std::function<std::unique_ptr<Database>()> open;  // a new, empty database
    int random_steps = 3000;                          // fewer where each is synced to the disk
};

class Conformance : public testing::TestWithParam<Store> {
 protected:
    void SetUp() override {
        database = GetParam().open();
        ASSERT_NE(database, nullptr);
    }
    void put(std::string_view key, std::string_view value) {
        auto stored = database->store(as_bytes(key), as_bytes(value));
        ASSERT_TRUE(stored.ok()) << stored.error().message();
    }
    // The value, or "(none)".
    std::string get(std::string_view key) {
        Buffer out;
        auto found = database->fetch(as_bytes(key), out);
        EXPECT_TRUE(found.ok());
        return found.ok() && *found ? std::string(as_text(out)) : "(none)";
    }
    std::map<std::string, std::string> all() {
        std::map<std::string, std::string> records;
        auto seen = database->traverse([&](Bytes key, Bytes value) {
            EXPECT_TRUE(records.emplace(as_text(key), as_text(value)).second);
            return Visit::go_on;
        });
        EXPECT_TRUE(seen.ok());
        EXPECT_EQ(*seen, records.size());
        return records;
    }

    std::unique_ptr<Database> database;
};

TEST_P(Conformance, StoresFetchesAndRemoves) {
    EXPECT_EQ(get("a"), "(none)");
    put("a", "one");
    put("b", "");
    EXPECT_EQ(get("a"), "one");
    EXPECT_EQ(get("b"), "");
    EXPECT_EQ(get("ab"), "(none)");
    put("a", "a longer value than before, by some");
    EXPECT_EQ(get("a"), "a longer value than before, by some");
    put("a", "s");
    EXPECT_EQ(get("a"), "s");
    auto removed = database->remove(as_bytes("a"));
    ASSERT_TRUE(removed.ok());
    EXPECT_TRUE(*removed);
    EXPECT_EQ(get("a"), "(none)");
    removed = database->remove(as_bytes("a"));
    ASSERT_TRUE(removed.ok());
    EXPECT_FALSE(*removed);
}

TEST_P(Conformance, KeysAndValuesAreBytes) {
    const std::string key("k\0ey\xFF", 5), value("\0\0v\0", 4);
    put(key, value);
    EXPECT_EQ(get(key), value);
    EXPECT_EQ(get(std::string("k\0ez\xFF", 5)), "(none)");
}

TEST_P(Conformance, StoreModes) {
    EXPECT_EQ(database->store(as_bytes("a"), as_bytes("1"), StoreMode::modify).error().code, Code::not_found);
    EXPECT_TRUE(database->store(as_bytes("a"), as_bytes("2"), StoreMode::insert).ok());
    EXPECT_EQ(database->store(as_bytes("a"), as_bytes("3"), StoreMode::insert).error().code, Code::exists);
    EXPECT_EQ(get("a"), "2");
    EXPECT_TRUE(database->store(as_bytes("a"), as_bytes("4"), StoreMode::modify).ok());
    EXPECT_EQ(get("a"), "4");
}

TEST_P(Conformance, ParseSeesTheValueInPlace) {
    put("a", "value");
    std::string seen;
    auto found = database->parse(as_bytes("a"), [&](Bytes value) { seen = as_text(value); });
    ASSERT_TRUE(found.ok());
    EXPECT_TRUE(*found);
    EXPECT_EQ(seen, "value");
    EXPECT_FALSE(*database->parse(as_bytes("b"), [&](Bytes) { FAIL(); }));
}

TEST_P(Conformance, LockedRecordIsMadeChangedAndRemoved) {
    {
        auto record = database->fetch_locked(as_bytes("k"));
        ASSERT_TRUE(record.ok());
        EXPECT_FALSE(record->exists());
        EXPECT_TRUE(record->value().empty());
        EXPECT_EQ(as_text(record->key()), "k");
        ASSERT_TRUE(record->store(as_bytes("made")).ok());
    }
    {
        auto record = database->fetch_locked(as_bytes("k"));
        ASSERT_TRUE(record.ok());
        EXPECT_TRUE(record->exists());
        EXPECT_EQ(as_text(record->value()), "made");
        EXPECT_EQ(get("k"), "made");  // reading what is held is allowed
        LockedRecord moved = std::move(*record);
        EXPECT_FALSE(record->held());
        ASSERT_TRUE(moved.store(moved.value().subspan(1)).ok());  // a value made from its own
    }
    EXPECT_EQ(get("k"), "ade");
    {
        auto record = database->try_fetch_locked(as_bytes("k"));
        ASSERT_TRUE(record.ok());
        ASSERT_TRUE(record->remove().ok());
    }
    EXPECT_EQ(get("k"), "(none)");
    auto record = database->fetch_locked(as_bytes("k"));
    ASSERT_TRUE(record.ok());
    EXPECT_TRUE(record->remove().ok());
    EXPECT_EQ(held_records(), 1u);
    record->release();
    EXPECT_EQ(held_records(), 0u);
}

TEST_P(Conformance, TraverseSeesEachRecordOnce) {
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 500; i++) {
        const std::string key = "key" + std::to_string(i), value(static_cast<size_t>(i % 97), 'x');
        put(key, value);
        expected[key] = value;
    }
    EXPECT_EQ(all(), expected);
    int calls = 0;
    auto seen = database->traverse([&](Bytes, Bytes) { return ++calls == 3 ? Visit::stop : Visit::go_on; });
    ASSERT_TRUE(seen.ok());
    EXPECT_EQ(*seen, 3u);
}

TEST_P(Conformance, TraverseMayChangeWhatItVisits) {
    for (int i = 0; i < 300; i++) put("key" + std::to_string(i), std::to_string(i));
    auto seen = database->traverse([&](Bytes key, Bytes value) {
        if (std::stoi(std::string(as_text(value))) % 2 == 0) {
            EXPECT_TRUE(database->remove(key).ok());
        } else {
            EXPECT_TRUE(database->store(key, as_bytes(std::string(as_text(value)) + " and a much longer value than it was")).ok());
        }
        return Visit::go_on;
    });
    ASSERT_TRUE(seen.ok());
    EXPECT_EQ(*seen, 300u);
    EXPECT_EQ(all().size(), 150u);
    uint64_t removed = 0;
    auto locked = database->traverse_locked([&](LockedRecord& record) {
        EXPECT_TRUE(record.exists());
        EXPECT_TRUE(record.remove().ok());
        removed++;
        return Visit::go_on;
    });
    ASSERT_TRUE(locked.ok());
    EXPECT_EQ(*locked, 150u);
    EXPECT_EQ(removed, 150u);
    EXPECT_TRUE(all().empty());
}

TEST_P(Conformance, WipeEmpties) {
    for (int i = 0; i < 100; i++) put("key" + std::to_string(i), "value");
    ASSERT_TRUE(database->wipe().ok());
    EXPECT_TRUE(all().empty());
    put("a", "b");
    EXPECT_EQ(all().size(), 1u);
}

TEST_P(Conformance, SequenceNumberChangesWithTheDatabase) {
    auto before = database->sequence_number();
    ASSERT_TRUE(before.ok());
    put("a", "b");
    auto stored = database->sequence_number();
    EXPECT_NE(*before, *stored);
    EXPECT_EQ(get("a"), "b");
    EXPECT_EQ(*stored, *database->sequence_number());
    ASSERT_TRUE(database->remove(as_bytes("a")).ok());
    EXPECT_NE(*stored, *database->sequence_number());
}

TEST_P(Conformance, BehavesAsAMapUnderRandomWork) {
    std::mt19937 random(7);
    std::map<std::string, std::string> model;
    for (int step = 0; step < GetParam().random_steps; step++) {
        const std::string key = "key" + std::to_string(random() % 120);
        if (random() % 3 == 0) {
            auto removed = database->remove(as_bytes(key));
            ASSERT_TRUE(removed.ok());
            EXPECT_EQ(*removed, model.erase(key) == 1);
        } else {
            const std::string value(random() % (step % 50 == 0 ? 20000 : 200), static_cast<char>('a' + step % 26));
            put(key, value);
            model[key] = value;
        }
    }
    EXPECT_EQ(all(), model);
}

TEST_P(Conformance, TransactionsHappenAsAWholeOrNotAtAll) {
    if (!database->has_transactions()) {
        EXPECT_EQ(database->begin().error().code, Code::unsupported);
        return;
    }
    put("kept", "1");
    ASSERT_TRUE(database->begin().ok());
    put("kept", "2");
    put("new", "3");
    EXPECT_EQ(get("kept"), "2");
    database->cancel();
    EXPECT_EQ(get("kept"), "1");
    EXPECT_EQ(get("new"), "(none)");
    ASSERT_TRUE(database->begin().ok());
    put("new", "4");
    ASSERT_TRUE(database->commit().ok());
    EXPECT_EQ(get("new"), "4");
}

TEST_P(Conformance, LockOrderIsAsserted) {
    GTEST_FLAG_SET(death_test_style, "fast");
    put("a", "1");
    auto held = database->fetch_locked(as_bytes("m"));
    ASSERT_TRUE(held.ok());
    EXPECT_DEATH((void)database->fetch_locked(as_bytes("n")), "");
    EXPECT_DEATH((void)database->try_fetch_locked(as_bytes("l")), "");
    EXPECT_DEATH((void)database->store(as_bytes("a"), as_bytes("2")), "");
}

}  // namespace Atoll::tdb

#include "smbd/xsrv/persistent.h"

#include <algorithm>

#include "base/limits.h"
#include "tdb/committer/process_test.h"

namespace Atoll::xsrv {
namespace {

Guid guid_of(uint8_t byte) {
    Guid out;
    out.bytes.fill(byte);
    return out;
}

open_global record_of(uint64_t id) {
    open_global out;
    out.persistent_id = id;
    out.client_guid = guid_of(7);
    out.access_mask = 0x12019F;
    out.share_access = 7;
    out.create_options = 2;
    out.id.volume = 1;
    out.id.inode = 2;
    out.id.generation = 3;
    out.share_path = std::string("/srv");
    out.name = std::string("d/f");
    durable_open& durable = out.durable.emplace();
    durable.kind = handle_kind::HANDLE_PERSISTENT;
    durable.create_guid = guid_of(8);
    durable.oplock = fsa::oplock_kind::OPLOCK_LEASE;
    open_lease& lease = durable.lease.emplace();
    lease.lease_key = guid_of(9);
    lease.state = 7;
    lease.epoch = 4;
    lease.version = 2;
    return out;
}

class PersistentTest : public testing::Test {
 protected:
    PersistentTest() {
        committer::CommitterSettings settings;
        settings.databases = {persistent_open_database, persistent_lock_database, persistent_file_database, create_intent_database};
        process_.emplace(directory_, settings);
        store_.emplace(directory_.path(), directory_.path(), &loop_);
    }
    void commit(const committer::Batch& batch) {
        const auto done = store_->commits().commit(batch);
        ASSERT_TRUE(done) << done.error().message();
    }
    std::vector<uint64_t> opens() {
        std::vector<uint64_t> out;
        EXPECT_TRUE(PersistentState(*store_).for_each_open([&](const open_global& record) { out.push_back(record.persistent_id); }));
        return out;
    }
    committer::TestDirectory directory_;
    std::optional<committer::CommitterProcess> process_;
    loop::Loop loop_;
    std::optional<committer::DurableStore> store_;
};

TEST_F(PersistentTest, AnOpenIsReadAsItWasWritten) {
    committer::Batch batch;
    put_open(batch, record_of(1));
    put_open(batch, record_of(0x1234567890ABCDEF));
    commit(batch);
    EXPECT_EQ(opens(), (std::vector<uint64_t>{1, 0x1234567890ABCDEF}));
    const auto found = PersistentState(*store_).find_open(1);
    ASSERT_TRUE(found);
    EXPECT_TRUE(is_persistent(*found));
    const fsa::RemainingOpen remains = remaining_open(*found);
    EXPECT_EQ(remains.file, (fsa::FileId{1, 2, 3, 0}));
    EXPECT_EQ(remains.name, "d/f");
    EXPECT_EQ(remains.oplock, fsa::OplockLevel::lease);
    EXPECT_EQ(remains.lease_client, guid_of(7));
    EXPECT_EQ(remains.lease_key, guid_of(9));
    EXPECT_EQ(remains.lease.epoch, 4);
    EXPECT_TRUE(remains.locks.empty());
    committer::Batch removal;
    remove_open(removal, 1, 0);
    commit(removal);
    EXPECT_FALSE(PersistentState(*store_).find_open(1));
    EXPECT_EQ(opens(), std::vector<uint64_t>{0x1234567890ABCDEF});
}

TEST_F(PersistentTest, WhatWasCachedForReadingAloneIsNotGivenBack) {
    for (const auto& [had, has] : {std::pair{7u, 7u}, {5u, 5u}, {3u, 0u}, {1u, 0u}, {0u, 0u}}) {
        open_global record = record_of(1);
        record.durable->lease->state = had;
        give_up_read_caching(record);
        EXPECT_EQ(record.durable->lease->state, has);
        EXPECT_EQ(record.durable->lease->epoch, had == has ? 4 : 5) << "of " << had;
    }
    open_global record = record_of(1);
    record.durable->lease.reset();
    for (const auto& [had, has] : {std::pair{fsa::oplock_kind::OPLOCK_LEVEL_II, fsa::oplock_kind::OPLOCK_NONE},
                                   {fsa::oplock_kind::OPLOCK_BATCH, fsa::oplock_kind::OPLOCK_BATCH}}) {
        record.durable->oplock = had;
        give_up_read_caching(record);
        EXPECT_EQ(record.durable->oplock, has);
    }
}

std::vector<uint64_t> offsets_of(const open_global& record) {
    std::vector<uint64_t> out;
    for (const open_lock& lock : record.durable->locks) out.push_back(lock.offset);
    std::ranges::sort(out);
    return out;
}

TEST_F(PersistentTest, ManyLocksAreWrittenOneByOne) {
    constexpr uint64_t locks = MAX_OPEN_LOCKS;
    PersistentState state(*store_);
    open_global record = record_of(1);
    for (uint64_t i = 0; i < locks; i++) record.durable->locks.push_back({128 * i, 128, i % 2 == 0});
    committer::Batch empty;
    put_open(empty, record);
    EXPECT_LT(empty.size(), 4096u);
    commit(empty);
    const LockBuckets used = buckets_of(record);
    EXPECT_EQ(state.differing(record), used);
    committer::Batch one, all;
    put_locks(one, record, bucket_of(record.durable->locks[7]));
    EXPECT_LT(one.size(), 65'536u);
    put_locks(all, record, used);
    put_open(all, record);  // a LOCK is one commit
    EXPECT_GT(all.size(), limits::max_batch);
    commit(all);
    EXPECT_EQ(state.differing(record), 0u);
    const auto found = state.find_open(1);
    ASSERT_TRUE(found);
    EXPECT_EQ(offsets_of(*found), offsets_of(record));
    size_t seen = 0;
    ASSERT_TRUE(state.for_each_open([&](const open_global& open) { seen += open.durable->locks.size(); }));
    EXPECT_EQ(seen, locks);
    committer::Batch removal;
    remove_open(removal, 1, used);
    commit(removal);
    seen = 0;
    ASSERT_TRUE(state.for_each_lock_bucket([&](uint64_t, LockBuckets) { seen++; }));
    EXPECT_EQ(seen, 0u);
}

TEST_F(PersistentTest, ALockThatGoesLeavesTheOthersOfItsBucket) {
    PersistentState state(*store_);
    open_global record = record_of(1);
    const open_lock gone{10, 5, true};
    record.durable->locks = {gone, gone, {20, 5, false}};  // the same range may be locked twice, shared
    committer::Batch all, changed;
    put_open(all, record);
    put_locks(all, record, buckets_of(record));
    commit(all);
    record.durable->locks.erase(record.durable->locks.begin());
    EXPECT_EQ(state.differing(record), bucket_of(gone));
    put_locks(changed, record, bucket_of(gone));
    commit(changed);
    EXPECT_EQ(offsets_of(*state.find_open(1)), (std::vector<uint64_t>{10, 20}));
    EXPECT_EQ(bucket_of({10, 5, false}), bucket_of(gone));  // an unlock does not say what kind of lock it is
}

TEST_F(PersistentTest, FilesAndIntents) {
    const fsa::FileId file{1, 2, 3, 0};
    create_intent intent;
    intent.client_guid = guid_of(1);
    intent.create_guid = guid_of(2);
    intent.name = "f";
    intent.begun = NtTime::now();
    committer::Batch batch;
    put_file(batch, file, {"/srv", "moved", true, std::nullopt});
    put_intent(batch, intent);
    commit(batch);
    PersistentState state(*store_);
    const auto found = state.find_file(file);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "moved");
    EXPECT_TRUE(found->delete_pending);
    std::vector<fsa::FileId> files;
    ASSERT_TRUE(state.for_each_file([&](const fsa::FileId& one) { files.push_back(one); }));
    EXPECT_EQ(files, std::vector<fsa::FileId>{file});
    ASSERT_TRUE(state.find_intent(guid_of(1), guid_of(2)));
    EXPECT_EQ(state.find_intent(guid_of(1), guid_of(2))->begun, intent.begun);
    EXPECT_FALSE(state.find_intent(guid_of(2), guid_of(1)));
    committer::Batch removal;
    remove_file(removal, file);
    remove_intent(removal, guid_of(1), guid_of(2));
    commit(removal);
    EXPECT_FALSE(state.find_file(file));
    EXPECT_FALSE(state.find_intent(guid_of(1), guid_of(2)));
}

TEST(PersistentStateTest, OfAServerThatNeverRanThereIsNone) {
    const committer::TestDirectory directory;
    committer::DurableStore store(directory.path(), directory.path());
    size_t seen = 0;
    EXPECT_TRUE(PersistentState(store).for_each_open([&](const open_global&) { seen++; }));
    EXPECT_EQ(seen, 0u);
    EXPECT_FALSE(PersistentState(store).find_open(1));
}

}  // namespace
}  // namespace Atoll::xsrv

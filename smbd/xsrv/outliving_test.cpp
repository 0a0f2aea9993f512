#include "smbd/xsrv/outliving.h"

#include <gtest/gtest.h>

#include "base/buffer.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {
namespace {

template <class Record>
Buffer encoded(const Record& record) {
    Buffer out;
    encode(record, out, idl::first_level);
    return out;
}

TEST(Outliving, OpensThatAreDurable) {
    open_global record;
    EXPECT_FALSE(open_outlives_node(encoded(record)));
    record.durable.emplace().kind = handle_kind::HANDLE_DURABLE;
    EXPECT_TRUE(open_outlives_node(encoded(record)));
    EXPECT_FALSE(open_outlives_node({})) << "no record";
}

TEST(Outliving, FilesThatSomebodyHasOpenDurably) {
    using Flags = fsa::share_mode_flags;
    fsa::locking_record record;
    record.share_modes.resize(2);
    EXPECT_FALSE(entries_outlive_node(encoded(record)));
    fsa::share_mode& second = record.share_modes.back();
    second.flags = Flags::SHARE_MODE_DURABLE;
    EXPECT_FALSE(entries_outlive_node(encoded(record))) << "it caches nothing that would keep its handle";
    second.oplock = fsa::oplock_kind::OPLOCK_BATCH;
    EXPECT_TRUE(entries_outlive_node(encoded(record)));
    second.flags |= Flags::SHARE_MODE_BREAKING;
    EXPECT_FALSE(entries_outlive_node(encoded(record)));
    second.flags = Flags::SHARE_MODE_RESILIENT;
    second.oplock = fsa::oplock_kind::OPLOCK_NONE;
    EXPECT_TRUE(entries_outlive_node(encoded(record)));
}

TEST(Outliving, LocksOfDurableOpens) {
    fsa::brlock_record record;
    record.holders.resize(2);
    record.holders[0].locks = 5;
    EXPECT_FALSE(locks_outlive_node(encoded(record)));
    record.holders[1].durable_open = 7;
    EXPECT_FALSE(locks_outlive_node(encoded(record))) << "its place is free";
    record.holders[1].locks = 1;
    EXPECT_TRUE(locks_outlive_node(encoded(record)));
}

TEST(Outliving, TheIndexOfPersistentOpens) {
    open_index record;
    record.opens.resize(1);
    EXPECT_TRUE(index_outlives_node(encoded(record)));
    EXPECT_FALSE(index_outlives_node({})) << "the last has gone";
}

}  // namespace
}  // namespace Atoll::xsrv

#include <gtest/gtest.h>

#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {
namespace {

TEST(Records, AllRoundTrip) {
    for (const auto types : {xsrv_records(), fsa::locking_records()}) {
        EXPECT_FALSE(types.empty());
        for (const idl::RecordType& type : types) {
            for (uint64_t seed = 0; seed < 500; seed++) {
                idl::Arbitrary random(seed);
                Buffer record;
                type.make(random, record, idl::first_level);
                EXPECT_EQ(load_le<uint16_t>(record.data()), 1);
                ASSERT_TRUE(type.to_json(record).ok()) << type.name << " " << seed;
                ASSERT_TRUE(type.round_trips(record)) << type.name << " " << seed;
                EXPECT_EQ(type.to_text(record.bytes().first(record.size() - 1)).error().code, Code::corrupt);
            }
        }
    }
}

// What a plain open costs in the databases: both records are small, and encoding into a used buffer does not allocate.
TEST(Records, PlainOpenIsCompact) {
    open_global open;
    open.user_sid = *parse_sid("S-1-5-21-1-2-3-1000");
    open.share_name = "data";
    open.share_path = "/srv/data";
    open.name = "dir/sub/a file of mine.txt";
    fsa::locking_record locking;
    locking.share_path = open.share_path;
    locking.name = open.name;
    locking.share_modes.resize(1);
    Buffer out;
    encode(open, out, idl::first_level);
    EXPECT_LE(out.size(), 256u);
    const uint8_t* place = out.data();
    out.clear();
    encode(locking, out, idl::first_level);
    EXPECT_LE(out.size(), 160u);
    out.clear();
    encode(open, out, idl::first_level);
    EXPECT_EQ(out.data(), place);
    open_global again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, open);
}

}  // namespace
}  // namespace Atoll::xsrv

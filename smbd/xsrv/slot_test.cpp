#include "smbd/xsrv/slot.h"

#include <gtest/gtest.h>

namespace Atoll::xsrv {
namespace {

constexpr uint64_t all = ~uint64_t{0};

class Slot : public testing::Test {
 protected:
    ~Slot() override { set_own_slots({}); }
};

TEST_F(Slot, WithoutAClusterAnyWillDo) {
    EXPECT_EQ(own_slot(), std::nullopt);
    EXPECT_EQ(new_open_id(0x0123456789ABCDEF), 0x0123456789ABCDEFu);
    EXPECT_EQ(new_session_id(0x0123456789ABCDEF), 0x89ABCDEFu);
    EXPECT_EQ(slot_of_open(uint64_t{0x3FF} << 54), 0x3FFu);
    EXPECT_EQ(slot_of_session(0x12345678), 0x12345678u >> 22);
}

TEST_F(Slot, IdentifiersCarryTheirs) {
    for (const uint32_t slot : {0u, 1u, 511u, slot_mask}) {
        set_own_slots([slot] { return std::optional(slot); });
        for (const uint64_t unique : {uint64_t{0}, uint64_t{0x0123456789ABCDEF}, all}) {
            EXPECT_EQ(slot_of_open(new_open_id(unique)), slot);
            EXPECT_EQ(slot_of_session(new_session_id(unique)), slot);
        }
        EXPECT_EQ(new_open_id(0x0123456789ABCDEF) & 0xFFFFFFFF, 0x89ABCDEFu);
        EXPECT_LE(new_session_id(all), 0xFFFFFFFEu);
    }
}

TEST_F(Slot, IdentifiersHaveTheirMeaningsLeft) {
    for (const auto slot : {std::optional<uint32_t>(), std::optional<uint32_t>(0), std::optional<uint32_t>(slot_mask)}) {
        set_own_slots([slot] { return slot; });
        EXPECT_NE(new_open_id(0), 0u);
        EXPECT_NE(new_open_id(all), all);
        EXPECT_NE(new_session_id(0xAAAA'0000'0000), 0u);
        EXPECT_NE(new_session_id(all), 0xFFFFFFFFu);
    }
}

}  // namespace
}  // namespace Atoll::xsrv

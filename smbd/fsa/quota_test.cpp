#include "smbd/fsa/quota.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include <map>

#include "smbd/fsa/command.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/quota_command.h"

namespace Atoll::fsa {
namespace {

struct FakeQuotas final : vfs::Quotas {
    std::map<uid_t, vfs::Quota> entries;
    vfs::QuotaState now = vfs::QuotaState::enforced;

    bool kept() override { return now != vfs::QuotaState::off; }
    Result<vfs::QuotaState, int> state() override {
        if (now == vfs::QuotaState::off) return EOPNOTSUPP;
        return now;
    }
    Result<vfs::Quota, int> of(uid_t uid) override {
        if (now == vfs::QuotaState::off) return EOPNOTSUPP;
        return entries.contains(uid) ? entries[uid] : vfs::Quota{uid, 0, {}};
    }
    Result<vfs::Quota, int> next(uid_t from) override {
        const auto at = entries.lower_bound(from);
        if (at == entries.end()) return ENOENT;
        return at->second;
    }
    Result<void, int> set(uid_t uid, const vfs::QuotaLimits& limits) override {
        entries[uid].uid = uid;
        entries[uid].limits = limits;
        return {};
    }
    Result<vfs::QuotaLimits, int> defaults() override { return vfs::QuotaLimits{}; }
    Result<void, int> set_defaults(vfs::QuotaState, const vfs::QuotaLimits&) override { return EOPNOTSUPP; }
};

struct VolumeQuotasTest : testing::Test {
    security::UnixIdMap ids;
    FakeQuotas* fake = new FakeQuotas;  // owned by `quotas`
    VolumeQuotas quotas{std::unique_ptr<vfs::Quotas>(fake), ids};
    Sid sid(uint32_t uid) { return ids.user_sid(uid); }
};

TEST_F(VolumeQuotasTest, GivesEntriesInTheirOrderAndPositionsGoOn) {
    fake->entries = {{7, {7, 100, {}}}, {8, {8, 0, {}}}, {900, {900, 0, {2048, 4096}}}};
    uint64_t position = 0;
    const auto first = quotas.next(position);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->sid, sid(7));
    EXPECT_EQ(first->used, 100u);
    EXPECT_EQ(first->limit, QuotaEntry::no_limit);
    const auto second = quotas.next(position);  // 8 uses nothing and has no limits
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(second->sid, sid(900));
    EXPECT_EQ(second->threshold, 2048u);
    EXPECT_EQ(second->limit, 4096u);
    EXPECT_EQ(quotas.next(position).error(), NtStatus::NO_MORE_ENTRIES);
    EXPECT_EQ(*quotas.position_after(sid(7)), 8u);
}

TEST_F(VolumeQuotasTest, ZerosForWhoHasNoEntry) {
    const auto none = quotas.of(sid(5));
    ASSERT_TRUE(none.ok());
    EXPECT_EQ(none->threshold, 0u);
    EXPECT_EQ(none->limit, 0u);
    EXPECT_EQ(quotas.of(well_known::everyone)->limit, 0u);
    fake->now = vfs::QuotaState::off;
    EXPECT_EQ(quotas.of(sid(5)).error(), NtStatus::NOT_SUPPORTED);
    EXPECT_EQ(quotas.of(well_known::everyone).error(), NtStatus::NOT_SUPPORTED);
}

TEST_F(VolumeQuotasTest, SetsAndRemoves) {
    EXPECT_TRUE(quotas.set({sid(5), 0, QuotaEntry::no_limit, 8192}).ok());
    EXPECT_EQ(fake->entries[5].limits.soft, 0u);
    EXPECT_EQ(fake->entries[5].limits.hard, 8192u);
    EXPECT_TRUE(quotas.set({sid(5), 0, 0, 0}).ok());
    EXPECT_EQ(fake->entries[5].limits.hard, 1u) << "a limit of nothing is no absence of limits";
    EXPECT_TRUE(quotas.set({sid(5), 0, 0, QuotaEntry::remove}).ok());
    EXPECT_FALSE(fake->entries[5].has_limits());
    EXPECT_EQ(quotas.set({sid(5), 0, 0, QuotaEntry::remove}).error(), NtStatus::NO_MATCH);
    EXPECT_EQ(quotas.set({sid(5), 0, 0, uint64_t{1} << 63}).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(quotas.set({well_known::administrators, 0, 0, 8192}).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(quotas.set({well_known::everyone, 0, 0, 8192}).error(), NtStatus::INVALID_PARAMETER);
}

TEST_F(VolumeQuotasTest, AUsersVolumeIsWhatHeMayUseOfIt) {
    fake->entries = {{5, {5, 4096, {0, 3 * 4096}}}, {6, {6, 9 * 4096, {0, 4096}}}};
    const auto size_for = [&](uid_t uid) {
        VolumeSize size{100, 50, 60, 8, 512, 512};
        quotas.apply_to(size, uid);
        EXPECT_EQ(size.actual_units, 60u);
        return std::pair(size.total_units, size.caller_units);
    };
    EXPECT_EQ(size_for(5), std::pair(uint64_t{3}, uint64_t{2}));
    EXPECT_EQ(size_for(6), std::pair(uint64_t{1}, uint64_t{0}));
    EXPECT_EQ(size_for(7), std::pair(uint64_t{100}, uint64_t{50}));
    fake->now = vfs::QuotaState::tracked;
    EXPECT_EQ(size_for(5), std::pair(uint64_t{100}, uint64_t{50}));
}

struct Commands : testing::Test {
    vfs::File root{UniqueFd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), true, false, 0, nullptr};
};

TEST_F(Commands, GetTheirArgumentsAndDirectoryAndTheirOutputIsBounded) {
    const std::vector<std::string> arguments{"a b", "$HOME"};
    const auto answer = run_command("pwd; printf '%s|'", arguments, root.fd.get());
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(*answer, "/\na b|$HOME|");
    EXPECT_EQ(run_command("exit 3; :", arguments, root.fd.get()).error(), EIO);
    const auto long_one = run_command("head -c 1024 /dev/zero; :", {}, root.fd.get());
    ASSERT_TRUE(long_one.ok());
    EXPECT_EQ(long_one->size(), limits::max_command_output);
}

TEST_F(Commands, NumbersOfALine) {
    EXPECT_EQ(numbers_of_line("  12 -3\t4 x 5\n6"), (std::vector<int64_t>{12, -3, 4}));
    EXPECT_TRUE(numbers_of_line("").empty());
    EXPECT_TRUE(numbers_of_line("\n1 2").empty());
}

TEST_F(Commands, TellAndSetQuotas) {
    const auto told = command_quotas(root, "echo 1 3 4 5 6 7 8 512 #", "#");
    const auto quota = told->of(12);
    ASSERT_TRUE(quota.ok());
    EXPECT_EQ(quota->uid, 12u);
    EXPECT_EQ(quota->used, 3u * 512);
    EXPECT_EQ(quota->limits.soft, 4u * 512);
    EXPECT_EQ(quota->limits.hard, 5u * 512);
    EXPECT_EQ(*told->state(), vfs::QuotaState::tracked);
    EXPECT_EQ(told->set(12, {1, 2}).error(), EIO) << "nothing printed: it failed";
    EXPECT_EQ(command_quotas(root, "echo 1 3 4 #", "#")->of(12).error(), EIO);
    EXPECT_EQ(command_quotas(root, "echo 1 3 4 5 6 7 8 #", "")->set(12, {1, 2}).error(), EOPNOTSUPP);
    EXPECT_EQ(command_quotas(root, "echo 0 0 0 0 0 0 0 #", "")->state().error(), EOPNOTSUPP);
    EXPECT_EQ(told->next(0)->uid, 0u);
}

TEST_F(Commands, AFileSystemWithoutQuotas) {
    vfs::File proc{UniqueFd(::open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)), true, false, 0, nullptr};
    const auto quotas = vfs::kernel_quotas(proc);
    EXPECT_FALSE(quotas->kept());
    EXPECT_EQ(quotas->state().error(), EOPNOTSUPP);
    EXPECT_EQ(quotas->of(12).error(), EOPNOTSUPP);
}

// A file system with quotas, mounted at $ATOLL_QUOTA_DIRECTORY, and root: quota_test.py runs this in a guest whose kernel has them.
struct KernelQuotas : testing::Test {
    static constexpr uid_t user = 12345;
    const std::string directory = std::getenv("ATOLL_QUOTA_DIRECTORY") != nullptr ? std::getenv("ATOLL_QUOTA_DIRECTORY") : "";
    vfs::File root{UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), true, false, 0, nullptr};

    // Writes so many bytes into a file of the user's, as the user: those that went.
    ssize_t write_as_user(const char* name, size_t bytes) const {
        const UniqueFd file(::open((directory + "/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!file.valid() || ::fchown(file.get(), user, user) != 0) return -1;
        const std::vector<char> data(bytes, 'x');
        if (::seteuid(user) != 0) return -1;  // without CAP_SYS_RESOURCE, for which no limit holds
        const ssize_t written = ::write(file.get(), data.data(), data.size());
        if (::seteuid(0) != 0) return -1;
        return ::fsync(file.get()) == 0 ? written : -1;
    }
};

TEST_F(KernelQuotas, DISABLED_AreToldAndSetAndHold) {
    ASSERT_TRUE(root.fd.valid()) << directory;
    const auto quotas = vfs::kernel_quotas(root);
    EXPECT_TRUE(quotas->kept());
    const auto state = quotas->state();
    ASSERT_TRUE(state.ok());
    EXPECT_EQ(*state, vfs::QuotaState::enforced);
    EXPECT_EQ(quotas->of(user)->used, 0u);
    EXPECT_EQ(write_as_user("a", 65536), 65536);
    const auto used = quotas->of(user);
    ASSERT_TRUE(used.ok());
    EXPECT_EQ(used->used, 65536u);
    EXPECT_FALSE(used->has_limits());

    EXPECT_TRUE(quotas->set(user, {100 * 1024 - 1, 128 * 1024}).ok());
    const auto limited = quotas->of(user);
    EXPECT_EQ(limited->limits.soft, 100u * 1024);
    EXPECT_EQ(limited->limits.hard, 128u * 1024);
    EXPECT_EQ(quotas->next(1)->uid, user);
    EXPECT_EQ(quotas->next(user + 1).error(), ENOENT);
    EXPECT_EQ(quotas->next(0)->uid, 0u);

    security::UnixIdMap ids;
    VolumeQuotas volume(vfs::kernel_quotas(root), ids);
    EXPECT_EQ(volume.control()->flags, QuotaControl::enforced);
    const auto entry = volume.of(ids.user_sid(user));
    EXPECT_EQ(entry->used, 65536u);
    EXPECT_EQ(entry->limit, 128u * 1024);
    EXPECT_EQ(volume.set_control({QuotaEntry::no_limit, 4096, QuotaControl::enforced}).error(), NtStatus::NOT_SUPPORTED);

    // What the hard limit leaves, and no more.
    EXPECT_EQ(write_as_user("b", 1 << 20), 65536);
    EXPECT_TRUE(volume.set({ids.user_sid(user), 0, 0, QuotaEntry::remove}).ok());
    EXPECT_EQ(write_as_user("c", 1 << 20), 1 << 20);
}

}  // namespace
}  // namespace Atoll::fsa

#include "smbd/accounts/activity.h"

#include "tdb/committer/process_test.h"

namespace Atoll::accounts {
namespace {

TEST(Activity, IsNotedOnceInAWhileAndRead) {
    const committer::TestDirectory directory;
    committer::CommitterSettings settings;
    settings.databases = {activity_database};
    const committer::CommitterProcess process(directory, settings);
    loop::Loop loop;
    committer::DurableStore store(directory.path(), directory.path(), &loop);
    const Sid alice(5, {21, 1, 2, 3, 1000}), bob(5, {21, 1, 2, 3, 1001});
    EXPECT_FALSE(*activity_of(store, alice));
    ActivityNotes notes(store.commits());
    const NtTime before = NtTime::now();
    notes.logged_on(alice, "alice", "192.0.2.1");
    notes.logged_on(alice, "alice", "192.0.2.2");
    notes.logged_on(bob, "bob", "192.0.2.3");
    EXPECT_EQ(store.commits().waiting(), 2u);
    while (store.commits().waiting() > 0) (void)loop.run_once(monotonic_now() + std::chrono::seconds(1));
    const auto found = activity_of(store, alice);
    ASSERT_TRUE(found.ok() && *found);
    EXPECT_EQ((*found)->user, "alice");
    EXPECT_EQ((*found)->peer_address, "192.0.2.1");
    EXPECT_GE((*found)->last_logon, before);
    EXPECT_EQ((*activity_of(store, bob))->user, "bob");
}

TEST(Activity, WithoutAServerThereIsNone) {
    const committer::TestDirectory directory;
    committer::DurableStore store(directory.path(), directory.path());
    const auto none = activity_of(store, Sid(5, {21, 1, 2, 3, 1000}));
    ASSERT_TRUE(none.ok());
    EXPECT_FALSE(*none);
}

}  // namespace
}  // namespace Atoll::accounts

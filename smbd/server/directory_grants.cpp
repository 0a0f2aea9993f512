#include "smbd/server/directory_grants.h"

#include "base/assert.h"
#include "ctdb/client/cluster_database.h"
#include "ctdb/grants/cluster_home.h"
#include "tdb/file/file_database.h"

namespace Atoll::server {

namespace {

Result<std::unique_ptr<tdb::Database>> open_of_node(const std::string& directory, const char* name, tdb::Rank rank) {
    tdb::FileOptions options;
    options.path = directory + "/" + name;
    options.rank = rank;
    options.clear_if_first = true;
    options.locks = tdb::LockMode::mutex;
    auto opened = tdb::FileDatabase::open(options);
    if (!opened) return opened.failure();
    return std::unique_ptr<tdb::Database>(std::move(*opened));
}

}  // namespace

Result<std::unique_ptr<DirectoryGrants>> DirectoryGrants::open(const std::shared_ptr<ctdb::Node>& node, const std::string& lock_directory) {
    std::unique_ptr<DirectoryGrants> made(new DirectoryGrants);
    made->node_ = node;
    auto shared = ctdb::ClusterDatabase::open(node, ctdb::grants_database, ctdb::grants_rank);
    if (!shared) return shared.failure();
    made->shared_ = std::move(*shared);
    auto held = open_of_node(lock_directory, "grants.tdb", tdb::Rank::index);
    if (!held) return held.failure();
    made->held_ = std::move(*held);
    auto directories = open_of_node(lock_directory, "directories.tdb", tdb::Rank::locking);
    if (!directories) return directories.failure();
    made->directories_ = std::move(*directories);
    auto waiters = open_of_node(lock_directory, "directory_watches.tdb", tdb::Rank::watches);
    if (!waiters) return waiters.failure();
    made->waiters_ = std::move(*waiters);
    return made;
}

DirectoryGrants::~DirectoryGrants() = default;

// Who waits for what is of this node stands on this node too: a directory's change asks no other node whether somebody does.
void DirectoryGrants::join(messaging::Messaging& messaging, watch::Watches& watches, loop::Loop* agents_loop) {
    watches.observe(*held_, "grants.tdb", waiters_.get());
    watches.observe(*directories_, "directories.tdb", waiters_.get());
    if (agents_loop != nullptr) {
        agent_ = std::make_unique<ctdb::ClusterGrantsAgent>(node_, *shared_, *held_, *agents_loop, messaging);
    } else {
        process_ = std::make_unique<ctdb::ClusterGrants>(node_, *shared_, *held_, messaging);
    }
}

grants::NodeGrants& DirectoryGrants::node_grants() {
    ATOLL_ASSERT(agent_ || process_);
    return agent_ ? agent_->node_grants() : process_->node_grants();
}

Result<void> DirectoryGrants::begin(grants::Recalls& recalls) { return agent_->begin(recalls); }

void DirectoryGrants::node_lost() { agent_->node_lost(); }

}  // namespace Atoll::server

#include "smbd/xsrv/databases.h"

#include "smbd/xsrv/outliving.h"
#include "smbd/xsrv/shared_database.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/file/file_database.h"

namespace Atoll::xsrv {
namespace {

Result<std::unique_ptr<tdb::Database>> open_one(const std::string& directory, const char* name, tdb::Rank rank, bool counts) {
    tdb::FileOptions options;
    options.path = directory + "/" + name;
    options.rank = rank;
    options.clear_if_first = true;
    options.count_changes = counts;
    options.locks = tdb::LockMode::mutex;
    auto opened = tdb::FileDatabase::open(options);
    if (!opened.ok()) return opened.failure();
    return std::unique_ptr<tdb::Database>(std::move(*opened));
}

struct Kind {
    std::unique_ptr<tdb::Database> Databases::*database;
    const char* name;
    tdb::Rank rank;
    SharedKind shared{};
    bool counts = false;  // its changes: whoever saw no record need not look again before there is a change
};

constexpr bool with_slot = true, hashed = false;  // where the slot of a record is, in a cluster
constexpr Kind kinds[] = {
    {&Databases::client, "smbXsrv_client_global.tdb", tdb::Rank::client},
    {&Databases::session, "smbXsrv_session_global.tdb", tdb::Rank::session, {with_slot}},
    {&Databases::tcon, "smbXsrv_tcon_global.tdb", tdb::Rank::tcon, {with_slot}},
    {&Databases::open, "smbXsrv_open_global.tdb", tdb::Rank::open, {with_slot, open_outlives_node}},
    {&Databases::open_index, "smbXsrv_open_index.tdb", tdb::Rank::index, {hashed, index_outlives_node}},
    {&Databases::locking, "locking.tdb", tdb::Rank::locking, {hashed, entries_outlive_node}},
    {&Databases::brlock, "brlock.tdb", tdb::Rank::brlock, {hashed, locks_outlive_node}, true},
    {&Databases::leases, "leases.tdb", tdb::Rank::leases},
    {&Databases::waiters, "watches.tdb", tdb::Rank::watches},
    {&Databases::notify_index, "notify_index.tdb", tdb::Rank::watches, {}, true},  // while one of its records is held nothing else is used
};

}  // namespace

SharedKind shared_kind(std::string_view name) {
    for (const Kind& kind : kinds) {
        if (kind.name == name) return kind.shared;
    }
    return {};
}

Result<Databases> open_databases(const std::string& directory, const OpenShared& shared) {
    Databases out;
    for (const Kind& kind : kinds) {
        auto opened = shared ? shared(kind.name, kind.rank) : open_one(directory, kind.name, kind.rank, kind.counts);
        if (!opened.ok()) return opened.failure();
        out.*kind.database = std::move(*opened);
    }
    return out;
}

Result<std::unique_ptr<tdb::Database>> open_object_ids(const std::string& state_directory) {
    tdb::FileOptions options;
    options.path = state_directory + "/object_ids.tdb";
    auto opened = tdb::FileDatabase::open(options);
    if (!opened.ok()) return opened.failure();
    return std::unique_ptr<tdb::Database>(std::move(*opened));
}

// The record itself is always of the first level, for every program has to read it.
Result<idl::Level> settle_format_level(tdb::Database& database, idl::Level level) {
    auto record = database.fetch_locked(as_bytes("version"));
    if (!record.ok()) return record.failure();
    version_global version;
    if (record->exists()) {
        if (auto decoded = decode(record->value(), version); !decoded.ok()) return decoded.failure();
    }
    if (version.format_level > idl::newest_known_level())
        return fail(Code::unsupported, database.name(),
                    "records are written at format level " + std::to_string(version.format_level) + ", and this program reads up to " +
                        std::to_string(idl::newest_known_level()) + ": start a newer one");
    if (version.format_level >= level) return idl::Level{version.format_level};
    version.format_level = level;
    Buffer encoded;
    encode(version, encoded, idl::first_level);
    if (auto stored = record->store(encoded); !stored) return stored.failure();
    return level;
}

Result<void> reopen_after_fork(const Databases& databases) {
    for (tdb::Database* database :
         {databases.client.get(), databases.session.get(), databases.tcon.get(), databases.open.get(), databases.open_index.get(),
          databases.locking.get(), databases.brlock.get(), databases.leases.get(), databases.waiters.get(), databases.notify_index.get()}) {
        if (auto reopened = database->reopen_after_fork(); !reopened.ok()) return reopened;
    }
    return {};
}

void watch_changes(Databases& databases, loop::Loop& loop, messaging::Messaging& messaging) {
    databases.watches = std::make_unique<watch::Watches>(loop, messaging, *databases.waiters);
    databases.watches->observe(*databases.client, "smbXsrv_client_global.tdb");
    databases.watches->observe(*databases.session, "smbXsrv_session_global.tdb");
    databases.watches->observe(*databases.locking, "locking.tdb");
    databases.watches->observe(*databases.brlock, "brlock.tdb");
}

}  // namespace Atoll::xsrv

#include "ctdb/tool/backup_commands.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <set>

#include "base/file.h"
#include "base/unique_fd.h"
#include "ctdb/tool/backup_file.h"
#include "ctdb/tool/output.h"
#include "ctdb/tool/persistent_database.h"
#include "ctdb/tool/record_listing.h"

namespace Atoll::ctdb {
namespace {

std::string text(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

Result<std::vector<DumpedRecord>, int> records_of(Call& call, const protocol::database_entry& database) {
    if (has_transactions(database)) return persistent_records(call, database.name);
    std::vector<DumpedRecord> records;
    for (const auto& node : call.here.nodes) {
        const bool inactive =
            (node.flags & (protocol::node_flags::NODE_STOPPED | protocol::node_flags::NODE_BANNED)) != protocol::node_flags::none;
        if (!node.connected || inactive) continue;
        if (const int status = append_records_of(call, node.pnn, database.name, Copies::of_dmaster, records); status != 0)
            return tl::unexpected(status);
    }
    return records;
}

BackupKind kind_of(const protocol::database_entry& database) {
    if (database.persistent) return BackupKind::of_persistent;
    return database.replicated ? BackupKind::of_replicated : BackupKind::of_volatile;
}

int run_catdb(Call& call) {
    const auto* database = database_of(call, "catdb", call.arguments[0]);
    if (database == nullptr) return failure;
    const auto records = records_of(call, *database);
    if (!records) return records.error();
    for (const DumpedRecord& record : *records) say(text_of(record));
    say(fmt::format("Dumped {} records\n", records->size()));
    return 0;
}

int write_file(const std::string& path, Bytes bytes) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) {
        const int error = errno;
        complain(fmt::format("Failed to open file {} for writing", path));
        return error;
    }
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
        if (written <= 0) {
            const int error = errno;
            complain(fmt::format("{}: {}", path, std::strerror(error)));
            return error;
        }
        bytes = bytes.subspan(static_cast<size_t>(written));
    }
    if (::fsync(fd.get()) == 0) return 0;
    const int error = errno;
    complain(fmt::format("{}: {}", path, std::strerror(error)));
    return error;
}

int run_backupdb(Call& call) {
    const auto* database = database_of(call, "backupdb", call.arguments[0]);
    if (database == nullptr) return failure;
    auto records = records_of(call, *database);
    if (!records) return records.error();
    Buffer file;
    if (auto made = write_backup({std::time(nullptr), kind_of(*database), database->name, std::move(*records)}, file); !made) {
        complain(made.error().message());
        return failure;
    }
    if (const int status = write_file(call.arguments[1], file.bytes()); status != 0) return status;
    say("Database backed up to " + call.arguments[1] + "\n");
    return 0;
}

// Prints why not, and gives the exit status.
Result<Backup, int> backup_of(const std::string& path) {
    const auto file = read_file(path, max_backup_file);
    if (!file) {
        complain(fmt::format("Failed to open file {} for reading", path));
        return tl::unexpected(file.error().code == Code::not_found ? ENOENT : EIO);
    }
    auto backup = read_backup(as_bytes(*file));
    if (backup) return std::move(*backup);
    complain(backup.error().code == Code::unsupported ? backup.error().text : path + ": " + backup.error().text);
    return tl::unexpected(EINVAL);
}

std::string moment_of(const Backup& backup) {
    const std::time_t moment = backup.moment;
    std::tm parts{};
    ::localtime_r(&moment, &parts);
    return fmt::format("{:%Y/%m/%d %H:%M:%S}", parts);
}

int run_dumpdbbackup(Call& call) {
    const auto backup = backup_of(call.arguments[0]);
    if (!backup) return backup.error();
    say(fmt::format("Dumping database {} from backup @ {}\n", backup->name, moment_of(*backup)));
    for (const DumpedRecord& record : backup->records) say(text_of(record));
    say(fmt::format("Dumped {} record(s)\n", backup->records.size()));
    return 0;
}

// The database is made, if need be, and becomes what the backup says in one transaction; its sequence number goes on.
int restore(Call& call, const std::string& name, const Backup& backup) {
    protocol::request attach;
    attach.node = call.here.pnn;
    attach.op = protocol::operation::ATTACH_PERSISTENT;
    attach.seconds = backup.kind == BackupKind::of_replicated ? 1 : 0;
    attach.database = name;
    if (const auto made = call.ask(attach); !made) return made.error();
    PersistentDatabase database(call, name);
    const auto before = database.read_all();
    if (!before) return before.error();
    std::vector<protocol::record_write> writes;
    std::set<std::string> keys;
    for (const DumpedRecord& record : backup.records) {
        if (is_sequence_record(record) || record.value.empty() || !keys.insert(record.key).second) continue;
        writes.push_back({bytes_of(record.key), bytes_of(record.value)});
    }
    for (const auto& record : before->records) {
        if (!keys.contains(text(record.key))) writes.push_back({record.key, {}});
    }
    return database.commit(writes, static_cast<int64_t>(before->seqnum));
}

int run_restoredb(Call& call) {
    if (call.options.node) {
        complain("Node cannot be specified for command restoredb");
        return failure;
    }
    const auto backup = backup_of(call.arguments[0]);
    if (!backup) return backup.error();
    const std::string name = call.arguments.size() > 1 ? call.arguments[1] : backup->name;
    say(fmt::format("Restoring database {} from backup @ {}\n", name, moment_of(*backup)));
    if (backup->kind == BackupKind::of_volatile) {
        complain(backup->name + " is the backup of a volatile database, which is not restored");
        return failure;
    }
    if (const int status = restore(call, name, *backup); status != 0) return status;
    say(fmt::format("Database {} restored\n", name));
    return 0;
}

}  // namespace

std::vector<Command> backup_commands() {
    return {
        {"catdb", run_catdb, "<dbname|dbid>", "dump cluster-wide ctdb database", 1, 1},
        {"backupdb", run_backupdb, "<dbname|dbid> <file>", "backup a database into a file", 2, 2},
        {"restoredb", run_restoredb, "<file> [dbname]", "restore a database from a file", 1, 2},
        {"dumpdbbackup", run_dumpdbbackup, "<file>", "dump database from a backup file", 1, 1, false},
    };
}

}  // namespace Atoll::ctdb

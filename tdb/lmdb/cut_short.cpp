#include "tdb/lmdb/cut_short.h"

#include <lmdb.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>

#include "base/limits.h"

namespace Atoll::tdb {
namespace {

bool is_shorter_than_its_commit(MDB_env* environment) {
    MDB_envinfo info{};
    MDB_stat stat{};
    int fd = -1;
    struct stat st {};
    ::mdb_env_info(environment, &info);
    ::mdb_env_stat(environment, &stat);
    if (::mdb_env_get_fd(environment, &fd) != 0 || ::fstat(fd, &st) != 0) return false;
    return static_cast<uint64_t>(st.st_size) < (uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
}

// Every page of one database.
int read_all(MDB_txn* transaction, MDB_dbi dbi, bool of_databases) {
    MDB_cursor* cursor = nullptr;
    int outcome = ::mdb_cursor_open(transaction, dbi, &cursor);
    MDB_val key, value;
    volatile uint8_t seen = 0;
    while (outcome == 0 && (outcome = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        const auto* bytes = static_cast<const uint8_t*>(value.mv_data);
        for (size_t at = 0; at < value.mv_size; at += 512) seen = bytes[at];
        if (value.mv_size > 0) seen = bytes[value.mv_size - 1];
        if (!of_databases) continue;
        MDB_dbi named = 0;
        const std::string name(static_cast<const char*>(key.mv_data), key.mv_size);
        const int opened = ::mdb_dbi_open(transaction, name.c_str(), 0, &named);
        if (opened == MDB_INCOMPATIBLE || opened == MDB_NOTFOUND) continue;  // a record
        outcome = opened == 0 ? read_all(transaction, named, false) : opened;
    }
    (void)seen;
    return outcome == MDB_NOTFOUND ? 0 : outcome;
}

int read_everything(const std::string& path) {
    MDB_env* environment = nullptr;
    MDB_txn* transaction = nullptr;
    int outcome = ::mdb_env_create(&environment);
    if (outcome == 0) outcome = ::mdb_env_set_maxdbs(environment, limits::max_lmdb_databases);
    if (outcome == 0) outcome = ::mdb_env_set_maxreaders(environment, limits::max_lmdb_readers);
    if (outcome == 0) outcome = ::mdb_env_open(environment, path.c_str(), MDB_NOSUBDIR | MDB_RDONLY, 0);
    if (outcome == 0) outcome = ::mdb_txn_begin(environment, nullptr, MDB_RDONLY, &transaction);
    constexpr MDB_dbi of_free_pages = 0;
    MDB_dbi unnamed = 0;
    if (outcome == 0) outcome = read_all(transaction, of_free_pages, false);
    if (outcome == 0) outcome = ::mdb_dbi_open(transaction, nullptr, 0, &unnamed);
    if (outcome == 0) outcome = read_all(transaction, unnamed, true);
    if (transaction) ::mdb_txn_abort(transaction);
    return outcome;
}

}  // namespace

bool is_cut_short(MDB_env* environment, const std::string& path) {
    if (!is_shorter_than_its_commit(environment)) return false;
    const pid_t child = ::fork();
    if (child < 0) return true;  // it cannot be found out
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        ::signal(SIGBUS, SIG_DFL);
        ::_exit(read_everything(path) == 0 ? 0 : 1);
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return true;
    }
    return status != 0;
}

}  // namespace Atoll::tdb

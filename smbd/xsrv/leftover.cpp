#include "smbd/xsrv/leftover.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "base/unique_fd.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/xsrv/open_index.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/file/file_database.h"

namespace Atoll::xsrv {

namespace {

constexpr const char* table_names[] = {"smbXsrv_open_global.tdb", "locking.tdb", "brlock.tdb", "leases.tdb"};
constexpr size_t boot_id_size = 36;  // proc(5), /proc/sys/kernel/random/boot_id

// "" if it cannot be read.
std::string read_boot_id(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, boot_id_size> text{};
    const ssize_t size = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
    return size == static_cast<ssize_t>(text.size()) ? std::string(text.data(), text.size()) : std::string();
}

std::string current_boot_id() { return read_boot_id("/proc/sys/kernel/random/boot_id"); }
std::string boot_id_path(const std::string& lock_directory) { return lock_directory + "/boot_id"; }

}  // namespace

Leftover Leftover::read(const std::string& lock_directory) {
    Leftover out;
    const std::string now = current_boot_id();
    if (now.empty() || read_boot_id(boot_id_path(lock_directory)) != now) return out;
    for (const Table table : {Table::open, Table::locking, Table::brlock, Table::leases}) out.read_table(lock_directory, table);
    std::sort(out.holders_.begin(), out.holders_.end());
    out.holders_.erase(std::unique(out.holders_.begin(), out.holders_.end()), out.holders_.end());
    return out;
}

Result<void> Leftover::note_boot(const std::string& lock_directory) {
    const std::string path = boot_id_path(lock_directory);
    const std::string text = current_boot_id() + "\n";
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno(errno, path, "cannot write");
    return {};
}

void Leftover::read_table(const std::string& directory, Table table) {
    const std::string path = directory + "/" + table_names[static_cast<size_t>(table)];
    auto database = tdb::FileDatabase::open({.path = path, .create = false, .read_only = true});
    if (!database) {
        if (database.error().code != Code::not_found) log_warning("{}: what was open is forgotten", database.error().message());
        return;
    }
    const size_t before = records_.size();
    const auto keep = [&](Bytes key, Bytes value) {
        if (!take(table, key, value)) log_warning("{}: a record that is not understood is forgotten", path);
        return tdb::Visit::go_on;
    };
    const auto visited = (*database)->traverse(keep);
    if (visited) return;
    log_warning("{}: what can be read of it is kept", visited.error().message());
    records_.resize(before);
    if (const auto rescued = (*database)->rescue(keep); !rescued) log_warning("{}", rescued.error().message());
}

bool Leftover::take(Table table, Bytes key, Bytes value) {
    bool good = false;
    if (table == Table::open) {
        open_global record;
        good = decode(value, record).ok();
        if (good) add_holder(record.owner);
    } else if (table == Table::locking) {
        fsa::locking_record record;
        good = decode(value, record).ok();
        for (const fsa::share_mode& mode : record.share_modes) add_holder(mode.holder);
    } else if (table == Table::brlock) {
        fsa::brlock_record record;
        good = decode(value, record).ok();
        for (const fsa::lock_holder& holder : record.holders) {
            if (holder.locks > 0) add_holder(holder.holder);
        }
    } else {
        fsa::lease_record record;
        good = decode(value, record).ok();
    }
    if (!good) return false;
    Record kept{table, {}, {}};
    kept.key.assign(key);
    kept.value.assign(value);
    records_.push_back(std::move(kept));
    return true;
}

void Leftover::add_holder(const tdb::server_id& holder) {
    if (holder.pid != tdb::DISCONNECTED_PID && holder.pid != 0) holders_.emplace_back(holder);
}

Result<void> Leftover::put_back(const Targets& targets) const {
    OpenIndex index(*targets.open_index, {});
    for (const Record& record : records_) {
        tdb::Database* database = nullptr;
        switch (record.table) {
            case Table::open: database = targets.open; break;
            case Table::locking: database = targets.locking; break;
            case Table::brlock: database = targets.brlock; break;
            case Table::leases: database = targets.leases; break;
        }
        open_global open;
        const bool decoded = record.table == Table::open && decode(record.value, open);
        if (const Guid* const key = decoded ? index_key_of(open) : nullptr) {
            if (auto added = index.add(*key, open.persistent_id); !added) return added;
        }
        if (auto stored = database->store(record.key, record.value); !stored) return stored;
    }
    return {};
}

}  // namespace Atoll::xsrv

#include "tools/smbstatus/state.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "base/unique_fd.h"
#include "ctdb/client/cluster_database.h"
#include "ctdb/client/cluster_messaging.h"
#include "smbd/fsa/lock_array.h"
#include "smbd/xsrv/shared_database.h"
#include "tdb/file/file_database.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::smbstatus {

namespace {

// Which processes live: those whose mailboxes somebody reads (tdb/messaging). Asked once of each.
class Mailboxes {
 public:
    explicit Mailboxes(const std::string& lock_directory)
        : mailboxes_(::open((lock_directory + "/msg.sock").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

    [[nodiscard]] bool probe(const messaging::ServerId& id) const {
        const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = fmt::format("/proc/self/fd/{}/{}", mailboxes_.get(), to_string(id));
        if (!mailboxes_ || !socket || path.size() >= sizeof address.sun_path) return false;
        std::memcpy(address.sun_path, path.c_str(), path.size());
        return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
               (errno != ENOENT && errno != ECONNREFUSED);
    }

 private:
    UniqueFd mailboxes_;
};

using Key = std::vector<uint8_t>;

std::string full_name(const fsa::locking_record& record) {
    const std::string name = record.name.empty() ? "." : record.name;
    return record.stream.empty() ? name : name + ":" + record.stream;
}

class Reader {
 public:
    Reader(const Source& source, const Wanted& wanted) : source_(source), wanted_(wanted) {}

    State read() {
        read_sessions();
        read_tcons();
        if (wanted_.locks) {
            read_opens();
            read_files();
            read_leases();
            read_locks();
            read_watches();
        }
        sort();
        return std::move(state_);
    }

 private:
    // Calls `take(key, record)` for each record of one database. False: it could not be read.
    template <class Record, class Take>
    bool each(const char* name, Take take) {
        auto database = source_.open(name);
        if (!database) return complain(name, database.error());
        const auto visited = (*database)->traverse([&](Bytes key, Bytes value) {
            Record record;
            if (decode(value, record)) {
                take(key, record);
            } else {
                state_.undecoded++;
            }
            return tdb::Visit::go_on;
        });
        return visited.ok() || complain(name, visited.error());
    }

    bool complain(const char* name, const Error& error) {
        const std::string path = source_.place + name;
        state_.complaints.push_back(error.code == Code::not_found ? fmt::format("{} not initialised", path)
                                                                  : fmt::format("{} cannot be read: {}", path, error.text));
        return false;
    }

    // Each is asked about once.
    bool lives(const tdb::server_id& holder) {
        if (!wanted_.check_processes || is_disconnected(holder)) return true;
        const messaging::ServerId id(holder);
        const auto [at, fresh] = known_.try_emplace(id, false);
        if (fresh) at->second = source_.exists(id);
        return at->second;
    }
    [[nodiscard]] bool is_wanted(uint32_t uid) const { return !wanted_.uid || *wanted_.uid == uid; }

    void read_sessions() {
        each<xsrv::session_global>("smbXsrv_session_global.tdb", [this](Bytes, xsrv::session_global& record) {
            if (!lives(record.owner) || !is_wanted(record.uid)) return;
            session_ids_.insert(record.session_id);
            state_.sessions.push_back(std::move(record));
        });
    }

    void read_tcons() {
        each<xsrv::tcon_global>("smbXsrv_tcon_global.tdb", [this](Bytes, xsrv::tcon_global& record) {
            const bool is_ipc = any(record.flags & xsrv::tcon_flags::TCON_IS_IPC);
            if (is_ipc || !lives(record.owner) || (wanted_.uid && !session_ids_.contains(record.session_id))) return;
            state_.tcons.push_back(std::move(record));
        });
    }

    void read_opens() {
        each<xsrv::open_global>("smbXsrv_open_global.tdb",
                                [this](Bytes, xsrv::open_global& record) { opens_[record.persistent_id] = std::move(record); });
    }

    void read_files() {
        state_.has_locking = each<fsa::locking_record>("locking.tdb", [this](Bytes key, fsa::locking_record& record) {
            names_[Key(key.begin(), key.end())] = {record.share_path, full_name(record)};
            for (fsa::share_mode& mode : record.share_modes) {
                if (any(mode.flags & fsa::share_mode_flags::SHARE_MODE_OF_STREAM)) continue;
                state_.any_open = true;
                if (lives(mode.holder)) add_file(key, record, std::move(mode));
            }
        });
    }

    void add_file(Bytes key, const fsa::locking_record& record, fsa::share_mode mode) {
        OpenFile file;
        file.id = id_in(key);
        file.share_path = record.share_path;
        file.name = full_name(record);
        file.delete_pending = record.delete_pending;
        if (const auto open = opens_.find(mode.open_id); open != opens_.end()) file.open = open->second;
        file.mode = std::move(mode);
        if (wanted_.uid && (!file.open || file.open->uid != *wanted_.uid)) return;
        state_.files.push_back(std::move(file));
    }

    // smbd/fsa/record_key.h
    static fsa::file_id id_in(Bytes key) {
        fsa::file_id id;
        ByteReader in(key);
        id.volume = in.u64();
        id.inode = in.u64();
        id.generation = in.u64();
        return id;
    }

    void read_leases() {
        each<fsa::lease_record>("leases.tdb", [this](Bytes, fsa::lease_record& record) {
            const std::pair key(record.id.client, record.id.key);
            state_.leases.insert_or_assign(key, std::move(record));
        });
    }

    void read_locks() {
        each<fsa::brlock_record>("brlock.tdb", [this](Bytes key, fsa::brlock_record& record) {
            add_locks(key, record.holders, record.exclusive, true, false);
            add_locks(key, record.holders, record.shared, false, false);
            add_locks(key, record.holders, record.empty, true, true);
        });
    }

    template <class Holders>
    void add_locks(Bytes key, const Holders& holders, std::vector<uint8_t>& bytes, bool exclusive, bool empty) {
        const fsa::LockArray array(bytes);
        for (size_t i = 0; i < array.size(); i++) {
            const fsa::LockEntry entry = array.at(i);
            if (entry.holder >= holders.size()) continue;
            ByteRangeLock lock;
            lock.holder = holders[entry.holder].holder;
            const auto open = opens_.find(entry.open_id);
            if (!lives(lock.holder) || (wanted_.uid && (open == opens_.end() || open->second.uid != *wanted_.uid))) continue;
            lock.id = id_in(key);
            if (const auto name = names_.find(Key(key.begin(), key.end())); name != names_.end())
                std::tie(lock.share_path, lock.name) = name->second;
            lock.open_id = entry.open_id;
            lock.offset = entry.offset;
            lock.length = empty ? 0 : entry.last - entry.offset + 1;
            lock.exclusive = exclusive;
            state_.locks.push_back(std::move(lock));
        }
    }

    // The record "state" counts the watches and is none.
    void read_watches() {
        auto database = source_.open("notify_index.tdb");
        if (!database) return;
        (void)(*database)->traverse([&](Bytes key, Bytes value) {
            fsa::directory_watches record;
            if (key.empty() || key[0] != '/' || !decode(value, record)) return tdb::Visit::go_on;
            for (fsa::directory_watch& watch : record.watches) {
                if (lives(watch.holder)) state_.watches.push_back({std::string(as_text(key)), std::move(watch)});
            }
            return tdb::Visit::go_on;
        });
    }

    void sort() {
        const auto by_created = [](const auto& a, const auto& b) { return a.created < b.created; };
        std::stable_sort(state_.sessions.begin(), state_.sessions.end(), by_created);
        std::stable_sort(state_.tcons.begin(), state_.tcons.end(), by_created);
        std::stable_sort(state_.files.begin(), state_.files.end(), [](const OpenFile& a, const OpenFile& b) {
            return std::tie(a.share_path, a.name, a.mode.opened) < std::tie(b.share_path, b.name, b.mode.opened);
        });
        std::stable_sort(state_.locks.begin(), state_.locks.end(), [](const ByteRangeLock& a, const ByteRangeLock& b) {
            return std::tie(a.share_path, a.name, a.offset) < std::tie(b.share_path, b.name, b.offset);
        });
        std::stable_sort(state_.watches.begin(), state_.watches.end(), [](const Watch& a, const Watch& b) { return a.path < b.path; });
    }

    const Source& source_;
    Wanted wanted_;
    std::map<messaging::ServerId, bool> known_;
    State state_;
    std::set<uint64_t> session_ids_;
    std::map<uint64_t, xsrv::open_global> opens_;
    std::map<Key, std::pair<std::string, std::string>> names_;  // of locking.tdb: the share's path and the name below it
};

}  // namespace

bool is_disconnected(const tdb::server_id& holder) { return holder.pid == tdb::DISCONNECTED_PID; }

Source this_node(const std::string& lock_directory) {
    const auto open = [lock_directory](const std::string& name) -> Result<std::unique_ptr<tdb::Database>> {
        auto opened = tdb::FileDatabase::open({.path = lock_directory + "/" + name, .create = false, .read_only = true});
        if (!opened) return opened.failure();
        return std::unique_ptr<tdb::Database>(std::move(*opened));
    };
    const auto mailboxes = std::make_shared<Mailboxes>(lock_directory);
    return {open, [mailboxes](const messaging::ServerId& id) { return mailboxes->probe(id); }, lock_directory + "/"};
}

Result<Source> cluster(const std::string& ctdbd_socket) {
    auto node = std::make_shared<ctdb::Node>(ctdbd_socket);
    if (auto connected = node->connect(); !connected) return connected.failure();
    if (!node->serves()) return fail(Code::dead, ctdbd_socket, "this node is no member of the cluster");
    const auto open = [node](const std::string& name) -> Result<std::unique_ptr<tdb::Database>> {
        const xsrv::SharedKind kind = xsrv::shared_kind(name);
        auto opened = ctdb::ClusterDatabase::open(node, name, tdb::Rank::none,
                                                  {.mirrored = kind.outlives_node != nullptr, .slot_in_key = kind.slot_in_key});
        if (!opened) return opened.failure();
        return std::unique_ptr<tdb::Database>(std::move(*opened));
    };
    return Source{open, [node](const messaging::ServerId& id) { return ctdb::process_exists(*node, id); }, ""};
}

State read_state(const Source& source, const Wanted& wanted) { return Reader(source, wanted).read(); }

}  // namespace Atoll::smbstatus

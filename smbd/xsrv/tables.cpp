#include "smbd/xsrv/tables.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/log.h"
#include "base/utf.h"
#include "idl/level.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/open_index.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::xsrv {
namespace {

// Keys are big-endian and begin with the slot (smbd/xsrv/slot.h). That of a session id is in its lower half, which comes first.
class IdKey {
 public:
    static IdKey of_open(uint64_t id) { return {static_cast<uint32_t>(id >> 32), static_cast<uint32_t>(id)}; }
    static IdKey of_session(uint64_t id) { return {static_cast<uint32_t>(id), static_cast<uint32_t>(id >> 32)}; }
    static IdKey of_tcon(uint64_t session_id, uint32_t tree_id) {
        IdKey key = of_session(session_id);
        store_be32(key.bytes_.data() + 8, tree_id);
        key.size_ = 12;
        return key;
    }
    operator Bytes() const { return {bytes_.data(), size_}; }

 private:
    IdKey(uint32_t first, uint32_t second) {
        store_be32(bytes_.data(), first);
        store_be32(bytes_.data() + 4, second);
    }
    std::array<uint8_t, 12> bytes_{};
    size_t size_ = 8;
};

fsa::file_id record_file_id(const fsa::FileId& id) {
    fsa::file_id out;
    out.volume = id.volume;
    out.inode = id.inode;
    out.generation = id.generation;
    return out;
}

void describe(const fsa::Open& file, open_global& record) {
    record.flags = file.is_directory() ? open_flags::OPEN_IS_DIRECTORY : open_flags::none;
    if ((file.options() & fsa::option::delete_on_close) != 0) record.flags |= open_flags::OPEN_DELETE_ON_CLOSE;
    record.access_mask = file.granted_access();
    record.share_access = file.share_access();
    record.create_options = file.options();
    record.id = record_file_id(file.file_id());
    record.name = file.path();
}

void describe(const Pipe& pipe, uint32_t granted, open_global& record) {
    record.flags = open_flags::OPEN_IS_PIPE;
    record.access_mask = granted;
    record.share_access = 0;
    record.create_options = 0;
    record.id = {};
    record.name = pipe.name();
}

void describe(const QuotaIndexOpen& index, open_global& record) {
    record.flags = open_flags::none;
    record.access_mask = index.granted_access;
    record.share_access = 0;
    record.create_options = 0;
    record.id = {};
    record.name = "$Extend/$Quota";
}

class FileTables final : public Tables {
 public:
    FileTables(Databases databases, const messaging::ServerId& self)
        : databases_(std::move(databases)), self_(self.to_record()), index_(*databases_.open_index, self_) {}

    void remove_client(const Guid& client_guid) override;
    Result<void> put_session(const Session& session) override { return store_session(session, tdb::StoreMode::insert); }
    Result<void> renew_session(const Session& session) override { return store_session(session, tdb::StoreMode::modify); }
    void remove_session(uint64_t session_id) override { remove(*databases_.session, IdKey::of_session(session_id)); }
    std::optional<SessionHolder> find_session(uint64_t session_id) override { return find_session_holder(*databases_.session, session_id); }
    Result<bool> watch_session(uint64_t session_id, watch::Watch& watch, Monotonic deadline) override;
    Result<void> put_tcon(const Tcon& tcon) override;
    void remove_tcon(uint64_t session_id, uint32_t tree_id) override { remove(*databases_.tcon, IdKey::of_tcon(session_id, tree_id)); }
    Result<bool> insert_open(Open& open) override;
    void remove_open(const Open& open) override;
    std::optional<open_global> find_open(uint64_t persistent_id) override;
    std::optional<open_global> find_persistent_open(const Guid& create_guid) override;
    Result<void> renew_open(const Open& open) override;
    Result<bool> disconnect_open(uint64_t persistent_id, const messaging::ServerId& owner, const std::string& name,
                                 const durable_open& state) override;
    Result<bool> take_over_open(Open& open, const open_global& found) override;
    void describe_open(const Open& open, open_global& record) override;
    Result<bool> restore_open(const open_global& record) override;
    void remove_disconnected_open(uint64_t persistent_id) override;
    Result<uint32_t> count_tcons(const std::string& share_name) override;
    [[nodiscard]] bool removed_all() const override { return removed_all_; }
    Result<void> for_each_session(const std::function<void(const session_global&)>& visit) override {
        return for_each(*databases_.session, visit);
    }
    Result<void> for_each_tcon(const std::function<void(const tcon_global&)>& visit) override { return for_each(*databases_.tcon, visit); }
    Result<void> for_each_open(const std::function<void(const open_global&)>& visit) override { return for_each(*databases_.open, visit); }
    tdb::Database& locking() override { return *databases_.locking; }
    tdb::Database& brlock() override { return *databases_.brlock; }
    tdb::Database& leases() override { return *databases_.leases; }
    tdb::Database& notify_index() override { return *databases_.notify_index; }
    watch::Watches& watches() override { return *databases_.watches; }
    Result<messaging::ServerIds> holders() override;
    void end_holders(const messaging::ServerIds& holders) override;
    Result<void> wipe_volatile() override;

 private:
    // Calls `change` with the record, held; what it leaves is stored if it says so. False: it does not, or there is no such record.
    Result<bool> change_open(uint64_t persistent_id, const std::function<bool(open_global&)>& change);
    Result<void> store_session(const Session& session, tdb::StoreMode mode);
    Result<bool> insert_record(const open_global& record);
    void remove(tdb::Database& database, Bytes key) { note(database.remove(key)); }
    template <class Outcome>
    void note(const Outcome& removal) {
        if (removal.ok()) return;
        log_error("{}", removal.error().message());
        removed_all_ = false;
    }
    template <class Record>
    static Result<void> for_each(tdb::Database& database, const std::function<void(const Record&)>& visit);
    template <class Record>
    void remove_records_of(tdb::Database& database, const messaging::ServerIds& holders);

    Databases databases_;
    tdb::server_id self_;
    OpenIndex index_;
    open_global open_record_;  // reused, so that an open allocates nothing in steady state
    Buffer encoded_;
    bool removed_all_ = true;
};

void FileTables::remove_client(const Guid& client_guid) {
    auto locked = databases_.client->fetch_locked(client_guid.bytes);
    if (!locked.ok()) return note(locked);
    client_global record;
    if (locked->exists() && decode(locked->value(), record).ok() && record.owner == self_) note(locked->remove());
}

Result<void> FileTables::store_session(const Session& session, tdb::StoreMode mode) {
    session_global record;
    record.session_id = session.id;
    record.owner = self_;
    record.client_guid = session.client_guid;
    record.dialect = session.dialect;
    record.cipher = session.sealer ? static_cast<uint16_t>(session.sealer->cipher()) : uint16_t{0};
    if (session.is_guest) record.flags |= session_flags::SESSION_IS_GUEST;
    if (session.is_anonymous) record.flags |= session_flags::SESSION_IS_ANONYMOUS;
    if (session.signing_required) record.flags |= session_flags::SESSION_SIGNING_REQUIRED;
    if (session.encrypt_data) record.flags |= session_flags::SESSION_ENCRYPT_DATA;
    if (session.seen.has(ProtectionSeen::is_signed)) record.flags |= session_flags::SESSION_SEEN_SIGNED;
    if (session.seen.has(ProtectionSeen::is_sealed)) record.flags |= session_flags::SESSION_SEEN_SEALED;
    record.created = session.created;
    record.expires = session.expires;
    record.user_sid = session.token.user_sid;
    record.uid = session.token.uid;
    record.gid = session.token.gid;
    record.user_name = session.account_name;
    record.domain_name = session.domain_name;
    for (const SessionChannel& one : session.channels) {
        session_channel channel;
        channel.owner = self_;
        channel.channel_id = static_cast<int64_t>(one.id);
        channel.connected = one.connected;
        channel.local_address = one.local_address;
        channel.remote_address = one.remote_address;
        channel.signing_algorithm = one.signing_algorithm;
        channel.local_port = one.local_port;
        channel.remote_port = one.remote_port;
        record.channels.push_back(std::move(channel));
    }
    encoded_.clear();
    encode(record, encoded_, idl::written_level());
    return databases_.session->store(IdKey::of_session(session.id), encoded_, mode);
}

Result<bool> FileTables::watch_session(uint64_t session_id, watch::Watch& watch, Monotonic deadline) {
    auto record = databases_.session->fetch_locked(IdKey::of_session(session_id));
    if (!record) return record.failure();
    if (!record->exists()) return false;
    if (auto armed = watch.arm(*record, deadline); !armed) return armed.failure();
    return true;
}

Result<void> FileTables::put_tcon(const Tcon& tcon) {
    tcon_global record;
    record.session_id = tcon.session_id;
    record.tree_id = tcon.id;
    if (tcon.encrypt_data) record.flags |= tcon_flags::TCON_ENCRYPT_DATA;
    if (tcon.is_ipc) record.flags |= tcon_flags::TCON_IS_IPC;
    if (tcon.seen.has(ProtectionSeen::is_signed)) record.flags |= tcon_flags::TCON_SEEN_SIGNED;
    if (tcon.seen.has(ProtectionSeen::is_unsigned)) record.flags |= tcon_flags::TCON_SEEN_UNSIGNED;
    if (tcon.seen.has(ProtectionSeen::is_sealed)) record.flags |= tcon_flags::TCON_SEEN_SEALED;
    if (tcon.seen.has(ProtectionSeen::is_unsealed)) record.flags |= tcon_flags::TCON_SEEN_UNSEALED;
    record.owner = self_;
    record.created = tcon.created;
    record.share_name = tcon.share_name;
    encoded_.clear();
    encode(record, encoded_, idl::written_level());
    return databases_.tcon->store(IdKey::of_tcon(tcon.session_id, tcon.id), encoded_);
}

void FileTables::describe_open(const Open& open, open_global& record) {
    record.persistent_id = open.persistent_id;
    record.volatile_id = open.volatile_id;
    record.session_id = open.session->id;
    record.tree_id = open.tcon->id;
    record.owner = self_;
    record.client_guid = open.session->client_guid;
    record.user_sid = open.tcon->token.user_sid;
    record.uid = open.tcon->identity.uid;
    record.opened = open.opened;
    record.instance = open.instance;
    record.durable = open.durable;
    record.share_name = open.tcon->share_name;
    record.share_path = open.tcon->share_path;
    if (open.pipe) {
        describe(*open.pipe, open.pipe_access, record);
    } else if (open.quota_index) {
        describe(*open.quota_index, record);
    } else {
        describe(*open.file, record);
    }
}

Result<bool> FileTables::insert_open(Open& open) {
    describe_open(open, open_record_);
    auto inserted = insert_record(open_record_);
    if (const Guid* key = index_key_of(open_record_); key != nullptr && inserted && *inserted) open.index_key = *key;
    return inserted;
}

void FileTables::remove_open(const Open& open) {
    if (open.index_key) note(index_.remove(*open.index_key, open.persistent_id));
    remove(*databases_.open, IdKey::of_open(open.persistent_id));
}

Result<bool> FileTables::restore_open(const open_global& record) {
    open_global restored = record;
    restored.owner = fsa::disconnected_holder(record.persistent_id);
    if (restored.durable) restored.durable->disconnected = NtTime::now();
    return insert_record(restored);
}

Result<bool> FileTables::insert_record(const open_global& record) {
    const Guid* const key = index_key_of(record);
    if (key != nullptr) {
        if (auto added = index_.add(*key, record.persistent_id); !added) return added.failure();
    }
    encoded_.clear();
    encode(record, encoded_, idl::written_level());
    const auto stored = databases_.open->store(IdKey::of_open(record.persistent_id), encoded_, tdb::StoreMode::insert);
    if (stored.ok()) return true;
    // The one that is there may be the very same.
    const auto there = key != nullptr ? find_open(record.persistent_id) : std::nullopt;
    const Guid* const other = there ? index_key_of(*there) : nullptr;
    if (key != nullptr && (other == nullptr || *other != *key)) note(index_.remove(*key, record.persistent_id));
    if (stored.error().code == Code::exists) return false;
    log_error("{}", stored.error().message());
    return stored.failure();
}

std::optional<open_global> FileTables::find_open(uint64_t persistent_id) {
    std::optional<open_global> found;
    const auto fetched = databases_.open->parse(IdKey::of_open(persistent_id), [&](Bytes value) {
        open_global record;
        if (decode(value, record)) found = std::move(record);
    });
    if (!fetched) log_error("{}", fetched.error().message());
    return found;
}

std::optional<open_global> FileTables::find_persistent_open(const Guid& create_guid) {
    const auto ids = index_.find(create_guid);
    if (!ids) log_error("{}", ids.error().message());
    std::optional<open_global> found;
    for (size_t i = 0; ids && i < ids->size(); i++) {
        auto record = find_open((*ids)[i]);
        const Guid* const key = record ? index_key_of(*record) : nullptr;
        if (key != nullptr && *key == create_guid) found = std::move(record);
    }
    return found;
}

Result<bool> FileTables::change_open(uint64_t persistent_id, const std::function<bool(open_global&)>& change) {
    auto locked = databases_.open->fetch_locked(IdKey::of_open(persistent_id));
    if (!locked) return locked.failure();
    if (!locked->exists()) return false;
    open_global& record = open_record_;
    if (auto decoded = decode(locked->value(), record); !decoded) return decoded.failure();
    if (!change(record)) return false;
    encoded_.clear();
    encode(record, encoded_, idl::written_level());
    if (auto stored = locked->store(encoded_); !stored) return stored.failure();
    return true;
}

Result<void> FileTables::renew_open(const Open& open) {
    const auto renewed = change_open(open.persistent_id, [&](open_global& record) {
        record.durable = open.durable;
        if (record.durable) std::ranges::copy(open.lock_sequences, record.durable->lock_sequences.begin());
        return record.owner == self_;
    });
    if (!renewed) return renewed.failure();
    if (!*renewed) return fail(Code::not_found, databases_.open->name(), "an open's record is not there");
    return {};
}

void FileTables::remove_disconnected_open(uint64_t persistent_id) {
    auto locked = databases_.open->fetch_locked(IdKey::of_open(persistent_id));
    if (!locked) return log_error("{}", locked.error().message());
    if (!locked->exists() || !decode(locked->value(), open_record_) || !fsa::is_disconnected(open_record_.owner)) return;
    if (const Guid* const key = index_key_of(open_record_)) note(index_.remove(*key, persistent_id));
    note(locked->remove());
}

Result<bool> FileTables::disconnect_open(uint64_t persistent_id, const messaging::ServerId& owner, const std::string& name,
                                         const durable_open& state) {
    return change_open(persistent_id, [&](open_global& record) {
        if (record.owner != owner.to_record()) return false;
        record.owner = fsa::disconnected_holder(persistent_id);
        record.name = name;
        record.durable = state;
        return true;
    });
}

Result<bool> FileTables::take_over_open(Open& open, const open_global& found) {
    if (const Guid* const key = index_key_of(found)) open.index_key = *key;
    return change_open(open.persistent_id, [&](open_global& record) {
        if (record.owner != found.owner || record.volatile_id != found.volatile_id) return false;
        record.owner = self_;
        record.volatile_id = open.volatile_id;
        record.session_id = open.session->id;
        record.tree_id = open.tcon->id;
        record.client_guid = open.session->client_guid;
        record.user_sid = open.tcon->token.user_sid;
        record.durable = open.durable;
        return true;
    });
}

Result<uint32_t> FileTables::count_tcons(const std::string& share_name) {
    uint32_t count = 0;
    const auto visited = for_each_tcon([&](const tcon_global& record) { count += equal_ignoring_case(record.share_name, share_name); });
    if (!visited.ok()) return visited.failure();
    return count;
}

template <class Record>
Result<void> FileTables::for_each(tdb::Database& database, const std::function<void(const Record&)>& visit) {
    Record record;
    const auto visited = database.traverse([&](Bytes, Bytes value) {
        if (decode(value, record).ok()) visit(record);
        return tdb::Visit::go_on;
    });
    if (!visited.ok()) return visited.failure();
    return {};
}

template <class Record>
void FileTables::remove_records_of(tdb::Database& database, const messaging::ServerIds& holders) {
    Record record;
    const auto is_theirs = [&](Bytes value) { return decode(value, record).ok() && holders.contains(messaging::ServerId(record.owner)); };
    const auto visited = database.traverse([&](Bytes key, Bytes value) {
        if (!is_theirs(value)) return tdb::Visit::go_on;
        auto locked = database.fetch_locked(key);
        const auto removed = !locked                                          ? locked.failure()
                             : locked->exists() && is_theirs(locked->value()) ? locked->remove()
                                                                              : Result<void>();
        if (!removed) log_error("{}", removed.error().message());
        return tdb::Visit::go_on;
    });
    if (!visited.ok()) log_error("{}", visited.error().message());
}

namespace {

// Adds each process that the records of one table name, as `take` tells it.
template <class Record, class Take>
Result<void> add_holders(tdb::Database& database, messaging::ServerIds& found, Take take) {
    Record record;
    const auto add = [&](const tdb::server_id& id) {
        if (!fsa::is_disconnected(id) && id.pid != 0) found.emplace(id);
    };
    const auto visited = database.traverse([&](Bytes, Bytes value) {
        if (decode(value, record).ok()) take(record, add);
        return tdb::Visit::go_on;
    });
    if (!visited) return visited.failure();
    return {};
}

}  // namespace

Result<messaging::ServerIds> FileTables::holders() {
    messaging::ServerIds found;
    const auto owner = [](const auto& record, auto add) { add(record.owner); };
    const Result<void> read[] = {
        add_holders<client_global>(*databases_.client, found, owner),
        add_holders<session_global>(*databases_.session, found, owner),
        add_holders<tcon_global>(*databases_.tcon, found, owner),
        add_holders<open_global>(*databases_.open, found, owner),
        add_holders<fsa::locking_record>(*databases_.locking, found,
                                         [](const auto& record, auto add) {
                                             for (const fsa::share_mode& mode : record.share_modes) add(mode.holder);
                                         }),
        add_holders<fsa::brlock_record>(*databases_.brlock, found,
                                        [](const auto& record, auto add) {
                                            for (const fsa::lock_holder& holder : record.holders) {
                                                if (holder.locks > 0) add(holder.holder);
                                            }
                                        }),
        add_holders<watch::watch_record>(*databases_.waiters, found,
                                         [](const auto& record, auto add) {
                                             for (const watch::waiter& waiter : record.waiters) {
                                                 add(waiter.who);
                                                 if (waiter.waker) add(*waiter.waker);
                                             }
                                         }),
        add_holders<fsa::directory_watches>(*databases_.notify_index, found,
                                            [](const auto& record, auto add) {
                                                for (const fsa::directory_watch& watch : record.watches) add(watch.holder);
                                            }),
        add_holders<fsa::notify_state>(*databases_.notify_index, found,
                                       [](const auto& record, auto add) {
                                           for (const fsa::local_watcher& watcher : record.local_watchers) add(watcher.process);
                                       }),
    };
    for (const auto& one : read) {
        if (!one) return one.failure();
    }
    return found;
}

void FileTables::end_holders(const messaging::ServerIds& holders) {
    if (holders.empty()) return;
    remove_records_of<client_global>(*databases_.client, holders);
    remove_records_of<session_global>(*databases_.session, holders);
    remove_records_of<tcon_global>(*databases_.tcon, holders);
    remove_records_of<open_global>(*databases_.open, holders);
    index_.end_holders(holders, [this](uint64_t persistent_id) { return find_open(persistent_id).has_value(); });
    databases_.watches->end_processes(holders);
}

Result<void> FileTables::wipe_volatile() {
    for (tdb::Database* database : {databases_.client.get(), databases_.session.get(), databases_.tcon.get(), databases_.open.get(),
                                    databases_.open_index.get(), databases_.locking.get(), databases_.brlock.get(), databases_.leases.get(),
                                    databases_.waiters.get(), databases_.notify_index.get()}) {
        if (auto wiped = database->wipe(); !wiped.ok()) return wiped;
    }
    return {};
}

}  // namespace

std::optional<SessionHolder> find_session_holder(tdb::Database& sessions, uint64_t session_id) {
    std::optional<SessionHolder> found;
    const auto fetched = sessions.parse(IdKey::of_session(session_id), [&](Bytes value) {
        session_global record;
        if (decode(value, record)) found = {messaging::ServerId(record.owner), record.user_sid};
    });
    if (!fetched) log_error("{}", fetched.error().message());
    return found;
}

std::unique_ptr<Tables> Tables::on(Databases databases, loop::Loop& loop, messaging::Messaging& messaging) {
    watch_changes(databases, loop, messaging);
    return std::make_unique<FileTables>(std::move(databases), messaging.self());
}

}  // namespace Atoll::xsrv

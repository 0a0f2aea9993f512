#include "ctdb/client/cluster_database.h"

#include <map>

#include "base/log.h"
#include "ctdb/shared/copy_format.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

// Of the files, whose locks are taken last and kept for a moment only.
constexpr tdb::Rank files_rank{0xFF};

}  // namespace

Result<std::unique_ptr<ClusterDatabase>> ClusterDatabase::open(std::shared_ptr<Node> node, const std::string& name, tdb::Rank rank,
                                                               ClusterOptions options) {
    protocol::request request;
    request.node = no_node;
    request.op = protocol::operation::OPEN_DATABASE;
    request.database = name;
    using protocol::database_flags;
    request.seconds = static_cast<uint32_t>((options.mirrored ? database_flags::DATABASE_MIRRORED : database_flags::none) |
                                            (options.slot_in_key ? database_flags::DATABASE_SLOT_IN_KEY : database_flags::none));
    const auto reply = node->ask(request);
    if (!reply) return reply.failure();
    if (reply->result != protocol::outcome::DONE) return fail(Code::invalid, name, "ctdbd does not open it: " + reply->text);
    const auto opened = idl::decode<protocol::opened_database>(Bytes(reply->data));
    if (!opened) return opened.failure();
    tdb::FileOptions file_options;
    file_options.path = opened->path;
    file_options.rank = files_rank;
    file_options.create = false;
    file_options.clear_if_first = true;  // which ctdbd, having it open, is
    file_options.count_changes = true;
    file_options.locks = tdb::LockMode::mutex;
    auto file = tdb::FileDatabase::open(file_options);
    if (!file) return file.failure();
    if (!(*file)->uses_mutexes()) return fail(Code::unsupported, name, "its file has no mutexes: `tdb mutexes` of ctdb.conf");
    return std::unique_ptr<ClusterDatabase>(new ClusterDatabase(std::move(node), name, rank, options, opened->id, std::move(*file)));
}

Result<void> ClusterDatabase::reopen_after_fork() {
    node_->after_fork();
    return file_->reopen_after_fork();
}

// Before ctdbd may lock it for this process, and before this process does.
Result<void> ClusterDatabase::note(tdb::HeldRecord& held) {
    if (held.key.size() > protocol::MAX_KEY) return failed(Code::no_space, "the key is too long");
    held.cookie[slot] = slot_of_key(held.key);
    held.cookie[hold] = node_->note_hold(id_, static_cast<Slot>(held.cookie[slot]));
    return {};
}

Result<void> ClusterDatabase::do_lock(tdb::HeldRecord& held, bool wait) {
    if (auto connected = node_->connect(); !connected) return connected;
    if (auto noted = note(held); !noted) return noted;
    auto locked = lock_noted(held, wait);
    if (!locked) node_->strike_out_hold(held.cookie[hold]);
    return locked;
}

Result<void> ClusterDatabase::lock_noted(tdb::HeldRecord& held, bool wait) {
    auto taken = take_here(held);
    while (taken && !*taken) {
        if (!wait) return failed(Code::busy, "the record is locked, or is elsewhere");
        if (auto wanted = node_->want(name(), held.key); !wanted) return wanted;
        taken = take_granted(held);
    }
    return taken ? Result<void>() : taken.failure();
}

// The record as the lock finds it, under its chain's lock.
bool ClusterDatabase::take(tdb::HeldRecord& held, const CopyHead& head, Bytes stored) {
    held.cookie[session] = node_->session();
    if (!node_->serves_in(held.cookie[session]) || head.holder != node_->id()) return false;
    held.value.assign(value_of_copy(stored));
    return true;
}

Result<bool> ClusterDatabase::take_here(tdb::HeldRecord& held) {
    auto record = file_->fetch_locked(held.key);
    if (!record) return record.failure();
    if (!record->exists()) return false;
    CopyHead head;
    if (!read_copy_head(record->value(), head)) return damaged();
    if (!may_use_locally(head, node_->gate(static_cast<Slot>(held.cookie[slot])), node_->lease(), node_now())) return false;
    head.holder = node_->id();
    if (!take(held, head, record->value())) return false;
    write_copy(head, held.value, stored_);
    if (auto stored = record->store(stored_); !stored) return stored.failure();
    return true;
}

// After ctdbd has written this process as its holder. False: it has been taken away since, with the session.
Result<bool> ClusterDatabase::take_granted(tdb::HeldRecord& held) {
    bool good = true;
    bool ours = false;
    const auto parsed = file_->parse(held.key, [&](Bytes stored) {
        CopyHead head;
        good = read_copy_head(stored, head);
        ours = good && take(held, head, stored);
    });
    if (!parsed) return parsed.failure();
    if (!good) return damaged();
    if (!ours && !node_->serves()) return failed(Code::dead, "the node has no lease");
    return ours;
}

void ClusterDatabase::do_unlock(tdb::HeldRecord& held) noexcept {
    bool awaited = false;
    auto record = file_->fetch_locked(held.key);
    CopyHead head;
    if (record && record->exists() && read_copy_head(record->value(), head) && head.holder == node_->id()) {
        head.holder = 0;
        write_copy(head, value_of_copy(record->value()), stored_);
        if (!record->store(stored_)) log_error("{}: a record stays locked until this process ends", name());
        awaited = release_is_awaited(head, node_->gate(static_cast<Slot>(held.cookie[slot])));
    }
    if (record) record->release();
    node_->strike_out_hold(held.cookie[hold]);
    if (awaited) node_->released(name(), held.key);
}

Result<void> ClusterDatabase::locked_store(tdb::HeldRecord& held, Bytes value) { return change(held, value); }

Result<void> ClusterDatabase::change(tdb::HeldRecord& held, Bytes value) {
    if (value.size() > protocol::MAX_VALUE) return failed(Code::no_space, "the value is too large");
    auto record = file_->fetch_locked(held.key);
    if (!record) return record.failure();
    CopyHead head;
    if (!record->exists()) return failed(Code::dead, "the session of the node has ended");
    if (!read_copy_head(record->value(), head)) return damaged();
    if (!may_commit(head, node_->id(), held.cookie[session], node_->lease(), node_now()))
        return failed(Code::dead, "the node has no lease, or its session has ended");
    const bool mirrors = needs_mirror(held.value, value);
    if (mirrors) head.sequence++;
    write_copy(head, value, stored_);
    if (auto stored = record->store(stored_); !stored) return stored;
    record->release();
    stored_.clear();
    stored_.append(value);  // which may be part of held.value
    held.value.assign(stored_);
    return mirrors ? await_mirror(held) : Result<void>();
}

bool ClusterDatabase::needs_mirror(Bytes before, Bytes after) const {
    return options_.mirrored && (!options_.mirrors || options_.mirrors(after) || options_.mirrors(before));
}

// The lease may have ended meanwhile, and the others have gone on without this node.
Result<void> ClusterDatabase::await_mirror(const tdb::HeldRecord& held) {
    if (auto stored = node_->stored(name(), held.key); !stored) return stored;
    if (!node_->serves_in(held.cookie[session])) return failed(Code::dead, "the session of the node has ended");
    return {};
}

Result<bool> ClusterDatabase::do_parse(Bytes key, tdb::Parser parser) {
    if (auto connected = node_->connect(); !connected) return connected.failure();
    const auto seen = look(key, parser);
    if (!seen) return seen.failure();
    return *seen != Seen::elsewhere ? Result<bool>(*seen == Seen::one) : read_elsewhere(key, parser);
}

// At what is here, if it may be read.
Result<ClusterDatabase::Seen> ClusterDatabase::look(Bytes key, const tdb::Parser& parser) {
    bool good = true;
    Seen seen = Seen::elsewhere;
    const SlotGate& gate = node_->gate(slot_of_key(key));
    const auto parsed = file_->parse(key, [&](Bytes stored) {
        CopyHead head;
        good = read_copy_head(stored, head);
        if (!good || !is_readable(head, gate) || !node_->serves()) return;
        seen = value_of_copy(stored).empty() ? Seen::none : Seen::one;
        if (seen == Seen::one) parser(value_of_copy(stored));
    });
    if (!parsed) return parsed.failure();
    if (!good) return damaged();
    return seen;
}

// ctdbd either gets a copy that may be read or locks the record. A copy may have been revoked again by the time at which it is looked at.
Result<bool> ClusterDatabase::read_elsewhere(Bytes key, const tdb::Parser& parser) {
    own_.key.assign(key);
    if (auto noted = note(own_); !noted) return noted.failure();
    const auto locked = lock_or_get_copy(own_);
    if (!locked || !*locked) node_->strike_out_hold(own_.cookie[hold]);
    if (!locked) return locked.failure();
    if (!*locked) {
        const auto seen = look(key, parser);
        if (!seen) return seen.failure();
        if (*seen != Seen::elsewhere) return *seen == Seen::one;
        if (auto relocked = do_lock(own_, true); !relocked) return relocked.failure();
    }
    const bool exists = locked_exists(own_);
    if (exists) parser(own_.value);
    do_unlock(own_);
    return exists;
}

// True: it is locked.
Result<bool> ClusterDatabase::lock_or_get_copy(tdb::HeldRecord& held) {
    auto granted = node_->want_to_read(name(), held.key);
    if (!granted || !*granted) return granted;
    const auto taken = take_granted(held);
    if (!taken) return taken.failure();
    if (*taken) return true;
    if (auto locked = lock_noted(held, true); !locked) return locked.failure();
    return true;
}

Result<void> ClusterDatabase::do_store(Bytes key, Bytes value, tdb::StoreMode mode) {
    own_.key.assign(key);
    if (auto locked = do_lock(own_, true); !locked) return locked;
    Result<void> done;
    if (mode == tdb::StoreMode::insert && locked_exists(own_)) {
        done = failed(Code::exists, "the record is there already");
    } else if (mode == tdb::StoreMode::modify && !locked_exists(own_)) {
        done = failed(Code::not_found, "there is no such record");
    } else {
        done = change(own_, value);
    }
    do_unlock(own_);
    return done;
}

Result<bool> ClusterDatabase::do_remove(Bytes key) {
    own_.key.assign(key);
    if (auto locked = do_lock(own_, true); !locked) return locked.failure();
    const bool existed = locked_exists(own_);
    const auto done = existed ? change(own_, {}) : Result<void>();
    do_unlock(own_);
    if (!done) return done.failure();
    return existed;
}

// The best copy of a record that was listed.
struct ClusterDatabase::Found {
    Value value;
    uint64_t rsn = 0;
    bool whole = false;
    bool listed = false;
};

// Every copy counts, not dmasters' alone: a record on its way from one node to another is still at the former.
Result<void> ClusterDatabase::list_node(Pnn pnn, std::map<Value, Found>& found) {
    protocol::request request;
    request.node = pnn;
    request.op = protocol::operation::LIST_RECORDS;
    request.database = name();
    while (request.seconds < protocol::SLOTS) {
        const auto reply = node_->ask(request);
        if (!reply) return reply.failure();
        if (reply->result != protocol::outcome::DONE) return {};  // it has left meanwhile, or knows no such database yet
        auto page = idl::decode<protocol::record_page>(Bytes(reply->data));
        if (!page) return page.failure();
        if (page->next_slot < request.seconds || (page->records.empty() && page->next_slot < protocol::SLOTS))
            return failed(Code::invalid, "ctdbd lists no records");
        request.seconds = page->next_slot;
        request.key.clear();
        if (!page->records.empty() && slot_of_key(page->records.back().key) == page->next_slot) request.key = page->records.back().key;
        for (protocol::listed_record& record : page->records) {
            Found& best = found[record.key];
            if (best.listed && (best.rsn > record.rsn || (best.rsn == record.rsn && !record.dmaster))) continue;
            best = Found{std::move(record.value), record.rsn, record.whole, true};
        }
    }
    return {};
}

Result<void> ClusterDatabase::list(std::map<Value, Found>& found) {
    protocol::request request;
    request.node = no_node;
    request.op = protocol::operation::STATE;
    const auto reply = node_->ask(request);
    if (!reply) return reply.failure();
    if (!reply->state) return failed(Code::invalid, "ctdbd says nothing of its state");
    for (const protocol::node_entry& node : reply->state->nodes) {
        if (!node.connected) continue;
        if (auto listed = list_node(node.pnn, found); !listed) return listed;
    }
    return {};
}

Result<uint64_t> ClusterDatabase::do_traverse(tdb::Visitor visitor) {
    std::map<Value, Found> found;
    if (auto listed = list(found); !listed) return listed.failure();
    if (!node_->serves()) return failed(Code::dead, "the node has no lease");
    uint64_t visited = 0;
    Buffer value;
    for (const auto& [key, best] : found) {
        value.assign(best.value);
        if (!best.whole) {
            auto fetched = fetch(key, value);
            if (!fetched) return fetched.failure();
            if (!*fetched) continue;
        }
        if (value.empty()) continue;
        visited++;
        if (visitor(key, value) == tdb::Visit::stop) break;
    }
    return visited;
}

Result<void> ClusterDatabase::wipe() {
    std::map<Value, Found> found;
    if (auto listed = list(found); !listed) return listed;
    for (const auto& [key, best] : found) {
        if (best.whole && best.value.empty()) continue;
        if (auto removed = do_remove(key); !removed) return removed.failure();
    }
    return {};
}

}  // namespace Atoll::ctdb

// A volatile database of the cluster (docs/cluster.md, "Slots and records") as a tdb::Database. Every process of every node sees the same
// records; a record is locked on one node at a time.
//
// A record that is at this node, and that nobody waits for, is locked, read and changed in shared memory: no system call, no message, no
// ctdbd. Otherwise ctdbd is asked, and the process blocks until the record has come: at most limits::record_patience, usually a few
// messages between nodes. It blocks with records of lower ranks locked, and that is safe: ranks ascend on all nodes, so whoever has the
// wanted record waits at most for higher ones. No chain of a file is ever locked while a process waits.
//
// Errors besides those of tdb/database.h: Code::dead, the node has no lease, or its session has ended since the record was locked. What
// the process knows from the databases is then void: it ends its connections and itself (Node::serves).
//
// Where an administrator has allowed it (`ctdb setdbreadonly`), who only reads a record gets a copy of it that stays, and reading it again
// costs what a record does that is here; whoever locks the record waits until the copies have been given up.
//
// In a database that is opened as mirrored a store or a removal returns when a second member has it too, unless ClusterOptions::mirrors
// says that it need not: what was stored before a node is lost is there after. It blocks meanwhile, as one that waits for a record; the
// record stays locked. Code::dead: whether it is there after is not known. A process that dies in the middle leaves the old value or the
// new one.
//
// An empty value is no record: storing one removes it. There are no transactions. A fetch may see what another process of this node has
// stored in a record that it still holds. traverse asks every node for its copies, and gives each record once. A value is at most
// protocol::MAX_VALUE bytes, a key protocol::MAX_KEY (Code::no_space).
#pragma once

#include <functional>
#include <map>

#include "ctdb/client/node.h"
#include "tdb/file/file_database.h"

namespace Atoll::ctdb {

// Of a database on all nodes: whoever opens it in another way is refused.
struct ClusterOptions {
    bool mirrored = false;
    bool slot_in_key = false;  // keys begin with an identifier, big-endian, of own_slot() and id_in_slot()
    // Of a mirrored database, which values a second member has to have; empty: all. Asked of the value that is stored and of the one that
    // it replaces, so that such a value's removal counts as soon as the value did.
    std::function<bool(Bytes value)> mirrors{};
};

class ClusterDatabase final : public tdb::Database {
 public:
    // Makes it in the cluster if need be.
    static Result<std::unique_ptr<ClusterDatabase>> open(std::shared_ptr<Node> node, const std::string& name, tdb::Rank rank,
                                                         ClusterOptions options = {});

    // For an identifier that this node issues: a slot that it locates, another one each time. What is made in it and ends here costs other
    // nodes no message. None: it locates none now, and any slot will do.
    std::optional<Slot> own_slot() { return node_->own_slot(); }

    // Changes when anything of the database changes at this node, a record's coming and going included: what was seen here of a record is
    // true while it stays.
    Result<uint32_t> sequence_number() override { return file_->sequence_number(); }
    Result<void> wipe() override;
    // The connection of `node` is the child's own from the first call for one of its databases on.
    Result<void> reopen_after_fork() override;

 protected:
    Result<bool> do_parse(Bytes key, tdb::Parser parser) override;
    Result<void> do_store(Bytes key, Bytes value, tdb::StoreMode mode) override;
    Result<bool> do_remove(Bytes key) override;
    Result<uint64_t> do_traverse(tdb::Visitor visitor) override;
    Result<void> do_lock(tdb::HeldRecord& held, bool wait) override;
    void do_unlock(tdb::HeldRecord& held) noexcept override;
    [[nodiscard]] bool locked_exists(const tdb::HeldRecord& held) const override { return !held.value.empty(); }
    [[nodiscard]] Bytes locked_value(const tdb::HeldRecord& held) const override { return held.value; }
    Result<void> locked_store(tdb::HeldRecord& held, Bytes value) override;
    Result<void> locked_remove(tdb::HeldRecord& held) override { return change(held, {}); }

 private:
    // What HeldRecord::cookie has.
    enum Cookie : uint8_t { session, hold, slot };
    struct Found;
    enum class Seen { elsewhere, none, one };

    ClusterDatabase(std::shared_ptr<Node> node, std::string name, tdb::Rank rank, ClusterOptions options, uint32_t id,
                    std::unique_ptr<tdb::FileDatabase> file)
        : Database(std::move(name), rank), node_(std::move(node)), options_(options), id_(id), file_(std::move(file)) {}

    Result<void> note(tdb::HeldRecord& held);
    Result<Seen> look(Bytes key, const tdb::Parser& parser);
    Result<bool> read_elsewhere(Bytes key, const tdb::Parser& parser);
    Result<bool> lock_or_get_copy(tdb::HeldRecord& held);
    Result<void> lock_noted(tdb::HeldRecord& held, bool wait);
    Result<bool> take_here(tdb::HeldRecord& held);
    Result<bool> take_granted(tdb::HeldRecord& held);
    bool take(tdb::HeldRecord& held, const CopyHead& head, Bytes stored);
    Result<void> change(tdb::HeldRecord& held, Bytes value);
    [[nodiscard]] bool needs_mirror(Bytes before, Bytes after) const;
    Result<void> await_mirror(const tdb::HeldRecord& held);
    Result<void> list_node(Pnn pnn, std::map<Value, Found>& found);
    Result<void> list(std::map<Value, Found>& found);
    [[nodiscard]] Slot slot_of_key(Bytes key) const {
        return options_.slot_in_key ? slot_in_key(id_, key, protocol::SLOTS) : slot_of(id_, key, protocol::SLOTS);
    }
    [[nodiscard]] Failure<Error> damaged() const { return failed(Code::corrupt, "a record that has no head"); }

    std::shared_ptr<Node> node_;
    const ClusterOptions options_;
    const uint32_t id_;
    std::unique_ptr<tdb::FileDatabase> file_;
    tdb::HeldRecord own_;  // for operations on a record that the caller has not locked
    Buffer stored_;        // scratch
};

}  // namespace Atoll::ctdb

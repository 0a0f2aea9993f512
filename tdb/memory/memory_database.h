// The in-process store: for tests of what stands on a Database, and for databases that one process keeps to itself.
// It shares nothing with other processes; after fork each has its own copy. Faults can be injected into its writes.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tdb/database.h"

namespace Atoll::tdb {

struct MemoryOptions {
    std::string name = "memory";
    Rank rank = Rank::none;
};

class MemoryDatabase final : public Database {
 public:
    static std::unique_ptr<MemoryDatabase> open(const MemoryOptions& options);

    Result<uint32_t> sequence_number() override { return sequence_; }
    Result<void> wipe() override;
    [[nodiscard]] bool has_transactions() const override { return true; }
    Result<void> begin() override;
    Result<void> commit() override;
    void cancel() override;

    // Makes the `nth` write from now (1: the next) and the `count - 1` after it fail with `code`. Stores, removals, wipe and commit count.
    void fail_writes(unsigned nth, Code code, unsigned count = 1);
    [[nodiscard]] size_t size() const { return records_.size(); }
    // How often all of it has been read.
    [[nodiscard]] size_t traversals() const { return traversals_; }

 protected:
    Result<bool> do_parse(Bytes key, Parser parser) override;
    Result<void> do_store(Bytes key, Bytes value, StoreMode mode) override;
    Result<bool> do_remove(Bytes key) override;
    Result<uint64_t> do_traverse(Visitor visitor) override;
    Result<void> do_lock(HeldRecord& held, bool wait) override;
    void do_unlock(HeldRecord& held) noexcept override;
    [[nodiscard]] bool locked_exists(const HeldRecord& held) const override;
    [[nodiscard]] Bytes locked_value(const HeldRecord& held) const override;
    Result<void> locked_store(HeldRecord& held, Bytes value) override;
    Result<void> locked_remove(HeldRecord& held) override;

 private:
    using Records = std::map<std::string, Buffer, std::less<>>;

    using Database::Database;
    Result<void> write_allowed();

    Records records_;
    Records before_;  // what cancel() goes back to
    bool in_transaction_ = false;
    uint32_t sequence_ = 0;
    size_t traversals_ = 0;
    unsigned until_fault_ = 0;  // writes until the next fault, 0: none is set
    unsigned faults_ = 0;
    Code fault_ = Code::io;
};

}  // namespace Atoll::tdb

// Debian's libtdb, with the flags that Samba gives it for databases of the same kind.
#include <fcntl.h>

extern "C" {
#include <sys/types.h>
#include <tdb.h>
}

#include "torture/bench/tdb/store.h"

namespace Atoll::bench {
namespace {

TDB_DATA as_data(Bytes bytes) { return {const_cast<unsigned char*>(bytes.data()), bytes.size()}; }

class DebianStore final : public Store {
 public:
    explicit DebianStore(const StoreOptions& options) {
        int flags = TDB_INCOMPATIBLE_HASH;
        if (options.mutexes) flags |= TDB_MUTEX_LOCKING | TDB_CLEAR_IF_FIRST | TDB_VOLATILE;
        tdb_ = tdb_open(options.path.c_str(), static_cast<int>(options.hash_size), flags, O_RDWR | O_CREAT, 0600);
        if (tdb_ == nullptr) give_up("libtdb cannot open " + options.path);
    }
    ~DebianStore() override { tdb_close(tdb_); }

    void after_fork() override { must(tdb_reopen(tdb_) == 0, "reopen"); }
    bool fetch(Bytes key) override { return tdb_parse_record(tdb_, as_data(key), parse, this) == 0; }
    void store(Bytes key, Bytes value) override { must(tdb_store(tdb_, as_data(key), as_data(value), TDB_REPLACE) == 0, "store"); }
    bool remove(Bytes key) override { return tdb_delete(tdb_, as_data(key)) == 0; }
    void update(Bytes key, Bytes value) override {
        must(tdb_chainlock(tdb_, as_data(key)) == 0, "chainlock");
        fetch(key);
        store(key, value);
        must(tdb_chainunlock(tdb_, as_data(key)) == 0, "chainunlock");
    }
    uint64_t traverse() override {
        const int seen = tdb_traverse_read(tdb_, visit, this);
        must(seen >= 0, "traverse");
        return static_cast<uint64_t>(seen);
    }
    uint64_t traverse_locked() override {
        const int seen = tdb_traverse(tdb_, visit, this);
        must(seen >= 0, "traverse");
        return static_cast<uint64_t>(seen);
    }
    void transaction(std::span<const Bytes> keys, Bytes value) override {
        must(tdb_transaction_start(tdb_) == 0, "transaction start");
        for (const Bytes key : keys) store(key, value);
        must(tdb_transaction_commit(tdb_) == 0, "transaction commit");
    }
    uint64_t check() override {
        must(tdb_check(tdb_, nullptr, nullptr) == 0, "check");
        return traverse();
    }

 private:
    static int parse(TDB_DATA, TDB_DATA value, void* self) {
        static_cast<DebianStore*>(self)->look_at({value.dptr, value.dsize});
        return 0;
    }
    static int visit(tdb_context*, TDB_DATA, TDB_DATA value, void* self) {
        static_cast<DebianStore*>(self)->look_at({value.dptr, value.dsize});
        return 0;
    }
    void must(bool good, const char* what) {
        if (!good) give_up(std::string("libtdb: ") + what + ": " + tdb_errorstr(tdb_));
    }

    tdb_context* tdb_ = nullptr;
};

}  // namespace

std::unique_ptr<Store> make_debians(const StoreOptions& options) { return std::make_unique<DebianStore>(options); }

}  // namespace Atoll::bench

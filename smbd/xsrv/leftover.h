// What a server that has ended left in the volatile tables: the opens that outlive it, with their locks and leases, and the traces of
// processes that could not clean up. Its successor reads it before it opens the databases, which empties them, and puts it back before it
// serves anybody (docs/design.md, "State": volatile tables are cleared only when the boot id changed).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "smbd/xsrv/databases.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::xsrv {

class Leftover {
 public:
    // From smbXsrv_open_global.tdb, locking.tdb, brlock.tdb and leases.tdb of `lock_directory`. Empty if there are none, or if the machine
    // has booted since. What cannot be read is left out, with a line in the log. Nobody may have a database of this directory open in
    // this process.
    static Leftover read(const std::string& lock_directory);
    // From now on what is in the directory is of this boot. After open_databases().
    static Result<void> note_boot(const std::string& lock_directory);

    [[nodiscard]] bool empty() const { return records_.empty(); }
    // The processes that hold something in it, each once; a handle whose client is away has none.
    [[nodiscard]] const std::vector<messaging::ServerId>& holders() const { return holders_; }

    struct Targets {
        tdb::Database* open;
        tdb::Database* open_index;  // which follows from the records of the opens
        tdb::Database* locking;
        tdb::Database* brlock;
        tdb::Database* leases;
    };
    static Targets targets_of(const Databases& databases) {
        return {databases.open.get(), databases.open_index.get(), databases.locking.get(), databases.brlock.get(), databases.leases.get()};
    }
    Result<void> put_back(const Targets& targets) const;

 private:
    enum class Table : uint8_t { open, locking, brlock, leases };
    struct Record {
        Table table;
        Buffer key;
        Buffer value;
    };
    void read_table(const std::string& directory, Table table);
    bool take(Table table, Bytes key, Bytes value);
    void add_holder(const tdb::server_id& holder);

    std::vector<Record> records_;
    std::vector<messaging::ServerId> holders_;
};

}  // namespace Atoll::xsrv

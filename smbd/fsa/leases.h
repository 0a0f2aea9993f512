// The records of leases.tdb: the state of every client's leases (MS-SMB2 3.3.1.12). Each change is made while the file's record in
// locking.tdb is held, so that both say the same.
#pragma once

#include <vector>

#include "smbd/fsa/fsa.h"
#include "smbd/fsa/leases.idl.h"

namespace Atoll::fsa {

class LeaseTable {
 public:
    // `database` null: there are no leases.
    explicit LeaseTable(tdb::Database* database) : database_(database) {}

    [[nodiscard]] bool is_there() const { return database_ != nullptr; }
    // Null: there is no such lease, or its record does not decode. Valid until the next call.
    const lease_record* find(const lease_id& id);
    // Stores it; INSUFFICIENT_RESOURCES if the database fails.
    Result<void, NtStatus> put(const lease_record& record);
    void remove(const lease_id& id);
    std::vector<lease_record> all();

 private:
    tdb::Database* database_;
    lease_record record_;
    Buffer encoded_;
};

inline lease_id id_of(const LeaseRequest& request) { return {request.client, request.key}; }

}  // namespace Atoll::fsa

// A persistent database, as commands read and write it through their node's ctdbd. Where something fails, why is printed.
#pragma once

#include <vector>

#include "ctdb/tool/commands.h"

namespace Atoll::ctdb {

// Persistent and replicated ones.
inline bool has_transactions(const protocol::database_entry& database) { return database.persistent || database.replicated; }

// nullptr: no node can be given to this command, or there is no such database.
const protocol::database_entry* database_of(const Call& call, const char* command, const std::string& name);
std::vector<uint8_t> bytes_of(const std::string& text);

class PersistentDatabase {
 public:
    PersistentDatabase(Call& call, std::string name) : call_(call), name_(std::move(name)) {}

    // The value is in `data`; a record that is not there has none.
    Result<protocol::reply, int> fetch(const std::string& key);

    struct Contents {
        uint64_t seqnum = 0;
        std::vector<protocol::record_write> records;  // by rising key
    };
    // As they are at one sequence number.
    Result<Contents, int> read_all();
    Result<uint64_t, int> sequence_number();

    // One transaction; an empty value removes a record. `base`: the sequence number that it rests on, or ANY_SEQUENCE.
    int commit(const std::vector<protocol::record_write>& writes, int64_t base);

 private:
    Result<protocol::reply, int> ask(protocol::operation op, std::vector<uint8_t> key, std::vector<uint8_t> data);
    Result<protocol::persistent_page, int> page_behind(const std::vector<uint8_t>& key);
    int send(protocol::operation op, const protocol::transaction_part& part);

    Call& call_;
    const std::string name_;
};

}  // namespace Atoll::ctdb

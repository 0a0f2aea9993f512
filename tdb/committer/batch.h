// A batch: changes of durable databases that happen all at once or, if one of its conditions does not hold, not at all.
//
// Conditions are those of its insert, modify and expect calls. All are judged by what there is before the batch; then the changes are made
// in their order. So a batch of several databases and records is the transaction of whoever writes through the committer.
#pragma once

#include <string_view>

#include "base/buffer.h"
#include "tdb/committer/committer.idl.h"

namespace Atoll::committer {

class Batch {
 public:
    void store(std::string_view database, Bytes key, Bytes value) { add(change_kind::STORE, database, key, value); }
    // Else Code::exists.
    void insert(std::string_view database, Bytes key, Bytes value) { add(change_kind::INSERT, database, key, value); }
    // Else Code::not_found.
    void modify(std::string_view database, Bytes key, Bytes value) { add(change_kind::MODIFY, database, key, value); }
    void remove(std::string_view database, Bytes key) { add(change_kind::REMOVE, database, key, {}); }
    void wipe(std::string_view database) { add(change_kind::WIPE, database, {}, {}); }
    // Code::busy if the record has changed, Code::not_found if there is none.
    void expect(std::string_view database, Bytes key, Bytes value) { add(change_kind::EXPECT_VALUE, database, key, value); }
    void expect_present(std::string_view database, Bytes key) { add(change_kind::EXPECT_PRESENT, database, key, {}); }
    // Else Code::exists.
    void expect_absent(std::string_view database, Bytes key) { add(change_kind::EXPECT_ABSENT, database, key, {}); }

    [[nodiscard]] bool empty() const { return record_.changes.empty(); }
    // What can be sent: at most MAX_CHANGES changes, max_batch_bytes (packet.h), keys of 1 to MAX_KEY bytes, values of at most MAX_VALUE.
    [[nodiscard]] bool is_sendable() const;
    [[nodiscard]] size_t size() const;  // bytes that it takes at most when it is sent
    [[nodiscard]] const batch& record() const { return record_; }

 private:
    void add(change_kind kind, std::string_view database, Bytes key, Bytes value);

    batch record_;
    size_t bytes_ = 0;
    bool too_large_ = false;
};

}  // namespace Atoll::committer

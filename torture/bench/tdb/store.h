// A TDB file seen through either library, so that both are given exactly the same work. An error ends the process: a benchmark that goes on
// after one measures something else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/buffer.h"

namespace Atoll::bench {

enum class Library : uint8_t { ours, debian };

struct StoreOptions {
    std::string path;  // an existing file is replaced
    bool mutexes = false;
    uint32_t hash_size = 10007;
};

class Store {
 public:
    Store() = default;
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    virtual ~Store() = default;
    static std::unique_ptr<Store> make(Library library, const StoreOptions& options);

    // In a child, before its first use there.
    virtual void after_fork() = 0;
    // Shows the value in place to `sink`; false: there is no such record.
    virtual bool fetch(Bytes key) = 0;
    virtual void store(Bytes key, Bytes value) = 0;
    virtual bool remove(Bytes key) = 0;
    // Under the record's lock: looks at the value and stores another.
    virtual void update(Bytes key, Bytes value) = 0;
    // Visits every record for reading; their number.
    virtual uint64_t traverse() = 0;
    // The same, each under its lock for changing it.
    virtual uint64_t traverse_locked() = 0;
    // Stores `value` under each key in one transaction, synced.
    virtual void transaction(std::span<const Bytes> keys, Bytes value) = 0;
    // Examines the whole file; its number of records.
    virtual uint64_t check() = 0;

    // What was seen of the values, so that no compiler leaves the looking out.
    uint64_t sink = 0;

 protected:
    void look_at(Bytes value) { sink += value.size() + (value.empty() ? 0 : value.front() + value.back()); }
};

std::unique_ptr<Store> make_ours(const StoreOptions& options);
std::unique_ptr<Store> make_debians(const StoreOptions& options);

[[noreturn]] void give_up(const std::string& what);

}  // namespace Atoll::bench

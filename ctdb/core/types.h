// The core's vocabulary. docs/cluster.md explains the words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ctdb/protocol/cluster.idl.h"

namespace Atoll::ctdb {

using Pnn = uint32_t;        // number of a node: its line in `nodes`
using Slot = uint32_t;       // of a record: slot_of() its key, or what that says itself (slot_in_key)
using Time = uint64_t;       // microseconds of one node's clock; never compared with another node's
using Term = uint64_t;       // the token of the cluster lock under which a leader leads: rises with each taking
using ViewId = uint64_t;     // term << 32 | number
using Epoch = uint64_t;      // of a slot: the id of the view in which it was last recovered; 0: not known
using Session = uint64_t;    // of a member: the id of the view that let it in; 0: is no member
using AddressId = uint64_t;  // of a public address; never 0
using Client = uint64_t;     // a process of the node that locks records; never 0

constexpr Pnn no_node = protocol::NO_NODE;
constexpr Time millisecond = 1000;
constexpr Time second = 1000 * millisecond;

using protocol::node_flags;
using RecordKey = protocol::record_key;
using Value = std::vector<uint8_t>;

struct KeyLess {
    using is_transparent = void;
    bool operator()(const RecordKey& a, const RecordKey& b) const {
        return a.database != b.database ? a.database < b.database : a.key < b.key;
    }
    // lower_bound(database): the first key of that.
    bool operator()(const RecordKey& a, uint32_t database) const { return a.database < database; }
};

inline Term term_of(ViewId id) { return id >> 32; }

// FNV-1a over database and key: the same on every node and in every build.
inline Slot slot_of(uint32_t database, std::span<const uint8_t> key, uint32_t slots) {
    uint64_t hash = 0xCBF29CE484222325 ^ database;
    for (const uint8_t byte : key) hash = (hash ^ byte) * 0x100000001B3;
    return static_cast<Slot>((hash ^ (hash >> 32)) % slots);
}

// Databases may be keyed by identifiers that carry their slot in their upper ten bits: whoever issues one chooses the slot, and so which
// node locates the record. Such a key begins with the identifier, big-endian; one that is too short for that is hashed.
inline uint64_t id_in_slot(uint64_t id, Slot slot) { return (id & (~uint64_t{0} >> 10)) | uint64_t{slot} << 54; }
inline Slot slot_of_id(uint64_t id) { return static_cast<Slot>(id >> 54); }
inline Slot slot_in_key(uint32_t database, std::span<const uint8_t> key, uint32_t slots) {
    if (key.size() < sizeof(uint64_t)) return slot_of(database, key, slots);
    return (Slot{key[0]} << 2 | key[1] >> 6) % slots;
}

// Of a view, in which members stand by rising pnn.
const protocol::member* find_member(const protocol::view& view, Pnn pnn);
// In it addresses stand by rising id.
const protocol::address* find_address(const protocol::view& view, AddressId id);
// nullptr unless it is still the same session.
const protocol::member* find_session(const protocol::view& view, Pnn pnn, Session session);

}  // namespace Atoll::ctdb

// Replies of client.idl, but for their number, which is the asker's.
#pragma once

#include <string>

#include "base/buffer.h"
#include "ctdb/protocol/client.idl.h"
#include "idl/level.h"

namespace Atoll::ctdb {

inline protocol::reply outcome_reply(protocol::outcome result, const std::string& text = "") {
    protocol::reply reply;
    reply.result = result;
    reply.text = text.substr(0, 512);  // utf8<512>
    return reply;
}

// DONE, and an encoded record; INVALID where that is larger than a reply can be.
template <class Record>
protocol::reply data_reply(const Record& record) {
    Buffer encoded;
    encode(record, encoded, idl::written_level());
    if (encoded.size() > protocol::MAX_DATA) return outcome_reply(protocol::outcome::INVALID, "the answer is too large");
    protocol::reply reply;
    reply.data.assign(encoded.data(), encoded.data() + encoded.size());
    return reply;
}

}  // namespace Atoll::ctdb

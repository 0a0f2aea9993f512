// One outgoing frame: the responses of a chain, built in place one after the other, and at most one payload behind the last of them.
//
//   | 4 transport | 52 transform header | response, response, ... | payload |
//
// Unsealed, the transport header stands in the four bytes before the first response and the rest of the front is not sent.
#pragma once

#include "base/buffer.h"
#include "libcli/smb/header.h"
#include "smbd/transport/chunk.h"
#include "smbd/transport/transport.h"

namespace Atoll::smb2 {

class Connection;

class Reply final : public transport::OutgoingFrame {
 public:
    static constexpr size_t front = transport::header_size + smb::TransformHeader::size;

    explicit Reply(Connection& connection) : connection_(connection) { reset(); }

    MutableBytes head() override;
    Bytes payload() override { return payload_; }
    void sent() override;  // goes back to its connection's pool

    void reset();
    Buffer& out() { return out_; }
    // A response that starts here begins at this position of out().
    [[nodiscard]] size_t size() const { return out_.size(); }
    [[nodiscard]] bool empty() const { return out_.size() == front; }

    // The payload's memory lives in a chunk of the connection's pool until the frame is sent.
    MutableBytes make_payload(transport::ChunkPool& pool, size_t capacity);
    void set_payload_size(size_t size) { payload_ = payload_.first(size); }
    void drop_payload();
    MutableBytes payload_bytes() { return payload_; }

    bool sealed = false;

 private:
    Connection& connection_;
    Buffer out_;
    transport::ChunkRef payload_memory_;
    MutableBytes payload_;
};

}  // namespace Atoll::smb2

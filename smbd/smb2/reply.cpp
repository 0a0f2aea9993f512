#include "smbd/smb2/reply.h"

#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {

MutableBytes Reply::head() {
    const MutableBytes all = out_.mutable_bytes();
    return sealed ? all : all.subspan(smb::TransformHeader::size);
}

void Reply::sent() { connection_.put_reply(this); }

void Reply::reset() {
    out_.clear();
    out_.append_zeros(front);
    drop_payload();
    sealed = false;
}

MutableBytes Reply::make_payload(transport::ChunkPool& pool, size_t capacity) {
    transport::Chunk* chunk = pool.get(capacity);
    payload_memory_ = transport::ChunkRef(chunk);
    payload_ = {chunk->data(), capacity};
    return payload_;
}

void Reply::drop_payload() {
    payload_ = {};
    payload_memory_ = transport::ChunkRef();
}

}  // namespace Atoll::smb2

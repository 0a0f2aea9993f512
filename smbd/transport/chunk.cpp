#include "smbd/transport/chunk.h"

#include <cstdlib>
#include <utility>

#include "base/assert.h"

namespace Atoll::transport {
namespace {

constexpr size_t page = 4096;
// A WRITE request's payload usually begins 112 bytes into the frame (MS-SMB2 2.2.21), and the frame behind the 4 bytes of transport
// header: a chunk that starts this far before a page boundary receives that payload page-aligned.
constexpr size_t lead = page - 116;

}  // namespace

Chunk::Chunk(std::shared_ptr<ChunkPool> pool, size_t capacity) : pool_(std::move(pool)), capacity_(capacity) {
    const size_t size = (lead + capacity + page - 1) / page * page;
    memory_ = static_cast<uint8_t*>(std::aligned_alloc(page, size));
    ATOLL_ASSERT(memory_ != nullptr);
    data_ = memory_ + lead;
}

Chunk::~Chunk() { std::free(memory_); }

void Chunk::drop() {
    ATOLL_ASSERT(references_ > 0);
    if (--references_ == 0) {
        const std::shared_ptr<ChunkPool> pool = std::move(pool_);  // the pool may be held by this chunk alone
        pool->put_back(this);
    }
}

ChunkPool::~ChunkPool() = default;

Chunk* ChunkPool::get(size_t capacity) {
    auto& kept = capacity <= standard_capacity ? standard_ : large_;
    for (size_t i = kept.size(); i-- > 0;) {
        if (kept[i]->capacity() < capacity) continue;
        Chunk* chunk = kept[i].release();
        kept[i] = std::move(kept.back());
        kept.pop_back();
        if (chunk->capacity() > standard_capacity) large_bytes_ -= chunk->capacity();
        chunk->pool_ = shared_from_this();
        return chunk;
    }
    return new Chunk(shared_from_this(), capacity <= standard_capacity ? standard_capacity : capacity);
}

void ChunkPool::put_back(Chunk* chunk) {
    std::unique_ptr<Chunk> owned(chunk);
    if (chunk->capacity() <= standard_capacity) {
        if (standard_.size() < kept_standard) standard_.push_back(std::move(owned));
    } else if (large_bytes_ + chunk->capacity() <= kept_large_bytes) {
        large_bytes_ += chunk->capacity();
        large_.push_back(std::move(owned));
    }
}

ChunkRef::ChunkRef(Chunk* chunk) : chunk_(chunk) {
    if (chunk_) chunk_->take();
}
ChunkRef::ChunkRef(const ChunkRef& other) : ChunkRef(other.chunk_) {}
ChunkRef::ChunkRef(ChunkRef&& other) noexcept : chunk_(std::exchange(other.chunk_, nullptr)) {}
ChunkRef& ChunkRef::operator=(ChunkRef other) noexcept {
    std::swap(chunk_, other.chunk_);
    return *this;
}
ChunkRef::~ChunkRef() {
    if (chunk_) chunk_->drop();
}

}  // namespace Atoll::transport

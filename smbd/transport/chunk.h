// Receive memory of a transport: pooled, counted, page-aligned so that a large WRITE's payload lands aligned. Main thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "smbd/transport/transport.h"

namespace Atoll::transport {

class ChunkPool;

class Chunk {
 public:
    Chunk(std::shared_ptr<ChunkPool> pool, size_t capacity);
    ~Chunk();
    Chunk(const Chunk&) = delete;
    Chunk& operator=(const Chunk&) = delete;

    [[nodiscard]] uint8_t* data() { return data_; }
    [[nodiscard]] size_t capacity() const { return capacity_; }
    [[nodiscard]] bool shared() const { return references_ > 1; }
    void take() { references_++; }
    void drop();

 private:
    friend class ChunkPool;
    std::shared_ptr<ChunkPool> pool_;
    uint8_t* memory_;
    uint8_t* data_;
    size_t capacity_;
    size_t references_ = 0;
};

// Chunks of one size class at a time are kept for reuse: standard ones and the last few large ones.
class ChunkPool : public std::enable_shared_from_this<ChunkPool> {
 public:
    static constexpr size_t standard_capacity = 128 * 1024;
    static constexpr size_t kept_standard = 8;
    static constexpr size_t kept_large_bytes = 32u << 20;  // idle memory of large chunks

    ~ChunkPool();
    // A chunk of at least `capacity` bytes with no reference yet.
    Chunk* get(size_t capacity);

 private:
    friend class Chunk;
    void put_back(Chunk* chunk);

    std::vector<std::unique_ptr<Chunk>> standard_;
    std::vector<std::unique_ptr<Chunk>> large_;
    size_t large_bytes_ = 0;
};

}  // namespace Atoll::transport

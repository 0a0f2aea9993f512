// Reads and writes of one size on one open file.
#include <vector>

#include "libcli/smb/file_io.h"
#include "torture/bench/workloads.h"

namespace Atoll::bench {

namespace {

constexpr uint16_t charge_of(size_t bytes) { return static_cast<uint16_t>((bytes + 65535) / 65536); }

class Transfer : public Workload {
 public:
    Transfer(const WorkloadParams& params, bool write, bool random, smb::FileId file)
        : write_(write),
          random_(random),
          file_(file),
          block_(params.block),
          blocks_(params.file_size / params.block),
          state_(params.seed),
          data_(params.block, 0x5A) {}

    void start(Connection& connection, Slot& slot) override {
        connection.begin_frame();
        if (write_)
            start_write(connection, offset(slot));
        else
            start_read(connection, offset(slot));
        connection.end_frame();
    }

    Result<Next> respond(Connection&, Slot&, const smb::Header& header, Bytes message) override {
        if (header.status != NtStatus::SUCCESS) return unexpected(header);
        const size_t moved = write_ ? written(message) : read(message);
        if (moved != block_) return fail(Code::corrupt, "smbbench", "a short transfer");
        return Next::done;
    }

    [[nodiscard]] size_t credits() const override { return charge_of(block_); }

 private:
    uint64_t offset(const Slot& slot) {
        if (!random_) return slot.index % blocks_ * block_;
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return state_ % blocks_ * block_;
    }
    void start_read(Connection& connection, uint64_t at) {
        smb::ReadRequest request;
        request.length = static_cast<uint32_t>(block_);
        request.offset = at;
        request.file_id = file_;
        request.encode(connection.begin_message(smb::Command::read, charge_of(block_)));
        connection.end_message();
    }
    void start_write(Connection& connection, uint64_t at) {
        smb::WriteRequest request;
        request.offset = at;
        request.file_id = file_;
        smb::WriteRequest::encode_fixed(connection.begin_message(smb::Command::write, charge_of(block_)), request,
                                        static_cast<uint32_t>(block_));
        connection.end_message(data_);
    }
    static size_t read(Bytes message) {
        const auto response = smb::ReadResponse::decode(message);
        return response ? response->data.size() : 0;
    }
    static size_t written(Bytes message) {
        const auto response = smb::WriteResponse::decode(message);
        return response ? response->count : 0;
    }

    bool write_, random_;
    smb::FileId file_;
    size_t block_;
    uint64_t blocks_;
    uint64_t state_;
    std::vector<uint8_t> data_;
};

}  // namespace

std::unique_ptr<Workload> make_transfer(Connection& connection, const WorkloadParams& params, bool write, bool random, smb::FileId file) {
    // Between large reads nothing else comes in: receive little at once, so that the data goes straight to its place.
    if (!write && params.block > 65536) connection.set_receive_chunk(4096);
    return std::make_unique<Transfer>(params, write, random, file);
}

}  // namespace Atoll::bench

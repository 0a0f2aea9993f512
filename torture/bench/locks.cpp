// Byte-range locks on one open file.
#include "libcli/smb/file_io.h"
#include "torture/bench/workloads.h"

namespace Atoll::bench {

namespace {

constexpr uint64_t stride = 16;  // between locks, which are half as long: none touches another

class Locks : public Workload {
 public:
    Locks(bool unlock, smb::FileId file) : unlock_(unlock), file_(file) {}

    void start(Connection& connection, Slot& slot) override {
        queue(connection, slot, smb::lock_flags::exclusive_lock | smb::lock_flags::fail_immediately);
    }

    Result<Next> respond(Connection& connection, Slot& slot, const smb::Header& header, Bytes) override {
        if (header.status != NtStatus::SUCCESS) return unexpected(header);
        if (!unlock_ || slot.step++ == 1) return Next::done;
        queue(connection, slot, smb::lock_flags::unlock);
        return Next::wait;
    }

 private:
    void queue(Connection& connection, const Slot& slot, uint32_t flags) {
        elements_.clear();
        ByteWriter out(elements_);
        smb::LockRequest::encode_element(out, {slot.index * stride, stride / 2, flags});
        smb::LockRequest request;
        request.file_id = file_;
        request.elements = elements_;
        connection.begin_frame();
        request.encode(connection.begin_message(smb::Command::lock));
        connection.end_message();
        connection.end_frame();
    }

    bool unlock_;
    smb::FileId file_;
    Buffer elements_;
};

}  // namespace

std::unique_ptr<Workload> make_locks(bool unlock, smb::FileId file) { return std::make_unique<Locks>(unlock, file); }

}  // namespace Atoll::bench

// One request and its answer.
#pragma once

#include <functional>
#include <memory>

#include "base/buffer.h"
#include "base/result.h"
#include "libcli/smb/header.h"

namespace Atoll::client {

// Made by Compound::add, completed by the connection on the loop's thread: by the final response, by the connection's end
// (CONNECTION_DISCONNECTED) or by a response that fails its signature (INVALID_SIGNATURE). An interim response does not complete it.
class Exchange {
 public:
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] NtStatus status() const { return done_ ? status_ : NtStatus::PENDING; }
    [[nodiscard]] uint64_t message_id() const { return message_id_; }
    // An interim response came (MS-SMB2 3.2.5.1.5), with this AsyncId.
    [[nodiscard]] bool interim() const { return async_id_ != 0; }
    [[nodiscard]] uint64_t async_id() const { return async_id_; }
    // Of the final response; the message begins with its header and is empty if none came.
    [[nodiscard]] const smb::Header& header() const { return header_; }
    [[nodiscard]] Bytes message() const { return message_; }

    // The response's body as T, or the status if that is an error. T's views live as long as this object.
    template <class T>
    [[nodiscard]] Result<T, NtStatus> decode() const {
        ATOLL_ASSERT(done_);
        if (is_error(status_)) return status_;
        return T::decode(message());
    }

    // Called once, when done; may send, may not wait.
    std::function<void(Exchange&)> on_done;

 private:
    friend class Connection;
    friend class Compound;
    void complete(NtStatus status) {
        done_ = true;
        status_ = status;
        if (on_done) on_done(*this);
    }

    bool done_ = false;
    NtStatus status_{};
    uint64_t message_id_ = 0;
    uint64_t async_id_ = 0;
    smb::Header header_;
    Buffer message_;
};

using ExchangePtr = std::shared_ptr<Exchange>;

}  // namespace Atoll::client

// Named pipes of IPC$: what the commands do to an open that is a pipe.
#pragma once

#include "base/bytes.h"
#include "base/nt_status.h"
#include "smbd/xsrv/pipe.h"

namespace Atoll::smb {
struct CreateRequest;
struct CreateContexts;
struct ReadRequest;
struct WriteRequest;
struct IoctlRequest;
struct QueryInfoRequest;
struct SetInfoRequest;
}  // namespace Atoll::smb

namespace Atoll::smb2 {

struct Request;

// What a READ or FSCTL_PIPE_TRANSCEIVE waits with; part of its Request.
class PipeRead final : public xsrv::PipeReader {
 public:
    explicit PipeRead(Request& request) : request_(request) {}
    void pipe_readable() override;

 private:
    friend NtStatus read_pipe(Request& request, const smb::ReadRequest& read);
    friend NtStatus pipe_ioctl(Request& request, const smb::IoctlRequest& ioctl);

    NtStatus start(bool transceive, size_t length, size_t minimum);
    NtStatus attempt();
    NtStatus wait();
    void abandon();

    Request& request_;
    xsrv::Ref<xsrv::Pipe> pipe_;  // the open may let go of it meanwhile
    bool transceive_ = false;
    size_t length_ = 0;
    size_t minimum_ = 0;
};

NtStatus create_pipe(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts);  // MS-SMB2 3.3.5.9
NtStatus read_pipe(Request& request, const smb::ReadRequest& read);                                             // 3.3.5.12
NtStatus write_pipe(Request& request, const smb::WriteRequest& write);                                          // 3.3.5.13
// FSCTL_PIPE_TRANSCEIVE, FSCTL_PIPE_PEEK (3.3.5.15.3, 3.3.5.15.4); INVALID_DEVICE_REQUEST for any other.
NtStatus pipe_ioctl(Request& request, const smb::IoctlRequest& ioctl);
NtStatus wait_for_pipe(Request& request, const smb::IoctlRequest& ioctl);       // FSCTL_PIPE_WAIT, 3.3.5.15.10
NtStatus query_pipe_info(Request& request, const smb::QueryInfoRequest& info);  // 3.3.5.20.1; appends to request.out()
NtStatus set_pipe_info(Request& request, const smb::SetInfoRequest& info);      // 3.3.5.21.1

}  // namespace Atoll::smb2

// CREATE requests that come again (MS-SMB2 3.3.5.9, 3.3.5.9.10): the client says by SMB2_FLAGS_REPLAY_OPERATION that it has not seen the
// answer, and names the open by the create GUID that it gave it. All channels of a client are in this process, so all of its opens are
// here.
#pragma once

#include <map>

#include "base/guid.h"
#include "libcli/smb/create_contexts.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

class CreateReplays {
 public:
    // A create that waits for others; until not_waiting().
    void waits(const Guid& create_guid, const Request& request);
    void not_waiting(const Request& request);
    void opened(xsrv::Open& open);
    // The open is closed, or its client away.
    void forget(const xsrv::Open& open);

    [[nodiscard]] bool is_waiting(const Guid& create_guid) const;
    [[nodiscard]] bool is_waiting(const Request& request) const;
    // Null: none that a replay may be answered from.
    [[nodiscard]] xsrv::Ref<xsrv::Open> find(const Guid& create_guid) const;

 private:
    std::map<Guid, const Request*> waiting_;
    std::map<Guid, xsrv::Open*> opens_;
};

// Looks whether the create was done before: request.open is then what it gave. DUPLICATE_OBJECTID, ACCESS_DENIED; FILE_NOT_AVAILABLE: it
// is still waiting.
NtStatus find_replayed(Request& request, const smb::CreateContexts& contexts);

}  // namespace Atoll::smb2

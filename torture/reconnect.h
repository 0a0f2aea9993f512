// Opens that outlive their connection, and how they are taken back (MS-SMB2 3.2.4.4), for the suites about them.
#pragma once

#include "libcli/client/file.h"
#include "torture/test.h"

namespace Atoll::torture {

// As a cable that is cut. The server has done all that follows from it when this returns: the user's next session names this one as its
// previous one (MS-SMB2 3.3.5.5.3), and is over as well. False, and the test failed: that session could not be had.
bool cut_off(Test& t, Client& c);

// Opens what may not be there yet, for reading and writing, as a durable handle of version 2 with a batch oplock, or with a lease.
client::OpenOptions durable(const Guid& create_guid, uint32_t timeout_ms = 60'000);
client::OpenOptions durable_leased(const Guid& create_guid, const Guid& lease_key, uint32_t state, uint32_t timeout_ms = 60'000);
// The request by which an open that was made by `how` is taken back: version 2 if it was durable so, else version 1.
client::OpenOptions taking_back(client::OpenOptions how, const smb::FileId& id);

NtStatus request_resiliency(client::File& file, uint32_t timeout_ms);

// What the first bytes of the file are; nothing if they cannot be read.
std::optional<std::string> content(client::File& file);
NtStatus write_text(client::File& file, std::string_view text);

}  // namespace Atoll::torture

// Durable handles of both versions (MS-SMB2 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10, 3.3.5.9.12): what a CREATE with their contexts is about.
#pragma once

#include "libcli/smb/create.h"
#include "libcli/smb/create_contexts.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// Takes out the contexts that this connection may not have. INVALID_PARAMETER: some that may not stand beside each other.
NtStatus check_durable_contexts(const Request& request, smb::CreateContexts& contexts);

// Sets request.open->durable if the file that was opened may outlive its connection, and the request wants that. Its record is written
// then.
void prepare_durability(Request& request, const smb::CreateContexts& contexts, const fsa::CreateParams& params,
                        const fsa::CreateResult& created);
// The record is there: now the entries of the file are told. Resets request.open->durable if the oplock or lease has been lost meanwhile.
void settle_durability(Request& request);
// The open outlives its connection from now on whatever it caches, for that long (MS-SMB2 3.3.5.15.9). NOT_SUPPORTED: where no durable
// handle is granted either.
NtStatus make_resilient(Request& request, uint32_t timeout_ms);
// What the response says of it.
void add_durable_response(const Request& request, const smb::CreateContexts& asked, smb::CreateResponseContexts& contexts);

// What a CREATE is told whose file is kept for a persistent open that is away (MS-SMB2 3.3.5.9, 3.3.5.9.10): that it is its own, if it has
// its create GUID and does not say that it comes again.
NtStatus why_not_available(Request& request, const smb::CreateContexts& contexts);

// Gives a client its open back. `params` has the request's name and lease; of what it says else nothing is looked at. `replayed` not null:
// what find_persistent found.
NtStatus reconnect_open(Request& request, const smb::CreateContexts& contexts, const fsa::CreateParams& params,
                        const xsrv::open_global* replayed, fsa::CreateResult& result);

// The persistent open, if there is one, of a CREATE that comes again and asks for one, to whatever process (MS-SMB2 3.3.5.9):
// FILE_NOT_AVAILABLE, somebody has it; ACCESS_DENIED, it is another user's; CONTEXT_MISMATCH, another one was asked for.
NtStatus find_persistent(Request& request, const smb::CreateRequest& create, const smb::CreateContexts& contexts,
                         std::optional<xsrv::open_global>& found);

}  // namespace Atoll::smb2

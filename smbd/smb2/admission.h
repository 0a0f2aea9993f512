// What is checked of every request before its command looks at it: signature, session, sealing, tree connect (MS-SMB2 3.3.5.2.4 to
// 3.3.5.2.11), and what every command checks in the same way.
#pragma once

#include "smbd/smb2/request.h"

namespace Atoll::smb2 {

// Finds request.session and request.tcon as the command needs them. A status other than SUCCESS is the answer.
NtStatus admit_request(Request& request);

// The signature of a large WRITE is not verified by admit_request() but by the pool thread that writes, where its bytes are then warm and
// the main thread is not kept by them. Until then the request may look things up but change nothing. Whoever does not hand it to the pool
// verifies here: ACCESS_DENIED, and the request is answered as if it had not been looked at. SUCCESS for a request that owes nothing.
NtStatus settle_signature(Request& request);
// The answer to a request whose signature is wrong is not given in the session's name, and the request leaves nothing to related ones.
void forget_forged(Request& request);

// Whether a CANCEL, which is never answered, may be acted on.
bool may_cancel(Request& request);

// MS-SMB2 3.3.5.2.1.1: what a decrypted frame may hold; anything else ends the connection.
bool sealed_part_allowed(const smb::Header& header, bool first, uint64_t sealing_session);

// MS-SMB2 3.3.5.2.5: INVALID_PARAMETER unless the request's credit charge pays for a payload of `bytes`.
NtStatus check_credit_charge(const Request& request, uint64_t bytes);

// MS-SMB2 3.3.5.2.10, once request.open is known, whose counters it enters until it is answered: FILE_NOT_AVAILABLE for a WRITE, SET_INFO
// or IOCTL under an old channel sequence number, or again while those before it are under way.
NtStatus check_channel_sequence(Request& request);

// The body of an error response without error data (MS-SMB2 2.2.2).
void write_error_body(ByteWriter& out);

}  // namespace Atoll::smb2

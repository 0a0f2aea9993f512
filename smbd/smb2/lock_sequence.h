// LOCK requests that come again (MS-SMB2 3.3.5.14): known by the index and the number that the client gave them, also by the process that
// takes the open over from one that was killed on the way. For that the open's record says, before a lock is changed, how many locks there
// will be; whoever finds so many knows that the request was done.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/nt_status.h"

namespace Atoll::xsrv {
class Open;
}

namespace Atoll::smb2 {

struct Request;

struct LockSequence {
    uint32_t index = 0;  // 0: the request is processed whatever its number
    uint8_t number = 0;
};

// Whether this very request has been processed already. Another number makes the entry invalid.
bool is_repeated(const Request& request, const LockSequence& sequence);
// The same of one that waited meanwhile. Changes nothing.
bool has_been_done(const Request& request, const LockSequence& sequence);
// Before the locks of request.open become `locks_after` at one stroke. INSUFFICIENT_RESOURCES: that could not be written.
NtStatus begin_lock_step(const Request& request, const LockSequence& sequence, size_t locks_after);
// It has been done.
void note_sequence(const Request& request, const LockSequence& sequence);
// It has been undone. Before its locks go.
void forget_sequence(const Request& request, const LockSequence& sequence);
// An open that was taken over, with what its record says, holds so many locks.
void settle_lock_step(xsrv::Open& open, size_t locks);

}  // namespace Atoll::smb2

// What clients may cache of a file: oplocks (MS-FSA 2.1.1.10, MS-SMB2 3.3.1.10) and leases (MS-SMB2 3.3.1.12), how the holder of one is
// told that it breaks, and how a call waits for that.
//
// This room does not know SMB2: who does implements BreakSink, and acknowledges by FileSystem::acknowledge_oplock and acknowledge_lease.
// Main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/guid.h"
#include "base/result.h"
#include "base/time.h"
#include "smbd/fsa/file_id.h"

namespace Atoll::loop {
class Loop;
}
namespace Atoll::messaging {
class Messaging;
}
namespace Atoll::tdb {
class Database;
class LockedRecord;
}  // namespace Atoll::tdb
namespace Atoll::watch {
class Watch;
class Watches;
}  // namespace Atoll::watch

namespace Atoll::fsa {

class Open;

// MS-SMB2 2.2.13, RequestedOplockLevel.
enum class OplockLevel : uint8_t { none = 0x00, ii = 0x01, exclusive = 0x08, batch = 0x09, lease = 0xFF };

// MS-SMB2 2.2.13.2.8, LeaseState.
namespace caching {
constexpr uint32_t none = 0, read = 1, handle = 2, write = 4, all = 7;
}

// MS-SMB2 2.2.13.2.8 and 2.2.13.2.10.
struct LeaseRequest {
    Guid client;  // client GUID of the connection
    Guid key;
    uint32_t state = caching::none;
    std::optional<Guid> parent;  // key of the lease on the directory
    uint16_t epoch = 0;          // version 2
    uint8_t version = 1;
    bool directories = false;  // the connection may have leases on directories (Connection.SupportsDirectoryLeasing)
};

// MS-SMB2 2.2.14.2.10 and 2.2.14.2.11.
struct LeaseGrant {
    uint32_t state = caching::none;
    bool breaking = false;
    std::optional<Guid> parent;
    uint16_t epoch = 0;
    uint8_t version = 1;
};

// MS-SMB2 2.2.23.2.
struct LeaseBreak {
    Guid client, key;
    uint32_t from = caching::none, to = caching::none;
    uint16_t epoch = 0;
    bool acknowledge = false;
};

// Tells clients that what they cache is not theirs any more. Called on the loop or from within a call of this room, which it must not call
// back; what it sends goes before the answer to the request in hand. False: there is no way to the client; what it held is then taken to be
// given up.
class BreakSink {
 public:
    // Of an open of this process (MS-SMB2 3.3.4.6). `acknowledge`: acknowledge_oplock is expected.
    virtual bool oplock_break(Open& open, OplockLevel to, bool acknowledge) = 0;
    // Of a lease of which this process has an open, `open` (MS-SMB2 3.3.4.7).
    virtual bool lease_break(Open& open, const LeaseBreak& broken) = 0;
    // The client of an open, or of its lease, has not acknowledged in time: it is to cache nothing any more (MS-SMB2 3.3.6.1). `then` is
    // called once, now or later on the loop, when that is known wherever it has to be. Until then it is not so, and who waits for it waits.
    virtual void unanswered(Open& open, std::function<void()> then) = 0;

 protected:
    ~BreakSink() = default;
};

// A place in which a call waits that cannot go on: whoever may wait gives one to the call. Where that returns NtStatus::PENDING nothing has
// been done yet but to ask whoever is in the way; resume() comes later, once, on the loop, and the very same call is then made again. Kept
// by the caller until then; cancel(), and its end, give up. Reused, it allocates nothing.
class Wait {
 public:
    Wait();
    virtual ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    virtual void resume() = 0;
    void cancel();
    [[nodiscard]] bool is_waiting() const;

    // --- For those who make callers wait, in this room: waits for the next change of `record`, which is held, or for the deadline.
    Result<void> arm(watch::Watches& watches, loop::Loop& loop, const tdb::LockedRecord& record, Monotonic deadline);
    // The file that a create had made when it had to wait; the same create, made again, goes on with it.
    void note_made(const FileId& made) { made_ = made; }
    std::optional<FileId> take_made() { return std::exchange(made_, std::nullopt); }
    // Since when it waits for other nodes about that file (tdb/grants/grants.h, Question).
    uint64_t& question(const FileId& about) {
        if (about != asked_about_) question_ = 0;
        asked_about_ = about;
        return question_;
    }

 private:
    FileId asked_about_;
    uint64_t question_ = 0;
    std::optional<FileId> made_;
    std::unique_ptr<watch::Watch> watch_;
};

}  // namespace Atoll::fsa

// Minds the opens whose clients are away (MS-SMB2 3.3.6.2, 3.3.6.4): each ends when its time is up, and those of a killed process become
// such ones. Part of the housekeeper; main thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>

#include "base/loop/loop.h"
#include "smbd/fsa/fsa.h"
#include "smbd/xsrv/tables.h"

namespace Atoll::server {

class Scavenger {
 public:
    // `end_on_disk` comes before the end of each open: it calls `then` when nothing is left of it that outlives the tables, at once or
    // later on the loop; with false if that could not be, or the client is about to take it back.
    using Then = std::function<void(bool done)>;
    using EndOnDisk = std::function<void(const xsrv::open_global&, Then then)>;
    Scavenger(loop::Loop& loop, xsrv::Tables& tables, fsa::FileSystem& files, EndOnDisk end_on_disk)
        : tables_(tables), files_(files), end_on_disk_(std::move(end_on_disk)), timer_(loop, [this] { end_those_due(); }) {}

    // Finds those that a former housekeeper minded. Reads the whole table.
    void begin();
    // The client of that open is away, as its record says.
    void mind(uint64_t persistent_id);
    // The opens of processes that have been killed, or could not tell of all: those that outlive them are minded, the others are left for
    // Tables::end_holders. The file system has ended these holders already. Reads the whole table once.
    void processes_ended(const messaging::ServerIds& ended);
    // Ends those that stand in locking.tdb or brlock.tdb and whose own record is lost with a node, so that nobody can take them back. Reads
    // these tables.
    void end_those_without_record();
    // Ends one at once, whatever its time (MS-SRVS 3.1.4.4). Without effect if its client is there.
    void end(uint64_t persistent_id);

    [[nodiscard]] size_t minded() const { return due_.size(); }

 private:
    void mind(const xsrv::open_global& record);
    void end(const xsrv::open_global& record);
    void end_in_tables(uint64_t persistent_id);
    void end_those_due();
    void set_timer();

    xsrv::Tables& tables_;
    fsa::FileSystem& files_;
    EndOnDisk end_on_disk_;
    std::set<std::pair<NtTime, uint64_t>> due_;  // when, and the persistent id; one that is taken back meanwhile stays here until then
    loop::Timer timer_;
};

}  // namespace Atoll::server

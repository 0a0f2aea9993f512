// The node part of grants (tdb/grants, docs/design.md): what opens need of it, and what is ended here when another node recalls it. Without
// a cluster part there are no grants, and nothing here costs anything.
#pragma once

#include <list>

#include "smbd/fsa/caching.h"
#include "smbd/fsa/oplocks.h"
#include "smbd/fsa/share_modes.h"
#include "tdb/grants/grants.h"

namespace Atoll::fsa {

class Grants final : public grants::Recalls {
 public:
    Grants(const FileSystemParams& params, ShareModes& modes, OplockTable& oplocks) : params_(params), modes_(modes), oplocks_(oplocks) {}

    // Before an open is entered in the file's record. PENDING: the cluster part has been asked; SHARING_VIOLATION: another node has it open
    // in a way that excludes this. What it may cache is lowered to what may be handed out here.
    Result<void, NtStatus> need_open(const FileId& id, const share_mode& entry, CachingRequest& caching, Wait* wait);
    // After it has been entered: false, if the grant has been recalled in between. Then the entry goes, and it is asked again.
    bool still_covers(const FileId& id, const share_mode& entry);

    // What rests on it is broken; the home hears of it when that is acknowledged, and what opens still use is kept.
    void recall(Bytes file, const grants::rights& lost) override;

 private:
    // A recall that waits for acknowledgments.
    class Recall final : public Wait {
     public:
        explicit Recall(Grants& grants) : grants_(grants) {}
        void resume() override { grants_.go_on(*this); }

        FileId id;
        grants::rights lost;
        bool busy = false;

     private:
        Grants& grants_;
    };

    Result<grants::Answer, NtStatus> ask(const FileId& id, const grants::rights& wanted, Wait* wait);
    Result<void, NtStatus> end_caching(Recall& recall);
    void go_on(Recall& recall);

    const FileSystemParams& params_;
    ShareModes& modes_;
    OplockTable& oplocks_;
    std::list<Recall> recalls_;  // reused
};

}  // namespace Atoll::fsa

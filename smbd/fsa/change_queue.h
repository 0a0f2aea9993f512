// Changes that the kernel tells of without saying who made them, held back until those that our own processes report are known.
//
// Our processes tell of a change after they have made it, so it is held for limits::local_change_delay; what one of them has told of, a
// little before or since, is dropped. Names that come and go are matched one by one: a file that a client makes and a local program
// removes loses neither. A modification is dropped if one of ours did anything to the name. No clock, no I/O.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/time.h"
#include "smbd/fsa/notify.h"

namespace Atoll::fsa {

struct LocalChange {
    enum class Kind : uint8_t { added, removed, modified, renamed };
    Kind kind = Kind::added;
    bool directory = false;
    bool found = false;   // by a look into a new directory: the kernel may tell of it too
    uint32_t cookie = 0;  // of a half of a rename; 0: none
    uint32_t filter = 0;  // what has been modified
    std::string path;
    std::string to;  // renamed: the new name
};

class ChangeQueue {
 public:
    // False: there are too many; all are forgotten, and whoever watches is to be told that some were lost.
    [[nodiscard]] bool came(LocalChange change, Monotonic now);
    void own(std::string_view path, NotifyAction action, Monotonic now);
    // The next that has been held for long enough and that none of ours made; nothing if there is none.
    std::optional<LocalChange> take(Monotonic now);
    // When it is worth asking again; nothing if nothing is held.
    [[nodiscard]] std::optional<Monotonic> next() const;

 private:
    struct Held {
        LocalChange change;
        Monotonic due;
    };
    enum class Effect : uint8_t { came, went, other };
    struct Count {
        unsigned told = 0, unmatched = 0;
        void add() {
            told++;
            unmatched++;
        }
        bool match() { return unmatched > 0 && unmatched-- > 0; }
        void forget() { unmatched = std::min(unmatched, --told); }
    };
    struct Own {
        Count came, went;
        unsigned told = 0;  // in recent_
    };
    struct Recent {
        std::string path;
        Effect effect;
        Monotonic until;
    };

    bool merge(const LocalChange& change);
    bool is_own(const LocalChange& change);
    void forget(Monotonic now);
    void forget_first();

    std::deque<Held> held_;
    std::unordered_set<std::string> found_;  // paths of those that a look has found
    std::deque<Recent> recent_;
    std::unordered_map<std::string, Own> own_;
};

}  // namespace Atoll::fsa

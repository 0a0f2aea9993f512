// Who uids and gids are, for a process that may not read the account database: what the tokens of its sessions say, and for others what
// authd answers, remembered. Main thread only; asking blocks.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "libcli/security/id_map.h"
#include "libcli/security/security.idl.h"

namespace Atoll::accounts {

// About one user: by uid, or by a SID that is no S-1-22 one.
struct IdQuestion {
    std::optional<Sid> sid;
    uint32_t uid = 0;
};
struct IdAnswer {
    Sid sid;
    uint32_t uid = 0;
};

class IdCache final : public security::IdMap {
 public:
    // nullopt: nobody. Called at most once a minute for what is not known.
    using Ask = std::function<std::optional<IdAnswer>(const IdQuestion&)>;
    explicit IdCache(Ask ask) : ask_(std::move(ask)) {}

    // The token of a log-on, before `admin users` and its like change it.
    void learn(const security::Token& token);

    Sid user_sid(uint32_t uid) override;
    Sid group_sid(uint32_t gid) override;
    std::optional<uint32_t> uid_of(const Sid& sid) override;
    std::optional<uint32_t> gid_of(const Sid& sid) override;

 private:
    struct Nobody {
        uint64_t until = 0;  // seconds of the monotonic clock
    };
    void remember(uint32_t uid, const Sid& sid);
    std::optional<IdAnswer> ask(const IdQuestion& question);

    Ask ask_;
    security::UnixIdMap unix_;
    std::map<uint32_t, Sid> sids_;
    std::map<Sid, uint32_t> uids_, gids_;
    std::map<Sid, Nobody> nobody_;
};

}  // namespace Atoll::accounts

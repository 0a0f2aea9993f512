// What clients hold of a server that hands it out, as somebody sees it who watches their requests and the answers.
//
// Between a request and its answer nobody outside knows what is held. So a claim is *certain* from the answer that grants it until the
// request that gives it up, and *possible* from the request that asks for it until the answer to the one that gives it up. Two certain
// claims that exclude each other are the server's fault, and so is a refusal without any possible claim that could be its reason.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>

namespace Atoll::hammer {

// Counts what was seen: every request sent and every answer received is one.
using Moment = uint64_t;
constexpr Moment never = UINT64_MAX;

// T has `bool excludes(const T&) const` and `int client`.
template <class T>
class Claims {
 public:
    struct Claim {
        T what;
        Moment asked = 0, granted = never, releasing = never, released = never;

        [[nodiscard]] bool certain_at(Moment m) const { return granted <= m && m < releasing; }
        [[nodiscard]] bool possible_within(Moment from, Moment to) const { return asked <= to && from <= released; }
    };

    // The claim lives until refused(), or until it cannot matter any more after its release.
    Claim& ask(const T& what, Moment now) { return claims_.emplace_back(Claim{what, now}); }

    // A claim that is certain and excludes this one, which the server granted nevertheless; null if all is well.
    const Claim* granted(Claim& claim, Moment now) {
        claim.granted = now;
        const auto at = std::ranges::find_if(
            claims_, [&](const Claim& other) { return &other != &claim && other.certain_at(now) && other.what.excludes(claim.what); });
        return at == claims_.end() ? nullptr : &*at;
    }
    // True if something could have been the reason. The claim is gone.
    bool refused(Claim& claim, Moment now) {
        const bool justified = could_be_refused(claim.what, claim.asked, now);
        std::erase_if(claims_, [&](const Claim& other) { return &other == &claim; });
        return justified;
    }
    [[nodiscard]] bool could_be_refused(const T& what, Moment from, Moment to) const {
        return std::ranges::any_of(claims_, [&](const Claim& other) {
            return &other.what != &what && other.possible_within(from, to) && other.what.excludes(what);
        });
    }
    // Something excludes `what` for certain, all the time from `from` to `to`.
    [[nodiscard]] bool must_be_refused(const T& what, Moment from, Moment to) const {
        return std::ranges::any_of(
            claims_, [&](const Claim& other) { return other.certain_at(from) && other.certain_at(to) && other.what.excludes(what); });
    }
    void releasing(Claim& claim, Moment now) { claim.releasing = now; }
    void released(Claim& claim, Moment now) { claim.released = now; }

    // The client is cut off: what it held may go at any moment from now on, until client_gone().
    void client_lost(int client, Moment now) {
        for (Claim& claim : claims_) {
            if (claim.what.client == client) claim.releasing = std::min(claim.releasing, now);
        }
    }
    // What it held before `lost_at` is gone: from now on it excuses nothing.
    void client_gone(int client, Moment lost_at, Moment now) {
        for (Claim& claim : claims_) {
            if (claim.what.client == client && claim.asked <= lost_at) claim.released = std::min(claim.released, now);
        }
    }

    // Forgets what was released before every request that is still open: claims that were asked for, and whatever else (reads, say) may
    // ask what was in its way, which began at `oldest` or later.
    void forget(Moment oldest) {
        for (const Claim& claim : claims_) {
            if (claim.granted == never && claim.releasing == never) oldest = std::min(oldest, claim.asked);
        }
        std::erase_if(claims_, [&](const Claim& claim) { return claim.released < oldest; });
    }
    [[nodiscard]] size_t size() const { return claims_.size(); }

 private:
    std::list<Claim> claims_;
};

}  // namespace Atoll::hammer

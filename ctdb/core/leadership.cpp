#include "ctdb/core/leadership.h"

#include <algorithm>

namespace Atoll::ctdb {

bool Leadership::has_authority() const { return role_ == Role::leading && context_.now < authority_until_; }

void Leadership::tick() {
    if (role_ != Role::leading) {
        contend();
        return;
    }
    if (!membership_.may_lead() || membership_.highest_term() > term_) {
        step_down();
        return;
    }
    if (context_.now - checked_ >= context_.config.keepalive) check_lock();
    consider();
}

// Nodes do not try all at once: each after its own pause.
void Leadership::contend() {
    const Time pause = context_.config.lock_again + (context_.config.me % 16) * context_.config.tick;
    const Time patience = role_ == Role::asking ? 8 * pause : pause;
    if (!membership_.may_lead() || membership_.led() || (ever_asked_ && context_.waited - asked_ < patience)) return;
    role_ = Role::asking;
    ever_asked_ = true;
    asked_ = context_.waited;
    context_.took(Transition::lock_asked);
    lock_.take();
}

void Leadership::lock_refused() {
    context_.took(Transition::lock_refused);
    if (role_ == Role::asking) role_ = Role::following;
}

void Leadership::lock_taken(Term term, const std::optional<protocol::view>& stored) {
    const bool too_new = stored && stored->level > context_.config.newest_level;
    if (role_ != Role::asking || !membership_.may_lead() || term < membership_.highest_term() || too_new) {
        lock_.release();
        if (role_ == Role::asking) role_ = Role::following;
        return;
    }
    context_.took(Transition::lock_taken);
    role_ = Role::leading;
    term_ = term;
    authority_until_ = 0;
    first_view_due_ = true;
    recover_all_ = false;
    pending_.reset();
    current_ = stored.value_or(protocol::view());
    current_.level = std::max(current_.level, membership_.level());
    current_.locators.resize(context_.config.slots, no_node);
    current_.located_since.resize(context_.config.slots, 0);
    standings_.clear();
    assigned_.clear();
    const Time waits = context_.planted(Planted::forgetful_new_leader) ? 0 : context_.surely(context_.config.lock_validity + context_.config.lease);
    for (const protocol::member& member : current_.members) standings_[member.pnn].granted_until = context_.waited + waits;
    membership_.lead(term);
    check_lock();
}

void Leadership::check_lock() {
    checked_ = context_.now;
    if (context_.planted(Planted::eternal_lock)) {
        extend_authority(context_.now);
        return;
    }
    lock_.check(CheckLock{term_, context_.now});
}

void Leadership::lock_checked(Term term, Time asked, bool held) {
    if (role_ != Role::leading || term != term_) return;
    if (!held) {
        context_.took(Transition::lock_lost);
        step_down();
        return;
    }
    extend_authority(asked);
    if (first_view_due_) consider();
}

void Leadership::extend_authority(Time asked) {
    authority_until_ = std::max(authority_until_, asked + context_.config.lock_validity);
    const protocol::member* me = find_session(current_, context_.config.me, context_.session);
    if (me != nullptr) membership_.extend_lease(authority_until_);
}

void Leadership::step_down() {
    context_.took(Transition::stepped_down);
    role_ = Role::following;
    pending_.reset();
    membership_.lead(0);
    lock_.release();
}

void Leadership::register_written(ViewId id, bool ok) {
    if (role_ != Role::leading || !pending_ || pending_->id != id) return;
    if (!ok) {
        context_.took(Transition::register_refused);
        step_down();
        return;
    }
    context_.took(Transition::view_written);
    current_ = std::move(*pending_);
    pending_.reset();
    for (auto& [pnn, standing] : standings_) {
        if (find_member(current_, pnn) == nullptr) standing.excluding = false;
    }
    broadcast();
}

void Leadership::broadcast() {
    const protocol::view view = current_;
    Buffer bytes;
    encode(view, bytes, view.level);
    for (const protocol::member& member : view.members) {
        if (member.pnn != context_.config.me) context_.send(member.pnn, std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size()));
    }
    membership_.propose(view);
}

void Leadership::answer(Pnn from, const protocol::keepalive& keepalive) {
    if (!has_authority() || term_of(keepalive.session) > term_) return;
    const protocol::member* member = find_member(current_, from);
    const bool same = member != nullptr && member->incarnation == keepalive.incarnation;
    const Time banned_until = standings_[from].banned_until;
    const Time ban = member == nullptr && banned_until > context_.waited ? banned_until - context_.waited : 0;
    const bool ended = keepalive.session != 0 && !(same && member->session == keepalive.session);
    const bool untold = ban != 0 && !any(keepalive.flags & node_flags::NODE_BANNED);
    if (ended || untold) {
        context_.send(from, protocol::expel{term_, keepalive.session, ban});
        return;
    }
    if (same && keepalive.view != current_.id) {
        Buffer bytes;
        encode(current_, bytes, current_.level);
        context_.send(from, std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size()));
    }
    if (keepalive.session != 0) give_lease(from, keepalive);
}

// Nobody gets one whom the view that is being written leaves out.
void Leadership::give_lease(Pnn pnn, const protocol::keepalive& keepalive) {
    Standing& standing = standings_[pnn];
    if (standing.excluding || (pending_ && find_session(*pending_, pnn, keepalive.session) == nullptr)) return;
    context_.took(Transition::lease_granted);
    standing.granted_until = std::max(standing.granted_until, context_.waited + context_.surely(context_.config.lease));
    context_.send(pnn, protocol::lease{term_, keepalive.session, keepalive.sent});
}

// Every member has the current view, and no slot is being recovered.
bool Leadership::settled() const {
    if (role_ != Role::leading || pending_) return false;
    for (const protocol::member& member : current_.members) {
        const protocol::keepalive& last = peers_.of(member.pnn).last;
        if (last.session != member.session || last.view != current_.id || !last.settled) return false;
    }
    return true;
}

void Leadership::consider() {
    if (pending_ || !has_authority()) return;
    judge();
    protocol::view next = next_view();
    const bool same = next.members == current_.members && next.locators == current_.locators && next.addresses == current_.addresses &&
                      next.persistent == current_.persistent && next.level == current_.level;
    if (same && !first_view_due_ && !recover_all_) return;
    first_view_due_ = recover_all_ = false;
    pending_ = next;
    lock_.write(WriteRegister{term_, std::move(next)});
}

}  // namespace Atoll::ctdb

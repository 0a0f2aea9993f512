#include "ctdb/core/persistent.h"

namespace Atoll::ctdb {

Persistent::Persistent(Context& context, SlotTransport& transport, const PersistentStore& store, Membership& membership)
    : submitter_(context, transport, store),
      coordinator_(context, transport, store),
      replica_(context, transport, store,
               {[this](const holding& held) { submitter_.kept(held); }, [this](const TransactionId& id) { submitter_.lost(id); },
                [&membership, &context] { membership.ban(context.policy.ban); }}) {}

void Persistent::view_accepted() {
    submitter_.view_accepted();
    coordinator_.view_accepted();
    replica_.view_accepted();
}

void Persistent::session_ended() {
    coordinator_.session_ended();
    replica_.session_ended();
    submitter_.session_ended();
}

void Persistent::receive(Pnn from, protocol::slot_message& message) {
    auto& body = message.body;
    if (body.is_submitted()) coordinator_.submitted(from, body.submitted());
    if (body.is_was_prepared()) coordinator_.prepared(from, body.was_prepared());
    if (body.is_was_dropped()) coordinator_.dropped(from, body.was_dropped());
    if (body.is_holds()) coordinator_.holds(from, body.holds());
    if (body.is_was_brought()) coordinator_.brought(from, body.was_brought());
    if (body.is_preparing()) replica_.prepare(from, body.preparing());
    if (body.is_was_decided()) replica_.decided(from, body.was_decided());
    if (body.is_bringing()) replica_.bring(from, body.bringing());
    if (body.is_catching_up()) replica_.catch_up(body.catching_up());
    if (body.is_was_transacted()) submitter_.transacted(body.was_transacted());
    if (body.is_was_opened()) {
        replica_.opened(body.was_opened());
        if (replica_.open()) submitter_.opened();
    }
}

}  // namespace Atoll::ctdb

#include "libcli/rpc/server.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace Atoll::rpc {
namespace {

constexpr uint8_t newest_minor_version = 1;  // 5.0 and 5.1 differ in nothing that is served here (C706 12.6.3.1)
constexpr uint32_t old_call_distance = 150;  // MS-RPCE 3.3.3.5.6
constexpr size_t fragment_alignment = 8;     // of every fragment's stub but the last (C706 12.6.2)
constexpr uint8_t features = bind_feature::keep_connection_on_orphan;

bool did_not_execute(Fault fault) {
    return fault == Fault::protocol_error || fault == Fault::unknown_interface || fault == Fault::op_range_error;
}

bool is_complete(const PduHeader& header) { return header.has(pdu_flags::first) && header.has(pdu_flags::last); }

PduHeader header_of(PduType type, uint32_t call_id, uint8_t flags = pdu_flags::first | pdu_flags::last) {
    PduHeader header;
    header.type = type;
    header.call_id = call_id;
    header.flags = flags;
    return header;
}

ContextAnswer rejection(ContextReason reason) { return {ContextResult::provider_rejection, static_cast<uint16_t>(reason), {}}; }

bool offers(const ContextElement& element, const SyntaxId& syntax) {
    return std::find(element.transfer_syntaxes.begin(), element.transfer_syntaxes.end(), syntax) != element.transfer_syntaxes.end();
}

}  // namespace

uint32_t Associations::join(uint32_t wanted) {
    if (wanted != 0) {
        const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) { return group.id == wanted; });
        if (found == groups_.end()) return 0;
        found->connections++;
        return wanted;
    }
    if (groups_.size() >= limits::rpc_max_associations) return 0;
    const auto taken = [&](uint32_t id) {
        return id == 0 || std::any_of(groups_.begin(), groups_.end(), [&](const Group& group) { return group.id == id; });
    };
    do last_++;
    while (taken(last_));
    groups_.push_back({last_, 1});
    return last_;
}

void Associations::leave(uint32_t group) {
    const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const Group& other) { return other.id == group; });
    ATOLL_ASSERT(found != groups_.end());
    if (--found->connections == 0) groups_.erase(found);
}

ServerConnection::ServerConnection(std::vector<Interface*> interfaces, Associations& associations, ServerOptions options,
                                   std::function<void(Bytes)> send)
    : interfaces_(std::move(interfaces)), associations_(associations), options_(std::move(options)), send_(std::move(send)) {}

ServerConnection::~ServerConnection() {
    if (group_ != 0) associations_.leave(group_);
}

void ServerConnection::receive(Bytes bytes) {
    if (ended_) return;
    received_.append(bytes);
    size_t taken = 0;
    while (!ended_) {
        const Bytes rest = received_.bytes().subspan(taken);
        const auto size = next_pdu_size(rest);
        if (!size) {
            ended_ = true;  // no header that an answer could refer to
            break;
        }
        if (*size == 0 || *size > rest.size()) break;
        const auto pdu = Pdu::decode(rest.first(*size));
        if (pdu) {
            take(*pdu);
        } else {
            ended_ = true;
        }
        taken += *size;
    }
    if (taken == 0) return;
    const Bytes rest = received_.bytes().subspan(taken);
    std::memmove(received_.data(), rest.data(), rest.size());
    received_.resize(rest.size());
}

void ServerConnection::take(const Pdu& pdu) {
    const PduHeader& header = pdu.header;
    if (header.version != PduHeader::major_version || header.minor_version > newest_minor_version) {
        if (header.type == PduType::bind) return refuse_bind(pdu, BindRefusal::protocol_version_not_supported);
        return break_off(pdu);
    }
    switch (header.type) {
        case PduType::bind: return take_bind(pdu);
        case PduType::alter_context: return take_alter(pdu);
        case PduType::request: return take_request(pdu);
        case PduType::co_cancel:  // C706 12.6.4.6; too late for a call that has been answered
            if (in_call_ && header.call_id == call_id_ && cancels_ < UINT8_MAX) cancels_++;
            return;
        case PduType::orphaned:  // C706 12.6.4.8
            if (header.call_id == call_id_) in_call_ = false;
            return;
        default: return break_off(pdu);  // an auth3 too: no security context is being built
    }
}

void ServerConnection::take_bind(const Pdu& pdu) {
    if (group_ != 0) return break_off(pdu);
    const auto bind = BindPdu::decode(pdu);
    if (!bind || bind->contexts.empty() || !is_complete(pdu.header))
        return refuse_bind(pdu, BindRefusal::protocol_version_not_supported);                // MS-RPCE 2.2.2.5: its other meaning
    if (pdu.auth) return refuse_bind(pdu, BindRefusal::authentication_type_not_recognized);  // MS-RPCE 3.3.3.5.3
    const uint32_t group = associations_.join(bind->association_group);
    if (group == 0) return refuse_bind(pdu, bind->association_group == 0 ? BindRefusal::local_limit_exceeded : BindRefusal::not_specified);
    group_ = group;
    const auto within = [&](uint16_t theirs) { return std::clamp(theirs, limits::rpc_min_fragment, options_.max_fragment); };
    max_transmit_ = within(bind->max_receive_fragment);
    max_receive_ = within(bind->max_xmit_fragment);
    multiplexing_ = pdu.header.has(pdu_flags::concurrent_multiplexing);

    BindAckPdu ack;
    answer_contexts(*bind, ack.answers);
    ack.max_xmit_fragment = max_transmit_;
    ack.max_receive_fragment = max_receive_;
    ack.association_group = group_;
    ack.secondary_address = options_.secondary_address;
    uint8_t flags = pdu_flags::first | pdu_flags::last;
    if (multiplexing_) flags |= pdu_flags::concurrent_multiplexing;
    outgoing_.clear();
    ack.encode(outgoing_, header_of(PduType::bind_ack, pdu.header.call_id, flags));
    send_(outgoing_);
}

void ServerConnection::take_alter(const Pdu& pdu) {
    const auto alter = BindPdu::decode(pdu);
    if (group_ == 0 || in_call_ || pdu.auth || !alter || alter->contexts.empty() || !is_complete(pdu.header)) return break_off(pdu);
    for (const ContextElement& element : alter->contexts) {
        // C706 12.6.4.1: a context goes on to mean what it meant.
        const Context* known = find_context(element.id);
        if (known && known->interface != find_interface(element.abstract_syntax)) return break_off(pdu);
    }
    if (contexts_.size() + alter->contexts.size() > limits::rpc_max_contexts)
        return refuse_bind(pdu, BindRefusal::local_limit_exceeded);  // MS-RPCE 3.3.3.5.5
    BindAckPdu ack;
    answer_contexts(*alter, ack.answers);
    ack.max_xmit_fragment = max_transmit_;
    ack.max_receive_fragment = max_receive_;
    ack.association_group = group_;
    outgoing_.clear();
    ack.encode(outgoing_, header_of(PduType::alter_context_response, pdu.header.call_id));
    send_(outgoing_);
}

void ServerConnection::answer_contexts(const BindPdu& bind, std::vector<ContextAnswer>& answers) {
    bool features_named = false;
    for (const ContextElement& element : bind.contexts) {
        if (element.transfer_syntaxes.size() == 1 && !features_named) {
            if (const auto asked = bind_time_features(element.transfer_syntaxes[0])) {
                features_named = true;
                answers.push_back({ContextResult::negotiate_ack, static_cast<uint16_t>(*asked & features), {}});
                continue;
            }
        }
        const bool preferred_exists = std::any_of(bind.contexts.begin(), bind.contexts.end(), [&](const ContextElement& other) {
            return other.abstract_syntax == element.abstract_syntax && offers(other, ndr_syntax);
        });
        answers.push_back(answer_context(element, preferred_exists));
    }
}

// MS-RPCE 3.3.1.5.6. NDR is what this server prefers: of the syntaxes offered for one interface it takes NDR64 only where that is all.
ContextAnswer ServerConnection::answer_context(const ContextElement& element, bool preferred_exists) {
    Interface* interface = find_interface(element.abstract_syntax);
    if (!interface) return rejection(ContextReason::abstract_syntax_not_supported);
    Context context{element.id, interface, TransferSyntax::ndr};
    if (!offers(element, ndr_syntax)) {
        if (preferred_exists || !interface->has_ndr64() || !offers(element, ndr64_syntax))
            return rejection(ContextReason::transfer_syntaxes_not_supported);
        context.syntax = TransferSyntax::ndr64;
    }
    const auto known = std::find_if(contexts_.begin(), contexts_.end(), [&](const Context& other) { return other.id == element.id; });
    if (known != contexts_.end()) {
        *known = context;
    } else {
        contexts_.push_back(context);
    }
    return {ContextResult::acceptance, 0, context.syntax == TransferSyntax::ndr ? ndr_syntax : ndr64_syntax};
}

Interface* ServerConnection::find_interface(const SyntaxId& id) const {
    for (Interface* interface : interfaces_) {
        const SyntaxId have = interface->id();
        if (have.uuid == id.uuid && have.major == id.major && have.minor >= id.minor) return interface;
    }
    return nullptr;
}

const ServerConnection::Context* ServerConnection::find_context(uint16_t id) const {
    const auto found = std::find_if(contexts_.begin(), contexts_.end(), [&](const Context& context) { return context.id == id; });
    return found == contexts_.end() ? nullptr : &*found;
}

void ServerConnection::take_request(const Pdu& pdu) {
    const auto request = RequestPdu::decode(pdu);
    if (group_ == 0 || !request || pdu.auth || pdu.header.frag_length > max_receive_) return break_off(pdu);
    const uint32_t id = pdu.header.call_id;
    if (pdu.header.has(pdu_flags::first)) {
        if (in_call_ || id < call_id_) return break_off(pdu);  // MS-RPCE 3.3.3.5.2
        if (!begin_call(pdu, *request)) return;
    } else if (!in_call_) {
        if (id <= call_id_ && call_id_ - id < old_call_distance) return;  // the rest of a call that has been answered with a fault
        return break_off(pdu);
    } else if (id != call_id_) {
        return break_off(pdu);
    }
    if (stub_.size() + request->stub.size() > limits::rpc_max_request) too_large_ = true;
    if (!too_large_) stub_.append(request->stub);
    if (pdu.header.has(pdu_flags::last)) finish_call();
}

bool ServerConnection::begin_call(const Pdu& pdu, const RequestPdu& request) {
    call_id_ = pdu.header.call_id;
    call_context_ = request.context_id;
    cancels_ = pdu.header.has(pdu_flags::pending_cancel) ? 1 : 0;
    stub_.clear();
    too_large_ = false;
    const Context* context = find_context(request.context_id);
    if (!context) {
        send_fault(call_id_, call_context_, Fault::unknown_interface, false);
        return false;
    }
    call_.opnum = request.opnum;
    call_.object = request.object;
    call_.syntax = context->syntax;
    call_.big_endian = pdu.header.big_endian;
    in_call_ = true;
    return true;
}

void ServerConnection::finish_call() {
    in_call_ = false;
    // MS-RPCE 3.3.3.5.4. Only now: a client that still sends its request does not look for an answer.
    if (too_large_) return send_fault(call_id_, call_context_, Fault::access_denied, false);
    const Context* context = find_context(call_context_);
    ATOLL_ASSERT(context != nullptr);
    call_.stub = stub_;
    answer_.clear();
    Fault fault = context->interface->call(call_, answer_);
    stub_.clear();
    if (fault == Fault::none && answer_.size() > limits::rpc_max_response) fault = Fault::no_memory;
    if (fault != Fault::none) return send_fault(call_id_, call_context_, fault, !did_not_execute(fault));
    send_response(answer_);
}

void ServerConnection::send_response(Bytes stub) {
    const size_t room = (max_transmit_ - ResponsePdu::fixed_size) / fragment_alignment * fragment_alignment;
    ResponsePdu response;
    response.context_id = call_context_;
    response.cancel_count = cancels_;
    uint8_t flags = pdu_flags::first;
    do {
        response.allocation_hint = static_cast<uint32_t>(stub.size());
        response.stub = stub.first(std::min(room, stub.size()));
        stub = stub.subspan(response.stub.size());
        if (stub.empty()) flags |= pdu_flags::last;
        outgoing_.clear();
        response.encode(outgoing_, header_of(PduType::response, call_id_, flags));
        send_(outgoing_);
        flags = 0;
    } while (!stub.empty());
}

void ServerConnection::send_fault(uint32_t call_id, uint16_t context_id, Fault fault, bool executed) {
    FaultPdu out;
    out.context_id = context_id;
    out.status = fault;
    out.cancel_count = cancels_;
    const uint8_t flags = pdu_flags::first | pdu_flags::last | (executed ? 0 : pdu_flags::did_not_execute);
    outgoing_.clear();
    out.encode(outgoing_, header_of(PduType::fault, call_id, flags));
    send_(outgoing_);
}

void ServerConnection::refuse_bind(const Pdu& pdu, BindRefusal refusal) {
    BindNakPdu nak;
    nak.refusal = refusal;
    nak.versions = {{PduHeader::major_version, 0}};
    outgoing_.clear();
    nak.encode(outgoing_, header_of(PduType::bind_nak, pdu.header.call_id));
    send_(outgoing_);
}

// MS-RPCE 3.3.3.5.7
void ServerConnection::break_off(const Pdu& pdu) {
    log_info("an RPC client broke the protocol: PDU type {}, call {}", static_cast<unsigned>(pdu.header.type), pdu.header.call_id);
    in_call_ = false;
    ended_ = true;
    cancels_ = 0;
    send_fault(pdu.header.call_id, 0, Fault::protocol_error, false);
}

}  // namespace Atoll::rpc

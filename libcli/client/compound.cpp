// Building and sending requests: credits, message ids, signatures, sealing (MS-SMB2 3.2.4.1).
#include <algorithm>

#include "libcli/client/connection.h"
#include "libcli/client/session.h"

namespace Atoll::client {

namespace {
constexpr uint32_t credit_unit = 65536;
constexpr size_t credits_held = 512;
constexpr size_t message_id_offset = 24;
constexpr size_t next_command_offset = 20;
}  // namespace

uint16_t Connection::charge_for(uint32_t payload) const {
    if (!negotiated_.multi_credit()) return 0;
    return payload == 0 ? uint16_t{1} : static_cast<uint16_t>((payload - 1) / credit_unit + 1);
}

ExchangePtr Compound::add_encoded(Session* session, uint32_t tree_id, smb::Command command, const std::function<void(ByteWriter&)>& body,
                                  const RequestOptions& options) {
    if (!parts_.empty()) {
        // Messages of a compound are aligned to 8 bytes, padding counted in the one before (MS-SMB2 3.2.4.1.4).
        Part& last = parts_.back();
        frame_.append_zeros((8 - frame_.size() % 8) % 8);
        last.size = frame_.size() - last.offset;
        store_le<uint32_t>(frame_.data() + last.offset + next_command_offset, static_cast<uint32_t>(last.size));
    }
    Part part;
    part.offset = frame_.size();
    part.session = session;
    part.exchange = std::make_shared<Exchange>();
    const bool seal =
        options.seal.value_or(session != nullptr && session->should_seal()) && session != nullptr && session->sealer() != nullptr;
    if (parts_.empty() && seal) seal_with_ = session;
    part.sign = options.sign.value_or(session != nullptr && session->should_sign() && seal_with_ == nullptr);
    part.sign = part.sign && session != nullptr && session->signer() != nullptr;

    smb::Header header;
    header.credit_charge = options.credit_charge.value_or(connection_.charge_for(options.payload));
    header.set_channel_sequence(options.channel_sequence);
    header.command = command;
    header.credits = options.credits != 0                  ? options.credits
                     : connection_.credits_ < credits_held ? connection_.credit_request_
                                                           : std::max<uint16_t>(header.credit_charge, 1);
    header.flags =
        options.flags | (options.related ? smb::header_flags::related_operations : 0) | (part.sign ? smb::header_flags::is_signed : 0);
    header.message_id = options.message_id.value_or(0);
    header.process_id = 0xFEFF;
    header.tree_id = options.tree_id.value_or(tree_id);
    header.session_id = options.session_id.value_or(session != nullptr ? session->id() : 0);
    ByteWriter out(frame_);
    header.encode(out);
    body(out);
    part.size = frame_.size() - part.offset;
    part.charge = options.message_id ? uint16_t{0} : std::max<uint16_t>(header.credit_charge, 1);
    part.exchange->message_id_ = header.message_id;
    parts_.push_back(part);
    return parts_.back().exchange;
}

size_t Compound::ids() const {
    size_t n = 0;
    for (const Part& part : parts_) n += part.charge;
    return n;
}

void Compound::send() { connection_.queue(std::make_unique<Compound>(std::move(*this))); }

void Connection::queue(std::unique_ptr<Compound> compound) {
    if (!socket_) {
        for (auto& part : compound->parts_) part.exchange->complete(NtStatus::CONNECTION_DISCONNECTED);
        return;
    }
    waiting_.push_back(std::move(compound));
    send_queued();
}

void Connection::send_queued() {
    while (socket_ && !waiting_.empty()) {
        const size_t needed = waiting_.front()->ids();
        // A frame that needs more than is there waits for answers; with none to come it is sent anyway, so that a server which
        // grants nothing is seen as such.
        if (needed > credits_ && !exchanges_.empty()) return;
        auto compound = std::move(waiting_.front());
        waiting_.pop_front();
        send_compound(*compound);
    }
}

void Connection::assign_ids(Compound& compound) {
    for (auto& part : compound.parts_) {
        uint8_t* field = compound.frame_.data() + part.offset + message_id_offset;
        if (part.charge != 0) {
            store_le<uint64_t>(field, next_message_id_);
            next_message_id_ += part.charge;
            credits_ -= std::min<size_t>(credits_, part.charge);
        }
        part.exchange->message_id_ = load_le<uint64_t>(field);
        exchanges_[part.exchange->message_id_] = part.exchange;
    }
}

void Connection::send_compound(Compound& compound) {
    assign_ids(compound);
    if (before_sign) before_sign(compound.frame_);
    for (auto& part : compound.parts_) {
        if (!part.sign || part.offset + part.size > compound.frame_.size()) continue;
        part.session->signer()->sign(compound.frame_.mutable_bytes().subspan(part.offset, part.size));
    }
    if (compound.seal_with_ == nullptr) {
        if (before_send) before_send(compound.frame_);
        if (compound.on_sent) compound.on_sent(compound.frame_);
        send_frame(compound.frame_);
        return;
    }
    Buffer sealed;
    MutableBytes header = sealed.extend(smb::TransformHeader::size);
    sealed.append(compound.frame_);
    header = sealed.mutable_bytes().first(smb::TransformHeader::size);
    MutableBytes plain = sealed.mutable_bytes().subspan(smb::TransformHeader::size);
    compound.seal_with_->sealer()->seal(header.first<smb::TransformHeader::size>(), std::span<const MutableBytes>(&plain, 1));
    if (before_send) before_send(sealed);
    if (compound.on_sent) compound.on_sent(sealed);
    send_frame(sealed);
}

void Connection::cancel(Session* session, const ExchangePtr& exchange) {
    if (!socket_ || exchange->done()) return;
    // MS-SMB2 3.2.4.24: the MessageId of the request, or its AsyncId if it has one; neither credit nor answer of its own.
    smb::Header header;
    header.command = smb::Command::cancel;
    header.session_id = session != nullptr ? session->id() : 0;
    header.message_id = exchange->message_id();
    if (exchange->interim()) {
        header.flags |= smb::header_flags::async_command;
        header.async_id = exchange->async_id();
    }
    const bool seal = session != nullptr && session->should_seal();
    const bool sign = session != nullptr && session->should_sign() && !seal;
    if (sign) header.flags |= smb::header_flags::is_signed;
    Compound compound(*this);
    ByteWriter out(compound.frame_);
    header.encode(out);
    smb::EmptyMessage{}.encode(out);
    if (sign) session->signer()->sign(compound.frame_.mutable_bytes());
    compound.seal_with_ = seal ? session : nullptr;
    send_compound(compound);
}

}  // namespace Atoll::client

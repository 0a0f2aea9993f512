// The way of a frame's requests: split, admitted, handled one after the other, answered in one frame (MS-SMB2 3.3.5.2, 3.3.4.1).
#include "base/limits.h"
#include "base/log.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/channel_sequence.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {
namespace {

constexpr size_t pool_threshold = 128 * 1024;    // bytes of a reply from which on the pool signs or seals it
constexpr size_t max_small_request = 68 * 1024;  // MS-SMB2 3.3.5.2

// Commands whose requests may be larger than one credit pays for (MS-SMB2 3.3.5.2).
bool may_be_large(smb::Command command) {
    switch (command) {
        case smb::Command::read:
        case smb::Command::write:
        case smb::Command::ioctl:
        case smb::Command::query_directory:
        case smb::Command::change_notify:
        case smb::Command::query_info:
        case smb::Command::set_info: return true;
        default: return false;
    }
}

}  // namespace

void Chain::begin(MutableBytes frame, const transport::ChunkRef& memory) {
    frame_ = frame;
    memory_ = memory;
    sealed_ = false;
    sealing_session_ = 0;
    sealer_ = nullptr;
    parts_.clear();
    responses_.clear();
    index_ = 0;
    pending_ = false;
    related = Related{};
}

bool Chain::accept_handed_over(MutableBytes frame) {
    begin(frame, transport::ChunkRef());
    smb::CompoundReader reader(frame);
    const auto part = reader.next();
    if (!part || part->header.command != smb::Command::session_setup) return false;
    parts_.push_back({part->offset, part->message.size(), part->header.is_related()});
    return !reader.next() && !reader.malformed();
}

bool Chain::accept(MutableBytes frame, const transport::ChunkRef& memory, bool sealed, uint64_t sealing_session) {
    begin(frame, memory);
    sealed_ = sealed;
    sealing_session_ = sealing_session;
    if (sealed) sealer_ = connection_.find_session(sealing_session);
    smb::CompoundReader reader(frame);
    while (const auto part = reader.next()) {
        const smb::Header& header = part->header;
        if (parts_.size() == limits::max_compound || header.is_response()) return false;
        if (!is_command(header.command) && parts_.empty()) return false;  // 3.3.5.2.6
        const bool large = part->message.size() > max_small_request;
        if (large && (!connection_.multi_credit() || !may_be_large(header.command))) return false;
        if (sealed && !sealed_part_allowed(header, parts_.empty(), sealing_session)) return false;
        if (header.command != smb::Command::cancel) {
            const uint16_t charge = connection_.multi_credit() && header.credit_charge > 0 ? header.credit_charge : uint16_t{1};
            if (!connection_.window().take(header.message_id, charge)) return false;
        }
        parts_.push_back({part->offset, part->message.size(), header.is_related()});
    }
    return !reader.malformed() && !parts_.empty();
}

void Chain::run() {
    if (!reply_) reply_ = connection_.get_reply();
    reply_->sealed = sealed_;
    while (index_ < parts_.size() && !pending_ && !connection_.ended()) start_request();
    if (!pending_) finish_chain();
}

void Chain::start_request() {
    const Part& part = parts_[index_];
    request_.message = Bytes(frame_).subspan(part.offset, part.length);
    const auto header = smb::Header::decode(request_.message);
    ATOLL_ASSERT(header.ok());
    request_.header = *header;
    request_.status = NtStatus::SUCCESS;
    request_.async_id = 0;
    request_.keep_body = false;
    request_.names_file = false;
    request_.interim_at_once = false;
    request_.interim_held = false;
    request_.answer_unbegun = false;
    request_.end_session_after = false;
    request_.owes_signature = false;
    request_.intent_committed = false;
    request_.begun.reset();
    request_.abandon = nullptr;
    request_.context = nullptr;
    request_.instance_deadline = {};
    if (request_.header.command == smb::Command::cancel) {
        if (may_cancel(request_)) connection_.cancel(request_.header);
        index_++;
        return;
    }
    begin_response();
    in_handler_ = true;
    NtStatus status = admit_request(request_);
    if (status == NtStatus::SUCCESS) status = dispatch(request_);
    // Refused before its signature was verified: if that is wrong, it is this that is answered.
    if (status != NtStatus::PENDING && settle_signature(request_) != NtStatus::SUCCESS) status = NtStatus::ACCESS_DENIED;
    in_handler_ = false;
    if (status == NtStatus::PENDING) {
        pending_ = true;
        seen_pending_ = false;
        connection_.watch_pending();
        if (request_.interim_at_once) send_interim();
    } else {
        finish_request(status);
    }
}

void Chain::completed(NtStatus status) {
    ATOLL_ASSERT(pending_ && !in_handler_);
    pending_ = false;
    if (std::exchange(request_.work.forged, false)) forget_forged(request_);
    finish_request(status);
    run();
}

// MS-SMB2 3.3.4.1.1
const xsrv::Ref<xsrv::SigningKey>& Chain::key_for(NtStatus status) const {
    const bool unfinished = request_.header.command == smb::Command::session_setup && status != NtStatus::SUCCESS;
    return unfinished && request_.session ? request_.session->signing_key : request_.key;
}

bool Chain::must_sign(NtStatus status) const {
    if (sealed_ || !key_for(status)) return false;
    if (status == NtStatus::PENDING) return false;
    if (request_.header.command == smb::Command::session_setup) return status == NtStatus::SUCCESS || request_.header.is_signed();
    return request_.header.is_signed() || (request_.session && request_.session->signing_required);
}

// The response is complete: its header, its place in the chain, and what later related requests take over from it.
void Chain::finish_request(NtStatus status) {
    Response& response = responses_.back();
    if (status != NtStatus::SUCCESS && !request_.keep_body) {
        reply_->drop_payload();
        reply_->out().resize(response.start + smb::header_size);
        write_error_body(*out_);
    }
    const uint16_t wanted = request_.async_id != 0 ? uint16_t{0} : std::max<uint16_t>(request_.header.credits, 1);
    const uint16_t credits = wanted > 0 ? connection_.window().grant(wanted) : uint16_t{0};
    write_response_header(status, credits);
    if (must_sign(status)) response.key = key_for(status);
    // It counts into the pre-authentication hash as it is sent, signature included (MS-SMB2 3.3.5.5.3).
    if (request_.header.command == smb::Command::session_setup && is_last()) sign(response, reply_->size());

    leave_to_related(status);
    after_response(request_, reply_->out().bytes().subspan(response.start), status);
    request_.session = nullptr;
    request_.key = nullptr;
    request_.tcon = nullptr;
    request_.open = nullptr;
    if (const auto counted_in = std::exchange(request_.counted_in, nullptr)) uncount_request(*counted_in, request_.counted_at);
    index_++;
}

// MS-SMB2 3.3.5.2.7.2
void Chain::leave_to_related(NtStatus status) {
    related.session_id = request_.header.session_id;
    related.tree_id = request_.header.tree_id;
    related.has_session = request_.session || request_.header.command == smb::Command::session_setup;
    related.has_tcon = request_.tcon || request_.header.command == smb::Command::tree_connect;
    const bool creates = request_.header.command == smb::Command::create;
    related.created = creates && request_.open;
    if (!creates && !request_.names_file) return;
    related.has_file = true;
    related.open = request_.open;
    // A failure goes on along the chain as long as there is no file for the next to work on.
    const bool failed = is_error(status) || status == NtStatus::STOPPED_ON_SYMLINK;  // which is a warning by its number
    related.create_status = failed && (creates || !request_.open) ? status : NtStatus::SUCCESS;
}

smb::Header Chain::response_header(NtStatus status, uint16_t credits) const {
    smb::Header header;
    header.credit_charge = request_.header.credit_charge;
    header.status = status;
    header.command = request_.header.command;
    header.credits = credits;
    header.flags = smb::header_flags::server_to_redir | (request_.header.flags & smb::header_flags::priority_mask);
    if (request_.header.is_related()) header.flags |= smb::header_flags::related_operations;
    if (must_sign(status)) header.flags |= smb::header_flags::is_signed;
    header.message_id = request_.header.message_id;
    header.session_id = request_.header.session_id;
    if (request_.async_id != 0) {
        header.flags |= smb::header_flags::async_command;
        header.async_id = request_.async_id;
    } else {
        header.process_id = request_.header.process_id;
        header.tree_id = request_.header.tree_id;
    }
    return header;
}

void Chain::write_response_header(NtStatus status, uint16_t credits) {
    const Response& response = responses_.back();
    Buffer& scratch = connection_.scratch();
    scratch.clear();
    ByteWriter writer(scratch);
    response_header(status, credits).encode(writer);
    std::memcpy(reply_->out().data() + response.start, scratch.data(), smb::header_size);
    if (responses_.size() > 1) {
        const size_t previous = responses_[responses_.size() - 2].start;
        constexpr size_t next_command_offset = 20;
        store_le<uint32_t>(reply_->out().data() + previous + next_command_offset, static_cast<uint32_t>(response.start - previous));
    }
}

// MS-SMB2 3.3.4.2. A frame of its own, if the pool may be writing into the reply that waits. A request before the last of its chain goes
// without one: its answer and those after it go out together.
void Chain::send_interim() {
    if (!pending_ || request_.async_id != 0 || !is_last()) return;
    request_.async_id = connection_.next_async_id();
    if (request_.answer_unbegun && responses_.size() > 1) return send_earlier_with_interim();
    Reply* interim = connection_.get_reply();
    interim->sealed = sealed_;
    ByteWriter out(interim->out());
    response_header(NtStatus::PENDING, connection_.window().grant(std::max<uint16_t>(request_.header.credits, 1))).encode(out);
    write_error_body(out);
    if (sealed_) seal(*interim);
    connection_.send(*interim);
}

// The answers to the requests before it go out now, and the interim response as the last of them.
void Chain::send_earlier_with_interim() {
    reply_->out().resize(responses_.back().start + smb::header_size);
    write_error_body(*out_);
    write_response_header(NtStatus::PENDING, connection_.window().grant(std::max<uint16_t>(request_.header.credits, 1)));
    protect();
    queue_reply();
    responses_.clear();
    reply_ = connection_.get_reply();
    reply_->sealed = sealed_;
    begin_response();
}

void Chain::begin_response() {
    reply_->out().append_zeros((8 - (reply_->size() - Reply::front) % 8) % 8);
    responses_.push_back({reply_->size(), nullptr});
    out_.emplace(reply_->out());
    out_->zeros(smb::header_size);
}

void Chain::tick() {
    if (pending_ && seen_pending_ && !request_.interim_held) send_interim();
    seen_pending_ = pending_;
}

void Chain::finish_chain() {
    memory_ = transport::ChunkRef();
    if (reply_->empty() || connection_.ended()) {
        connection_.put_reply(reply_);
        reply_ = nullptr;
        connection_.put_chain(this);
        return;
    }
    bool signs = false;
    for (const Response& response : responses_) signs = signs || response.key;
    const size_t bytes = reply_->size() + reply_->payload().size();
    if ((signs || sealed_) && bytes >= pool_threshold) {
        connection_.client().pool().submit(protect_job_);
        return;
    }
    protect();
    protected_on_pool();
}

void Chain::seal(Reply& reply) const {
    const MutableBytes all = reply.out().mutable_bytes();
    const MutableBytes parts[] = {all.subspan(Reply::front), reply.payload_bytes()};
    const auto header = all.subspan(transport::header_size).first<smb::TransformHeader::size>();
    sealer_->sealer->seal(header, std::span(parts, reply.payload().empty() ? 1 : 2));
}

// Signs each response, or seals the frame. On the main thread or on a pool thread, while nobody else touches the reply.
void Chain::protect() {
    if (sealed_) return seal(*reply_);
    for (size_t i = 0; i < responses_.size(); i++) {
        const bool last = i + 1 == responses_.size();
        sign(responses_[i], last ? reply_->size() : responses_[i + 1].start);
    }
}

void Chain::sign(const Response& response, size_t end) {
    if (!response.key) return;
    const bool last = &response == &responses_.back();
    const Bytes rest[] = {reply_->payload()};
    response.key->signer.sign(reply_->out().mutable_bytes().subspan(response.start, end - response.start),
                              std::span(rest, last && !rest[0].empty() ? 1 : 0));
}

void Chain::queue_reply() { connection_.send(*std::exchange(reply_, nullptr)); }

void Chain::protected_on_pool() {
    if (connection_.ended()) {
        connection_.put_reply(std::exchange(reply_, nullptr));
    } else {
        queue_reply();
    }
    responses_.clear();
    sealer_ = nullptr;
    connection_.put_chain(this);
}

void Chain::abandon() {
    if (pending_ && request_.abandon) request_.abandon(request_);
}

void PoolWork::run() {
    forged = verifier && !verifier->verify(request->message);
    if (!forged) work(*this);
}

void PoolWork::done() { finish(*request, *this); }

Connection& Request::connection() const { return chain->connection(); }
ByteWriter& Request::out() { return chain->out(); }
Reply& Request::reply() { return chain->reply(); }
void Request::complete(NtStatus with) { chain->completed(with); }

NtStatus Request::run_on_pool(void (*run)(PoolWork&), void (*finish)(Request&, PoolWork&)) {
    work.request = this;
    work.work = run;
    work.finish = finish;
    work.identity = &tcon->identity;
    work.verifier = std::exchange(owes_signature, false) ? &key->signer : nullptr;
    work.forged = false;
    work.status = NtStatus::ACCESS_DENIED;
    work.file = open->file;
    work.file->begin_job();
    connection().client().pool().submit(work);
    return NtStatus::PENDING;
}

}  // namespace Atoll::smb2

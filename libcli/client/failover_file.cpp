// The operations of files that outlive connections: sent, sent again, answered.
#include <algorithm>

#include "libcli/client/failover.h"

namespace Atoll::client {
namespace {

using smb::Command;

constexpr std::chrono::milliseconds before_replay{20};

// What a server must be able to tell from a new request (MS-SMB2 3.3.5.2.10).
bool is_replayed_as_such(Command command) { return command == Command::write || command == Command::set_info || command == Command::ioctl; }

// The session, or the share, is not there any more though the connection is.
bool is_end_of_session(NtStatus status) {
    return status == NtStatus::USER_SESSION_DELETED || status == NtStatus::NETWORK_SESSION_EXPIRED ||
           status == NtStatus::NETWORK_NAME_DELETED || status == NtStatus::INVALID_SIGNATURE;
}

}  // namespace

void FailoverShare::add(const FailoverOperationPtr& operation) {
    operations_.push_back(operation);
    if (connected()) send(*operation);
}

void FailoverShare::send(FailoverOperation& operation) {
    FailoverFile& file = *operation.file_;
    if (file.lost_ != NtStatus::SUCCESS || file.closed_) {
        // The CLOSE that was not answered had been done.
        const bool closes = operation.command == Command::close && operation.replays_ > 0 && file.lost_ == NtStatus::OBJECT_NAME_NOT_FOUND;
        return end(operation, closes ? NtStatus::SUCCESS : NtStatus::FILE_CLOSED);
    }
    RequestOptions options;
    options.payload = operation.payload_;
    if (is_smb3()) {
        options.channel_sequence = channel_sequence_;
        if (operation.replays_ > 0 && is_replayed_as_such(operation.command)) options.flags = smb::header_flags::replay_operation;
    }
    struct Body {
        const FailoverOperation& operation;
        const smb::FileId& id;
        void encode(ByteWriter& out) const { operation.body_(out, id); }
    };
    operation.exchange_ = tree_->start(operation.command, Body{operation, file.id_}, options);
    operation.sent_at_ = monotonic_now();
}

void FailoverShare::send_waiting() {
    const auto waiting = operations_;  // one that fails at once is taken out
    const Monotonic now = monotonic_now();
    for (const auto& operation : waiting) {
        if (!operation->exchange_ && !operation->done_ && operation->not_before_ <= now) send(*operation);
    }
}

void FailoverShare::end(FailoverOperation& operation, NtStatus status) {
    operation.done_ = true;
    operation.status_ = status;
    FailoverFile& file = *operation.file_;
    if (operation.lock_.index != 0) file.buckets_.give_back(operation.lock_);
    if (operation.command == Command::close && !is_error(status)) {
        file.closed_ = true;
        file.lost_ = NtStatus::SUCCESS;
        std::erase_if(files_, [&](const auto& one) { return one.get() == &file; });
    }
    std::erase_if(operations_, [&](const auto& one) { return one.get() == &operation; });
}

void FailoverShare::end_all(NtStatus status) {
    for (const auto& operation : std::vector<FailoverOperationPtr>(operations_)) end(*operation, status);
}

void FailoverShare::answered(FailoverOperation& operation) {
    const NtStatus status = operation.exchange_->status();
    if (status == NtStatus::CONNECTION_DISCONNECTED) return;  // the connection's end is seen as a whole
    if (is_end_of_session(status)) return connection_->close();
    if (status == NtStatus::FILE_NOT_AVAILABLE && is_smb3()) {  // MS-SMB2 3.2.5.13: once more, as a replay
        operation.exchange_ = nullptr;
        operation.replays_++;
        operation.not_before_ = monotonic_now() + before_replay;
        return;
    }
    end(operation, status);
}

void FailoverShare::gather() {
    const Monotonic now = monotonic_now();
    for (const auto& operation : std::vector<FailoverOperationPtr>(operations_)) {
        if (!operation->exchange_) continue;
        if (operation->exchange_->done()) {
            answered(*operation);
            continue;
        }
        if (now < operation->sent_at_ + options_.answer_timeout) continue;
        // A lock may wait for as long as another's is held: the server has said so. Whether it is still there has to be asked.
        if (operation->exchange_->interim())
            probe(now);
        else
            connection_->close();
    }
}

void FailoverShare::probe(Monotonic now) {
    if (probe_ && now < probed_at_ + options_.answer_timeout) return;
    if (probe_ && !probe_->done()) return connection_->close();
    Compound compound(*connection_);
    probe_ = compound.add(session_.get(), 0, Command::echo, smb::EmptyMessage{});
    compound.send();
    probed_at_ = now;
}

// One round of the work until `enough`.
NtStatus FailoverShare::step(const std::function<bool()>& enough) {
    while (!enough()) {
        if (const NtStatus status = connect(); status != NtStatus::SUCCESS) {
            end_all(status);
            return status;
        }
        send_waiting();
        gather();
        if (enough()) break;
        if (connected()) (void)loop_.run_once(monotonic_now() + before_replay);
        gather();
    }
    return NtStatus::SUCCESS;
}

NtStatus FailoverShare::wait(const FailoverOperationPtr& operation) {
    const NtStatus status = step([&] { return operation->done(); });
    return status == NtStatus::SUCCESS ? operation->status() : status;
}

NtStatus FailoverShare::wait_for_all() {
    const auto all = operations_;
    if (const NtStatus status = step([&] { return operations_.empty(); }); status != NtStatus::SUCCESS) return status;
    for (const auto& operation : all) {
        if (is_error(operation->status())) return operation->status();
    }
    return NtStatus::SUCCESS;
}

FailoverOperationPtr FailoverFile::start(Command command, uint32_t payload, std::function<void(ByteWriter&, const smb::FileId&)> body) {
    auto operation = std::make_shared<FailoverOperation>();
    operation->command = command;
    operation->file_ = shared_from_this();
    operation->body_ = std::move(body);
    operation->payload_ = payload;
    return operation;
}

FailoverOperationPtr FailoverFile::start_read(uint64_t offset, uint32_t length) {
    auto operation = start(Command::read, length, [=](ByteWriter& out, const smb::FileId& id) {
        smb::ReadRequest request;
        request.padding = smb::ReadResponse::payload_offset;
        request.length = length;
        request.offset = offset;
        request.file_id = id;
        request.encode(out);
    });
    share_.add(operation);
    return operation;
}

FailoverOperationPtr FailoverFile::start_write(uint64_t offset, Bytes data, uint32_t flags) {
    const std::vector<uint8_t> kept(data.begin(), data.end());
    auto operation = start(Command::write, static_cast<uint32_t>(data.size()), [=](ByteWriter& out, const smb::FileId& id) {
        smb::WriteRequest request;
        request.offset = offset;
        request.file_id = id;
        request.flags = flags;
        request.data = kept;
        request.encode(out);
    });
    share_.add(operation);
    return operation;
}

FailoverOperationPtr FailoverFile::start_lock(std::vector<smb::LockElement> elements) {
    const auto sequence = buckets_.take().value_or(LockSequence{});
    auto operation = start(Command::lock, 0, [=](ByteWriter& out, const smb::FileId& id) {
        Buffer list;
        ByteWriter writer(list);
        for (const smb::LockElement& element : elements) smb::LockRequest::encode_element(writer, element);
        smb::LockRequest request;
        request.sequence_index = sequence.index;
        request.sequence_number = sequence.number;
        request.file_id = id;
        request.elements = list;
        request.encode(out);
    });
    operation->lock_ = sequence;
    if (sequence.index == 0) {  // 3.2.4.19: all 64 are under way
        operation->done_ = true;
        operation->status_ = NtStatus::INSUFFICIENT_RESOURCES;
        return operation;
    }
    share_.add(operation);
    return operation;
}

FailoverOperationPtr FailoverFile::start_flush() {
    auto operation = start(Command::flush, 0, [](ByteWriter& out, const smb::FileId& id) { smb::FlushRequest{id}.encode(out); });
    share_.add(operation);
    return operation;
}

FailoverOperationPtr FailoverFile::start_set_info(uint8_t info_class, Bytes information) {
    const std::vector<uint8_t> kept(information.begin(), information.end());
    auto operation = start(Command::set_info, static_cast<uint32_t>(kept.size()), [=](ByteWriter& out, const smb::FileId& id) {
        smb::SetInfoRequest request;
        request.info_type = smb::InfoType::file;
        request.info_class = info_class;
        request.file_id = id;
        request.buffer = kept;
        request.encode(out);
    });
    share_.add(operation);
    return operation;
}

NtStatus FailoverFile::read(uint64_t offset, uint32_t length, Buffer& out) {
    const auto operation = start_read(offset, length);
    const NtStatus status = share_.wait(operation);
    if (is_error(status)) return status;
    const auto response = operation->decode<smb::ReadResponse>();
    if (!response) return response.error();
    out.append(response->data);
    return status;
}

Result<uint32_t, NtStatus> FailoverFile::write(uint64_t offset, Bytes data, uint32_t flags) {
    const auto operation = start_write(offset, data, flags);
    if (const NtStatus status = share_.wait(operation); is_error(status)) return status;
    const auto response = operation->decode<smb::WriteResponse>();
    if (!response) return response.failure();
    return response->count;
}

NtStatus FailoverFile::lock(uint64_t offset, uint64_t length, uint32_t flags) { return share_.wait(start_lock({{offset, length, flags}})); }

NtStatus FailoverFile::flush() { return share_.wait(start_flush()); }

NtStatus FailoverFile::close() {
    auto operation = start(Command::close, 0, [](ByteWriter& out, const smb::FileId& id) { smb::CloseRequest{0, id}.encode(out); });
    share_.add(operation);
    return share_.wait(operation);
}

}  // namespace Atoll::client

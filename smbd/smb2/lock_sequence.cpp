#include "smbd/smb2/lock_sequence.h"

#include "base/log.h"
#include "libcli/smb/negotiate.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"

namespace Atoll::smb2 {
namespace {

// Whether a LOCK that comes again is known by its sequence number: of an open that may outlive its connection, and on any connection that
// could have several channels.
bool keeps_lock_sequences(const Request& request) {
    constexpr uint16_t first_dialect = 0x0210;
    const ChannelState& channel = request.connection().channel();
    if (channel.dialect < first_dialect) return false;
    if (request.open->durable) return true;
    return request.connection().is_smb3() && (channel.server_capabilities & smb::global_cap::multi_channel) != 0;
}

// Of the open, at that index; null: there is none.
uint8_t* entry_of(const Request& request, const LockSequence& sequence) {
    auto& entries = request.open->lock_sequences;
    if (sequence.index == 0 || sequence.index > entries.size() || !keeps_lock_sequences(request)) return nullptr;
    return &entries[sequence.index - 1];
}

}  // namespace

bool is_repeated(const Request& request, const LockSequence& sequence) {
    uint8_t* const entry = entry_of(request, sequence);
    if (entry == nullptr || *entry == xsrv::Open::no_lock_sequence) return false;
    if (*entry == sequence.number) return true;
    *entry = xsrv::Open::no_lock_sequence;
    return false;
}

bool has_been_done(const Request& request, const LockSequence& sequence) {
    const uint8_t* const entry = entry_of(request, sequence);
    return entry != nullptr && *entry == sequence.number;
}

NtStatus begin_lock_step(const Request& request, const LockSequence& sequence, size_t locks_after) {
    auto& durable = request.open->durable;
    if (!durable) return NtStatus::SUCCESS;
    const bool is_kept = entry_of(request, sequence) != nullptr;
    if (!is_kept && !durable->step_begun) return NtStatus::SUCCESS;  // nobody will ask for it
    durable->step_begun.reset();
    if (is_kept) durable->step_begun = {static_cast<uint8_t>(sequence.index), sequence.number, static_cast<uint32_t>(locks_after)};
    const auto renewed = request.connection().client().tables().renew_open(*request.open);
    if (renewed) return NtStatus::SUCCESS;
    log_error("{}", renewed.error().message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

void note_sequence(const Request& request, const LockSequence& sequence) {
    if (uint8_t* const entry = entry_of(request, sequence)) *entry = sequence.number;
}

void forget_sequence(const Request& request, const LockSequence& sequence) {
    uint8_t* const entry = entry_of(request, sequence);
    if (entry != nullptr && *entry == sequence.number) *entry = xsrv::Open::no_lock_sequence;
    (void)begin_lock_step(request, {}, 0);  // it has been logged
}

void settle_lock_step(xsrv::Open& open, size_t locks) {
    auto& step = open.durable->step_begun;
    if (step && step->index > 0 && step->index <= open.lock_sequences.size() && step->locks_after == locks)
        open.lock_sequences[step->index - 1u] = step->number;
    step.reset();
    open.durable->lock_sequences = open.lock_sequences;
}

}  // namespace Atoll::smb2

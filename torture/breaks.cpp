#include "torture/breaks.h"

#include <chrono>

#include "libcli/smb/session.h"

namespace Atoll::torture {

client::OpenOptions leased(const Guid& key, uint32_t state, uint8_t version) {
    client::OpenOptions o;
    o.access = smb::access_mask::file_generic_read | smb::access_mask::file_generic_write;
    o.disposition = smb::CreateDisposition::open_if;
    o.oplock = smb::OplockLevel::lease;
    smb::LeaseContext lease;
    lease.version = version;
    lease.key = key;
    lease.state = state;
    o.contexts.lease = lease;
    return o;
}

client::OpenOptions leased_directory(const Guid& key, uint32_t state, uint8_t version) {
    client::OpenOptions o = leased(key, state, version);
    o.access = smb::access_mask::file_generic_read;
    o.options = smb::create_options::directory_file;
    return o;
}

uint32_t lease_state_of(const client::File& file) { return file.contexts().lease ? file.contexts().lease->state : ~0U; }

NtStatus acknowledge_lease(Client& client, const Guid& key, uint32_t state) {
    return client.connection->wait(client.tree->start(smb::Command::oplock_break, smb::LeaseBreakAck{key, state}));
}

Breaks::Breaks(Test& test, Client& client) : test_(test), client_(client) {
    client.connection->on_break = [this](Bytes message) {
        if (const auto oplock = smb::OplockBreak::decode(message)) oplocks_.push_back(*oplock);
        if (const auto lease = smb::LeaseBreakNotification::decode(message)) leases_.push_back(*lease);
    };
}

template <class T>
std::optional<T> Breaks::next(std::vector<T>& from) {
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(10);
    while (from.empty() && monotonic_now() < deadline) (void)test_.loop.run_once(deadline);
    if (from.empty()) return std::nullopt;
    const T first = from.front();
    from.erase(from.begin());
    return first;
}

std::optional<smb::OplockBreak> Breaks::next_oplock() { return next(oplocks_); }
std::optional<smb::LeaseBreakNotification> Breaks::next_lease() { return next(leases_); }

bool Breaks::none() {
    // The break would have been sent before the answer to a later request.
    Buffer ignored;
    (void)client::get(*client_.tree, "no such file", ignored);
    return oplocks_.empty() && leases_.empty();
}

}  // namespace Atoll::torture

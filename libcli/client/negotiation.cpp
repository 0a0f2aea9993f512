// NEGOTIATE from the client's side (MS-SMB2 3.2.4.2.2.2, 3.2.5.2).
#include <array>

#include "base/random.h"
#include "libcli/client/connection.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/signing.h"

namespace Atoll::client {

namespace {

constexpr std::array all_dialects = {smb::Dialect::smb2_02, smb::Dialect::smb2_10, smb::Dialect::smb3_00, smb::Dialect::smb3_02,
                                     smb::Dialect::smb3_11};
constexpr std::array hashes = {smb::HashAlgorithm::sha512};

bool is_3x(smb::Dialect dialect) { return dialect >= smb::Dialect::smb3_00 && dialect <= smb::Dialect::smb3_11; }

template <class Container>
smb::U16List list(const Container& values) {
    using T = typename Container::value_type;
    return smb::U16List(std::span<const T>(values));
}

}  // namespace

void Connection::start_negotiate(const NegotiateOptions& options, std::function<void(NtStatus)> done) {
    options_ = options;
    std::vector<smb::Dialect> dialects;
    for (smb::Dialect d : all_dialects) {
        if (d >= options_.min_dialect && d <= options_.max_dialect) dialects.push_back(d);
    }
    std::array<uint8_t, 32> salt{};
    fill_random(salt);
    smb::NegotiateRequest request;
    request.security_mode = options_.signing_required ? smb::security_mode::signing_required : smb::security_mode::signing_enabled;
    request.capabilities = is_3x(options_.max_dialect) ? options_.capabilities : 0;
    // MS-SMB2 3.2.4.2.2.2: ClientGuid is zero if only 2.0.2 is spoken.
    if (options_.max_dialect > smb::Dialect::smb2_02) request.client_guid = options_.client_guid;
    request.dialects = list(dialects);
    request.contexts.preauth = smb::PreauthCapabilities{list(hashes), salt};
    if (!options_.ciphers.empty()) request.contexts.ciphers = list(options_.ciphers);
    if (!options_.signing.empty()) request.contexts.signing = list(options_.signing);

    Compound compound(*this);
    RequestOptions o;
    o.credit_charge = 0;
    ExchangePtr exchange = compound.add(nullptr, 0, smb::Command::negotiate, request, o);
    auto hash = std::make_shared<smb::PreauthHash>();
    compound.on_sent = [hash](Bytes frame) { smb::extend_preauth_hash(*hash, frame); };
    exchange->on_done = [this, hash, done = std::move(done)](Exchange& e) { negotiated(e, *hash, done); };
    compound.send();
}

void Connection::negotiated(Exchange& exchange, const smb::PreauthHash& request_hash, const std::function<void(NtStatus)>& done) {
    auto response = exchange.decode<smb::NegotiateResponse>();
    if (!response) {
        done(response.error());
        return;
    }
    const NtStatus status = accept_response(*response);
    if (!is_error(status) && negotiated_.dialect == smb::Dialect::smb3_11) {
        preauth_hash_ = request_hash;
        smb::extend_preauth_hash(preauth_hash_, exchange.message());
    }
    done(status);
}

NtStatus Connection::accept_response(const smb::NegotiateResponse& r) {
    constexpr auto bad = NtStatus::INVALID_NETWORK_RESPONSE;
    if (r.dialect < options_.min_dialect || r.dialect > options_.max_dialect) return bad;
    negotiated_.dialect = r.dialect;
    negotiated_.security_mode = r.security_mode;
    negotiated_.capabilities = r.capabilities;
    negotiated_.server_guid = r.server_guid;
    negotiated_.max_transact_size = r.max_transact_size;
    negotiated_.max_read_size = r.max_read_size;
    negotiated_.max_write_size = r.max_write_size;
    negotiated_.security_blob.assign(r.security_buffer.begin(), r.security_buffer.end());
    negotiated_.signing = smb::signing_algorithm(r.dialect, smb::SigningAlgorithm::aes_cmac);
    const bool can_seal_30 = is_3x(r.dialect) && r.dialect != smb::Dialect::smb3_11 && (r.capabilities & smb::global_cap::encryption) != 0;
    negotiated_.cipher = can_seal_30 ? smb::Cipher::aes128_ccm : smb::Cipher::none;
    if (r.dialect != smb::Dialect::smb3_11) return NtStatus::SUCCESS;
    // MS-SMB2 3.2.5.2: exactly one hash, that was offered; at most one cipher and one signing algorithm.
    if (!r.contexts.preauth || r.contexts.preauth->hash_algorithms.size() != 1 || r.contexts.preauth->hash_algorithms[0] != 1) return bad;
    if (r.contexts.ciphers) {
        if (r.contexts.ciphers->size() != 1) return bad;
        negotiated_.cipher = static_cast<smb::Cipher>((*r.contexts.ciphers)[0]);
        if (negotiated_.cipher != smb::Cipher::none && !list(options_.ciphers).contains(negotiated_.cipher)) return bad;
    }
    if (r.contexts.signing) {
        if (r.contexts.signing->size() != 1 || !list(options_.signing).contains((*r.contexts.signing)[0])) return bad;
        negotiated_.signing = static_cast<smb::SigningAlgorithm>((*r.contexts.signing)[0]);
    }
    return NtStatus::SUCCESS;
}

NtStatus Connection::negotiate(const NegotiateOptions& options) {
    // Kept apart from this frame: after a time-out the answer may still come.
    auto result = std::make_shared<std::optional<NtStatus>>();
    start_negotiate(options, [result](NtStatus status) { *result = status; });
    if (!wait_until([&] { return result->has_value(); }, timeout_)) return NtStatus::IO_TIMEOUT;
    return **result;
}

}  // namespace Atoll::client

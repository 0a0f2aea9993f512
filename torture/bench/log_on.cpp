// From the TCP connection to the tree connect and back.
#include <fmt/format.h>

#include "base/guid.h"
#include "base/random.h"
#include "base/utf.h"
#include "libcli/auth/initiator.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/session.h"
#include "libcli/smb/tree.h"
#include "torture/bench/connection.h"

namespace Atoll::bench {

namespace {

Failure<Error> refused(const char* what, NtStatus status) {
    return fail(Code::denied, "smbbench", fmt::format("{}: {}", what, to_string(status)));
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Target& target) {
    auto connection = std::unique_ptr<Connection>(new Connection(target));
    if (auto r = connection->connect_socket(); !r) return r.failure();
    if (auto r = connection->negotiate(); !r) return r.failure();
    if (auto r = connection->log_on(); !r) return r.failure();
    if (auto r = connection->tree_connect(); !r) return r.failure();
    return connection;
}

Result<void> Connection::negotiate() {
    constexpr std::array<uint16_t, 1> dialects = {static_cast<uint16_t>(smb::Dialect::smb3_11)};
    constexpr std::array<uint16_t, 1> hashes = {static_cast<uint16_t>(smb::HashAlgorithm::sha512)};
    constexpr std::array<smb::Cipher, 2> ciphers = {smb::Cipher::aes128_gcm, smb::Cipher::aes128_ccm};
    constexpr std::array<smb::SigningAlgorithm, 2> signing = {smb::SigningAlgorithm::aes_gmac, smb::SigningAlgorithm::aes_cmac};
    std::array<uint8_t, 32> salt{};
    fill_random(salt);
    smb::NegotiateRequest request;
    request.security_mode = smb::security_mode::signing_enabled;
    request.capabilities = smb::global_cap::large_mtu | smb::global_cap::encryption | smb::global_cap::persistent_handles;
    request.client_guid = target_.client_guid ? *target_.client_guid : Guid::random();
    request.dialects = smb::U16List(std::span<const uint16_t>(dialects));
    request.contexts.preauth = smb::PreauthCapabilities{smb::U16List(std::span<const uint16_t>(hashes)), salt};
    request.contexts.ciphers = smb::U16List(std::span<const smb::Cipher>(ciphers));
    request.contexts.signing = smb::U16List(std::span<const smb::SigningAlgorithm>(signing));
    begin_frame();
    request.encode(begin_message(smb::Command::negotiate));
    end_message();
    end_frame();
    smb::extend_preauth_hash(preauth_, out_.bytes().subspan(4));
    smb::Header header;
    const auto message = call(header);
    if (!message) return message.failure();
    if (header.status != NtStatus::SUCCESS) return refused("NEGOTIATE", header.status);
    smb::extend_preauth_hash(preauth_, *message);
    const auto response = smb::NegotiateResponse::decode(*message);
    if (!response || response->dialect != smb::Dialect::smb3_11)
        return fail(Code::unsupported, "smbbench", "the server does not speak 3.1.1");
    if (response->contexts.ciphers && !response->contexts.ciphers->empty())
        cipher_ = static_cast<smb::Cipher>((*response->contexts.ciphers)[0]);
    if (response->contexts.signing && !response->contexts.signing->empty())
        signing_ = static_cast<smb::SigningAlgorithm>((*response->contexts.signing)[0]);
    max_read_ = response->max_read_size;
    max_write_ = response->max_write_size;
    return {};
}

// `answer` is the whole message. The last one is not hashed (MS-SMB2 3.2.5.3.1).
Result<void> Connection::session_setup(Bytes token, smb::Header& header, Bytes& answer) {
    smb::SessionSetupRequest request;
    request.security_mode = static_cast<uint8_t>(smb::security_mode::signing_enabled);
    request.previous_session_id = target_.previous_session_id;
    request.security_buffer = token;
    begin_frame();
    request.encode(begin_message(smb::Command::session_setup));
    end_message();
    end_frame();
    smb::extend_preauth_hash(preauth_, out_.bytes().subspan(4));
    const auto message = call(header);
    if (!message) return message.failure();
    if (header.status == NtStatus::MORE_PROCESSING_REQUIRED) smb::extend_preauth_hash(preauth_, *message);
    answer = *message;
    session_id_ = header.session_id;
    return {};
}

Result<void> Connection::log_on() {
    const auto hash = auth::nt_hash(target_.password);
    if (!hash) return fail(Code::invalid, "smbbench", "the password is not UTF-8");
    auth::Initiator initiator({target_.user, "", *hash, "SMBBENCH"});
    smb::Header header;
    Bytes message;
    if (auto r = session_setup(initiator.start(), header, message); !r) return r;
    if (header.status != NtStatus::MORE_PROCESSING_REQUIRED) return refused("SESSION_SETUP", header.status);
    const auto challenge = smb::SessionSetupResponse::decode(message);
    if (!challenge) return refused("SESSION_SETUP", challenge.error());
    const auto answer = initiator.answer(challenge->security_buffer);
    if (!answer) return refused("SESSION_SETUP", answer.error());
    if (auto r = session_setup(*answer, header, message); !r) return r;
    if (header.status != NtStatus::SUCCESS) return refused("SESSION_SETUP", header.status);
    const auto last = smb::SessionSetupResponse::decode(message);
    if (!last || (last->session_flags & (smb::session_flags::is_guest | smb::session_flags::is_null)) != 0)
        return refused("SESSION_SETUP made a guest", header.status);
    return finish_log_on(initiator.session_key(), message);
}

Result<void> Connection::finish_log_on(Bytes session_key, Bytes final_message) {
    const smb::SessionKeys keys = smb::derive_session_keys(smb::Dialect::smb3_11, cipher_, session_key, preauth_);
    signer_.emplace(smb::signing_algorithm(smb::Dialect::smb3_11, signing_), keys.signing);
    if (!signer_->verify(final_message))
        return fail(Code::denied, "smbbench", "the last SESSION_SETUP response is not signed with the session's key");
    sign_all_ = target_.mode == Mode::signed_;
    if (target_.mode == Mode::sealed) {
        if (cipher_ == smb::Cipher::none) return fail(Code::unsupported, "smbbench", "the server agreed on no cipher");
        sealer_.emplace(cipher_, keys.client_to_server, session_id_);
        opener_.emplace(cipher_, keys.server_to_client);
    }
    logged_on_ = true;
    return {};
}

Result<void> Connection::tree_connect() {
    const auto path = utf8_to_utf16le("\\\\" + target_.host + "\\" + target_.share);
    if (!path) return fail(Code::invalid, "smbbench", "the share's name is not UTF-8");
    smb::TreeConnectRequest request;
    request.path = *path;
    sign_next_ = true;  // MS-SMB2 3.2.4.1.1: 3.1.1 signs it always
    begin_frame();
    request.encode(begin_message(smb::Command::tree_connect));
    end_message();
    end_frame();
    smb::Header header;
    const auto message = call(header);
    if (!message) return message.failure();
    if (header.status != NtStatus::SUCCESS) return refused("TREE_CONNECT", header.status);
    const auto response = smb::TreeConnectResponse::decode(*message);
    if (!response) return refused("TREE_CONNECT", response.error());
    tree_id_ = header.tree_id;
    continuously_available_ = (response->capabilities & smb::share_cap::continuous_availability) != 0;
    return {};
}

Result<void> Connection::empty_call(smb::Command command) {
    begin_frame();
    smb::EmptyMessage().encode(begin_message(command));
    end_message();
    end_frame();
    smb::Header header;
    if (auto r = call(header); !r) return r.failure();
    if (header.status != NtStatus::SUCCESS) return refused(smb::to_string(command), header.status);
    return {};
}

Result<void> Connection::leave() {
    if (auto r = empty_call(smb::Command::tree_disconnect); !r) return r;
    if (auto r = empty_call(smb::Command::logoff); !r) return r;
    socket_.reset();
    return {};
}

Result<void> Connection::gather_credits(size_t wanted) {
    wanted_credits_ = wanted;
    for (int attempts = 0; credits_ < wanted && attempts < 100; attempts++) {
        if (auto r = empty_call(smb::Command::echo); !r) return r;
    }
    if (credits_ < wanted)
        return fail(Code::no_space, "smbbench", fmt::format("the server grants {} credits, the work needs {}", credits_, wanted));
    counters_.requests[static_cast<size_t>(smb::Command::echo)] = 0;  // how many it took is not part of the work
    return {};
}

std::string Connection::describe() const {
    const char* ciphers[] = {"none", "AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"};
    const char* algorithms[] = {"HMAC-SHA256", "AES-CMAC", "AES-GMAC"};
    switch (target_.mode) {
        case Mode::plain: return "plain";
        case Mode::signed_: return fmt::format("signed {}", algorithms[static_cast<size_t>(signing_)]);
        case Mode::sealed: return fmt::format("sealed {}", ciphers[static_cast<size_t>(cipher_)]);
    }
    return "";
}

}  // namespace Atoll::bench

#include "libcli/client/session.h"

#include <variant>

#include "libcli/smb/preauth_hash.h"

namespace Atoll::client {

namespace {

using Token = Result<std::vector<uint8_t>, NtStatus>;

// The client's side of either mechanism.
class Mechanism {
 public:
    Mechanism(auth::Credentials credentials, const std::string& target_name) {
        if (credentials.kerberos) {
            held_.emplace<auth::KerberosInitiator>(std::move(*credentials.kerberos));
        } else {
            held_.emplace<auth::Initiator>(std::move(credentials), auth::InitiatorOptions{true, target_name});
        }
    }
    Token start() {
        return with<Token>([](auto& held) { return held.start(); });
    }
    Token answer(Bytes token) {
        return with<Token>([&](auto& held) { return held.answer(token); });
    }
    Result<void, NtStatus> finish(Bytes token, bool trusted) {
        return with<Result<void, NtStatus>>([&](auto& held) { return held.finish(token, trusted); });
    }
    [[nodiscard]] Bytes session_key() const {
        if (const auto* kerberos = std::get_if<auth::KerberosInitiator>(&held_)) return kerberos->session_key();
        return std::get<auth::Initiator>(held_).session_key();
    }
    // A server proves with its last token that it knows the key; NTLM's does so only in an answer to its challenge.
    // Kerberos may need the mechanism's token and then the mechListMIC.
    [[nodiscard]] unsigned most_answers() const { return needs_challenge() ? 1 : 2; }
    [[nodiscard]] bool needs_challenge() const { return std::holds_alternative<auth::Initiator>(held_); }

 private:
    template <class T, class F>
    T with(const F& call) {
        if (auto* kerberos = std::get_if<auth::KerberosInitiator>(&held_)) return call(*kerberos);
        return call(std::get<auth::Initiator>(held_));
    }
    std::variant<std::monostate, auth::Initiator, auth::KerberosInitiator> held_;
};

}  // namespace

// One log-on under way.
struct Session::LogOn {
    LogOn(auth::Credentials c, LogOnOptions o, std::function<void(NtStatus)> d)
        : options(std::move(o)), initiator(std::move(c), options.target_name), done(std::move(d)) {}
    LogOnOptions options;
    Mechanism initiator;
    std::function<void(NtStatus)> done;
    smb::PreauthHash hash{};
    unsigned answers = 0;  // to MORE_PROCESSING_REQUIRED
    bool again = false;    // reauthentication of a session that has keys
};

Session::~Session() {
    if (id_ != 0) connection_.forget_session(id_);
}

void Session::start_log_on(auth::Credentials credentials, LogOnOptions options, std::function<void(NtStatus)> done) {
    auto log_on = std::make_shared<LogOn>(std::move(credentials), std::move(options), std::move(done));
    log_on->hash = connection_.preauth_hash();
    log_on->again = has_keys();
    const auto token = log_on->initiator.start();
    if (!token) return log_on->done(token.error());
    send_token(log_on, *token);
}

void Session::send_token(const std::shared_ptr<LogOn>& log_on, Bytes token) {
    smb::SessionSetupRequest request;
    request.security_mode = static_cast<uint8_t>(connection_.options().signing_required ? smb::security_mode::signing_required
                                                                                        : smb::security_mode::signing_enabled);
    request.previous_session_id = log_on->options.previous_session_id;
    request.security_buffer = token;
    Compound compound(connection_);
    ExchangePtr exchange = compound.add(this, 0, smb::Command::session_setup, request);
    exchange->on_done = [this, log_on](Exchange& e) { received(log_on, e); };
    compound.on_sent = [log_on](Bytes frame) { smb::extend_preauth_hash(log_on->hash, frame); };
    compound.send();
}

void Session::received(const std::shared_ptr<LogOn>& log_on, Exchange& exchange) {
    auto response = exchange.message().empty() || (is_error(exchange.status()) && exchange.status() != NtStatus::MORE_PROCESSING_REQUIRED)
                        ? Result<smb::SessionSetupResponse, NtStatus>(exchange.status())
                        : smb::SessionSetupResponse::decode(exchange.message());
    if (!response) {
        log_on->done(response.error());
        return;
    }
    if (id_ == 0) {
        id_ = exchange.header().session_id;
        connection_.register_session(id_, this);
    }
    if (exchange.status() == NtStatus::SUCCESS) {
        log_on->done(succeeded(*log_on, exchange, *response));
        return;
    }
    smb::extend_preauth_hash(log_on->hash, exchange.message());
    auto answer = log_on->initiator.answer(response->security_buffer);
    if (!answer || log_on->answers == log_on->initiator.most_answers()) {
        log_on->done(answer ? NtStatus::INVALID_NETWORK_RESPONSE : answer.error());
        return;
    }
    log_on->answers++;
    send_token(log_on, *answer);
}

NtStatus Session::succeeded(LogOn& log_on, const Exchange& exchange, const smb::SessionSetupResponse& response) {
    flags_ = response.session_flags;
    const bool trusted = (flags_ & (smb::session_flags::is_guest | smb::session_flags::is_null)) == 0;
    // Without an answered challenge there is no shared key: anybody could sign with the empty one.
    if (trusted && log_on.answers == 0 && log_on.initiator.needs_challenge()) return NtStatus::INVALID_NETWORK_RESPONSE;
    // MS-SMB2 3.2.5.3.1: guests and anonymous users have no key, so whoever wants signing or sealing does not take such a session.
    if (!trusted && (connection_.options().signing_required || log_on.options.sign || log_on.options.seal)) return NtStatus::ACCESS_DENIED;
    if (auto finished = log_on.initiator.finish(response.security_buffer, trusted); !finished) return finished.error();
    // MS-SMB2 3.2.5.3.2: reauthentication changes neither keys nor signing.
    if (!trusted || log_on.again) return NtStatus::SUCCESS;
    make_keys(log_on);
    const auto& n = connection_.negotiated();
    const bool required = connection_.options().signing_required || (n.security_mode & smb::security_mode::signing_required) != 0;
    should_sign_ = log_on.options.sign || required;
    should_seal_ = sealer_ != nullptr && (log_on.options.seal || (flags_ & smb::session_flags::encrypt_data) != 0);
    // MS-SMB2 3.2.5.3.1: the last response is signed in 3.1.1, and wherever signing is on.
    const bool must_be_signed = n.dialect == smb::Dialect::smb3_11 || should_sign_;
    if (!exchange.header().is_signed()) return must_be_signed ? NtStatus::ACCESS_DENIED : NtStatus::SUCCESS;
    return signer_->verify(exchange.message()) ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
}

void Session::make_keys(const LogOn& log_on) {
    const auto& n = connection_.negotiated();
    keys_ = smb::derive_session_keys(n.dialect, n.cipher, log_on.initiator.session_key(), log_on.hash);
    signer_ = std::make_unique<smb::Signer>(n.signing, keys_.signing);
    if (n.cipher == smb::Cipher::none) return;
    sealer_ = std::make_unique<smb::Sealer>(n.cipher, keys_.client_to_server, id_);
    opener_ = std::make_unique<smb::Opener>(n.cipher, keys_.server_to_client);
}

NtStatus Session::log_on(auth::Credentials credentials, LogOnOptions options) {
    // Kept apart from this frame: after a time-out the answer may still come.
    auto result = std::make_shared<std::optional<NtStatus>>();
    start_log_on(std::move(credentials), std::move(options), [result](NtStatus status) { *result = status; });
    if (!connection_.wait_until([&] { return result->has_value(); }, connection_.timeout_)) {
        connection_.close();  // the log-on would otherwise go on with a session that may be gone
        return NtStatus::IO_TIMEOUT;
    }
    return **result;
}

NtStatus Session::log_off() {
    Compound compound(connection_);
    ExchangePtr exchange = compound.add(this, 0, smb::Command::logoff, smb::EmptyMessage{});
    compound.send();
    return connection_.wait(exchange);
}

}  // namespace Atoll::client

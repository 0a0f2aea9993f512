// A session of a client: log-on with NTLMv2 or Kerberos, keys, log-off (MS-SMB2 3.2.4.2.3, 3.2.5.3).
#pragma once

#include <functional>
#include <memory>

#include "libcli/auth/initiator.h"
#include "libcli/client/connection.h"
#include "libcli/smb/sealing.h"
#include "libcli/smb/session.h"
#include "libcli/smb/signing.h"

namespace Atoll::client {

struct LogOnOptions {
    bool sign = false;  // sign every request even if the server does not require it
    bool seal = false;  // seal every request (3.x)
    uint64_t previous_session_id = 0;
    std::string target_name;
};

// Lives shorter than its connection and longer than its exchanges. Ending it sends nothing.
class Session {
 public:
    explicit Session(Connection& connection) : connection_(connection) {}
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Asynchronous; may be called again on a session that is logged on (reauthentication, MS-SMB2 3.2.5.3.2). `done` gets SUCCESS, the
    // server's status, or ACCESS_DENIED if the server does not prove that it knows the key.
    void start_log_on(auth::Credentials credentials, LogOnOptions options, std::function<void(NtStatus)> done);
    NtStatus log_on(auth::Credentials credentials, LogOnOptions options = {});
    NtStatus log_off();

    [[nodiscard]] uint64_t id() const { return id_; }
    [[nodiscard]] uint16_t flags() const { return flags_; }
    [[nodiscard]] bool is_guest() const { return (flags_ & smb::session_flags::is_guest) != 0; }
    [[nodiscard]] bool is_anonymous() const { return (flags_ & smb::session_flags::is_null) != 0; }
    [[nodiscard]] bool has_keys() const { return signer_ != nullptr; }
    [[nodiscard]] bool should_sign() const { return should_sign_; }
    [[nodiscard]] bool should_seal() const { return should_seal_; }
    void set_should_sign(bool on) { should_sign_ = on && has_keys(); }
    void set_should_seal(bool on) { should_seal_ = on && sealer_ != nullptr; }
    [[nodiscard]] const smb::SessionKeys& keys() const { return keys_; }
    [[nodiscard]] const smb::Signer* signer() const { return signer_.get(); }
    [[nodiscard]] const smb::Sealer* sealer() const { return sealer_.get(); }
    [[nodiscard]] const smb::Opener* opener() const { return opener_.get(); }
    Connection& connection() { return connection_; }

 private:
    struct LogOn;
    void send_token(const std::shared_ptr<LogOn>& log_on, Bytes token);
    void received(const std::shared_ptr<LogOn>& log_on, Exchange& exchange);
    NtStatus succeeded(LogOn& log_on, const Exchange& exchange, const smb::SessionSetupResponse& response);
    void make_keys(const LogOn& log_on);

    Connection& connection_;
    uint64_t id_ = 0;
    uint16_t flags_ = 0;
    bool should_sign_ = false;
    bool should_seal_ = false;
    smb::SessionKeys keys_;
    std::unique_ptr<smb::Signer> signer_;
    std::unique_ptr<smb::Sealer> sealer_;
    std::unique_ptr<smb::Opener> opener_;
};

}  // namespace Atoll::client

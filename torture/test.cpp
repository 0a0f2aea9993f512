#include "torture/test.h"

#include <unistd.h>

#include <algorithm>

#include "base/utf.h"
#include "libcli/smb/session.h"

namespace Atoll::torture {

std::string Target::option(const std::string& name, const std::string& otherwise) const {
    auto it = options.find(name);
    return it == options.end() ? otherwise : it->second;
}

auth::Credentials Target::credentials() const {
    auth::Credentials c;
    c.user = user;
    c.domain = domain;
    c.hash = auth::nt_hash(password).value_or(auth::NtHash{});
    c.workstation = "SMBTORTURE";
    if (use_kerberos) c.kerberos = auth::KerberosTarget{host, credential_cache};
    return c;
}

Test::Test(const Target& on, std::string test_name) : target(on), name(std::move(test_name)) {
    directory_ = name + "." + std::to_string(::getpid());
    std::replace(directory_.begin(), directory_.end(), '.', '_');
}

Test::~Test() {
    if (!directory_made_) return;
    // Through a connection of its own: the test may have ruined its own.
    const bool failed_before = failed_;
    const std::string reason_before = reason_;
    if (auto c = client()) (void)client::remove_tree(*c->tree, directory_);
    failed_ = failed_before;
    reason_ = reason_before;
}

client::NegotiateOptions Test::negotiate_options() const {
    client::NegotiateOptions o;
    o.max_dialect = target.max_dialect;
    return o;
}

client::NegotiateOptions Test::only(smb::Dialect dialect) const {
    client::NegotiateOptions o;
    o.min_dialect = o.max_dialect = dialect;
    return o;
}

std::unique_ptr<client::Connection> Test::connect() {
    auto connection = client::Connection::open(loop, target.host, target.port);
    if (!connection) {
        fail(connection.error().message());
        return nullptr;
    }
    return std::move(*connection);
}

std::unique_ptr<client::Connection> Test::negotiate(const client::NegotiateOptions& options) {
    auto connection = connect();
    if (!connection) return nullptr;
    const NtStatus status = connection->negotiate(options);
    if (is_error(status)) {
        fail("NEGOTIATE: " + to_string(status));
        return nullptr;
    }
    return connection;
}

std::unique_ptr<Client> Test::client(const client::NegotiateOptions& options, client::LogOnOptions log_on) {
    auto c = std::make_unique<Client>();
    c->connection = negotiate(options);
    if (!c->connection) return nullptr;
    c->session = std::make_unique<client::Session>(*c->connection);
    if (target.option("seal") == "yes" && c->connection->negotiated().dialect >= smb::Dialect::smb3_00) log_on.seal = true;
    NtStatus status = c->session->log_on(target.credentials(), std::move(log_on));
    if (is_error(status)) {
        fail("SESSION_SETUP: " + to_string(status));
        return nullptr;
    }
    c->tree = std::make_unique<client::Tree>(*c->session);
    status = c->tree->connect(target.share_path());
    if (is_error(status)) {
        fail("TREE_CONNECT " + target.share_path() + ": " + to_string(status));
        return nullptr;
    }
    return c;
}

std::string Test::path(Client& c, std::string_view leaf) {
    if (!directory_made_) {
        (void)client::remove_tree(*c.tree, directory_);
        const NtStatus status = client::make_directory(*c.tree, directory_);
        if (is_error(status)) fail("cannot make " + directory_ + ": " + to_string(status));
        directory_made_ = true;
    }
    return leaf.empty() ? directory_ : directory_ + "\\" + std::string(leaf);
}

std::optional<client::File> Test::file(Client& c, std::string_view leaf, Bytes content) {
    auto f = client::File::open(*c.tree, path(c, leaf), client::OpenOptions::write());
    if (!f) {
        fail("CREATE " + std::string(leaf) + ": " + to_string(f.error()));
        return std::nullopt;
    }
    if (content.empty()) return std::move(*f);
    auto written = f->write(0, content);
    if (!written || *written != content.size()) {
        fail("WRITE " + std::string(leaf) + ": " + (written ? "short" : to_string(written.error())));
        return std::nullopt;
    }
    return std::move(*f);
}

bool Test::server_alive() {
    auto c = client();
    if (!c) {
        reason_ = "the server does not serve any more: " + reason_;
        return false;
    }
    const NtStatus status = c->status_of(smb::Command::echo, smb::EmptyMessage{});
    if (is_error(status)) fail("the server does not serve any more: ECHO: " + to_string(status));
    return !is_error(status);
}

void Test::fail(std::string reason) {
    if (ended()) return;
    failed_ = true;
    reason_ = std::move(reason);
}

void Test::skip(std::string reason) {
    if (ended()) return;
    skipped_ = true;
    reason_ = std::move(reason);
}

std::span<const Suite> suites() {
    static const Suite all[] = {connect_suite, dialects_suite,  rw_suite,       dir_suite,      compound_suite, credits_suite,
                                create_suite,  lease_suite,     dirlease_suite, oplock_suite,   info_suite,     notify_suite,
                                ea_suite,      streams_suite,   rename_suite,   acls_suite,     rights_suite,   pipe_suite,
                                rpc_suite,     hostile_suite,   async_suite,    kerberos_suite, lock_suite,     ioctl_suite,
                                reparse_suite, resilient_suite, attack_suite,   failover_suite, restart_suite,  killed_client_suite};
    return all;
}

std::vector<uint8_t> pattern_bytes(size_t size, uint32_t seed) {
    std::vector<uint8_t> bytes(size);
    uint32_t x = seed * 2654435761u + 1;
    for (uint8_t& b : bytes) {
        x = x * 1664525u + 1013904223u;
        b = static_cast<uint8_t>(x >> 24);
    }
    return bytes;
}

}  // namespace Atoll::torture

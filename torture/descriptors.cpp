#include "torture/descriptors.h"

#include "libcli/auth/ntlm.h"

namespace Atoll::torture {

using client::File;
using client::OpenOptions;
using security::Ace;
using security::SecurityDescriptor;
namespace access = smb::access_mask;
namespace part = security::part;

namespace {

auth::Credentials parse_credentials(const std::string& text) {
    const size_t percent = text.find('%');
    auth::Credentials credentials;
    credentials.user = text.substr(0, percent);
    credentials.hash = auth::nt_hash(percent == std::string::npos ? std::string() : text.substr(percent + 1)).value_or(auth::NtHash{});
    credentials.workstation = "SMBTORTURE";
    return credentials;
}

Ace ace_of(uint8_t type, const Sid& sid, uint32_t mask, uint8_t flags) {
    Ace ace;
    ace.type = type;
    ace.flags = flags;
    ace.mask = mask;
    ace.sid = sid;
    return ace;
}

}  // namespace

Sid user_sid(Test& t, Client& c) {
    OpenOptions o = wanting(access::read_control | access::delete_access, smb::create_options::delete_on_close);
    o.disposition = smb::CreateDisposition::open_if;
    auto file = File::open(*c.tree, t.path(c, "whose"), o);
    if (!file) {
        t.fail("a file to tell its owner: " + to_string(file.error()));
        return {};
    }
    const auto descriptor = query_security(*file, part::owner);
    (void)file->close();
    if (descriptor && descriptor->owner) return *descriptor->owner;
    t.fail("a new file has no owner");
    return {};
}

std::unique_ptr<Client> client_as(Test& t, const std::string& who, const std::string& share) {
    return client_as(t, who, t.negotiate_options(), {}, share);
}

std::unique_ptr<Client> client_as(Test& t, const std::string& who, const client::NegotiateOptions& options, client::LogOnOptions log_on,
                                  const std::string& share) {
    const std::string user = t.target.option(who);
    if (user.empty()) {
        t.skip("needs --option=torture:" + who + "=USER%PASSWORD");
        return nullptr;
    }
    auto c = std::make_unique<Client>();
    c->connection = t.negotiate(options);
    if (!c->connection) return nullptr;
    c->session = std::make_unique<client::Session>(*c->connection);
    NtStatus status = c->session->log_on(parse_credentials(user), std::move(log_on));
    c->tree = std::make_unique<client::Tree>(*c->session);
    if (!is_error(status)) status = c->tree->connect("\\\\" + t.target.host + "\\" + (share.empty() ? t.target.share : share));
    if (!is_error(status)) return c;
    t.fail(who + " is not let in: " + to_string(status));
    return nullptr;
}

Result<SecurityDescriptor, NtStatus> query_security(File& file, uint32_t parts) {
    Buffer bytes;
    const NtStatus status = file.query(smb::InfoType::security, 0, bytes, 65536, parts);
    if (status != NtStatus::SUCCESS) return status;
    SecurityDescriptor descriptor;
    if (!security::decode(bytes, descriptor)) return NtStatus::INVALID_SECURITY_DESCR;
    return descriptor;
}

NtStatus set_security(File& file, uint32_t parts, const SecurityDescriptor& value) {
    Buffer bytes;
    security::encode(value, bytes);
    return file.set(smb::InfoType::security, 0, bytes, parts);
}

Ace allow(const Sid& sid, uint32_t mask, uint8_t flags) { return ace_of(security::ace_type::access_allowed, sid, mask, flags); }
Ace deny(const Sid& sid, uint32_t mask, uint8_t flags) { return ace_of(security::ace_type::access_denied, sid, mask, flags); }
Ace audit(const Sid& sid, uint32_t mask, uint8_t flags) { return ace_of(security::ace_type::system_audit, sid, mask, flags); }

SecurityDescriptor dacl(std::vector<Ace> aces, uint16_t control_bits) {
    SecurityDescriptor d;
    d.control = static_cast<uint16_t>(security::control::dacl_present | control_bits);
    d.dacl = security::Acl{2, std::move(aces)};
    return d;
}

SecurityDescriptor sacl(std::vector<Ace> aces) {
    SecurityDescriptor d;
    d.control = security::control::sacl_present;
    d.sacl = security::Acl{2, std::move(aces)};
    return d;
}

SecurityDescriptor of_owner(const Sid& sid) {
    SecurityDescriptor d;
    d.owner = sid;
    return d;
}

std::string text_of(const std::vector<Ace>& aces) {
    const std::string whole = security::to_sddl(dacl(aces));
    const size_t first = whole.find('(');
    return first == std::string::npos ? std::string() : whole.substr(first);
}

std::string dacl_text(File& file) {
    const auto descriptor = query_security(file, part::dacl);
    if (!descriptor) return "?" + to_string(descriptor.error());
    return descriptor->dacl ? text_of(descriptor->dacl->aces) : "NULL";
}

OpenOptions wanting(uint32_t access, uint32_t options) {
    OpenOptions o;
    o.access = access;
    o.options = options;
    return o;
}

NtStatus try_open(Client& c, std::string_view name, const OpenOptions& options) {
    auto file = File::open(*c.tree, name, options);
    if (!file) return file.error();
    return file->close();
}

NtStatus try_open(Client& c, std::string_view name, uint32_t access, uint32_t options) {
    return try_open(c, name, wanting(access, options));
}

NtStatus make_with(Client& c, std::string_view name, const SecurityDescriptor& value, bool directory) {
    OpenOptions o = wanting(access::write_dac | access::read_control, directory ? smb::create_options::directory_file : 0);
    o.disposition = smb::CreateDisposition::create;
    auto file = File::open(*c.tree, name, o);
    if (!file) return file.error();
    const NtStatus set = set_security(*file, part::dacl, value);
    const NtStatus closed = file->close();
    return is_error(set) ? set : closed;
}

}  // namespace Atoll::torture

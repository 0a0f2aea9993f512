// Security descriptors of files of the share under test, and the other users that tests of them log on as.
#pragma once

#include "libcli/security/security_descriptor.h"
#include "torture/test.h"

namespace Atoll::torture {

// A client that logs on as the user of --option=torture:WHO=USER%PASSWORD, to the target's share or another. Null, and the test skipped, if
// there is no such option; null, and the test failed, if the server does not let him in.
std::unique_ptr<Client> client_as(Test& t, const std::string& who, const std::string& share = {});
std::unique_ptr<Client> client_as(Test& t, const std::string& who, const client::NegotiateOptions& options,
                                  client::LogOnOptions log_on = {}, const std::string& share = {});

// QUERY_INFO and SET_INFO of SMB2_0_INFO_SECURITY; `parts` are bits of security::part.
Result<security::SecurityDescriptor, NtStatus> query_security(client::File& file, uint32_t parts);
NtStatus set_security(client::File& file, uint32_t parts, const security::SecurityDescriptor& value);

security::Ace allow(const Sid& sid, uint32_t mask, uint8_t flags = 0);
security::Ace deny(const Sid& sid, uint32_t mask, uint8_t flags = 0);
security::Ace audit(const Sid& sid, uint32_t mask, uint8_t flags = 0);
security::SecurityDescriptor dacl(std::vector<security::Ace> aces, uint16_t control_bits = 0);
security::SecurityDescriptor sacl(std::vector<security::Ace> aces);
security::SecurityDescriptor of_owner(const Sid& sid);

// "(A;OICI;FA;;;WD)(D;...)" of the DACL; "NULL" without one. "?" and the status if it cannot be queried.
std::string dacl_text(client::File& file);
std::string text_of(const std::vector<security::Ace>& aces);

// An open with that access, sharing everything; `options` are FILE_* of CreateOptions.
client::OpenOptions wanting(uint32_t access, uint32_t options = 0);
// The status of an open that is closed again at once.
NtStatus try_open(Client& c, std::string_view name, const client::OpenOptions& options);
NtStatus try_open(Client& c, std::string_view name, uint32_t access, uint32_t options = 0);

// Makes a file or directory and gives it that DACL. Its maker keeps READ_CONTROL and WRITE_DAC, as owner.
NtStatus make_with(Client& c, std::string_view name, const security::SecurityDescriptor& value, bool directory = false);
// The user as the owner of what he makes; invalid, and the test failed, if that cannot be told.
Sid user_sid(Test& t, Client& c);

}  // namespace Atoll::torture

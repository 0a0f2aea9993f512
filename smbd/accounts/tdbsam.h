// The record of Samba's tdbsam (docs/formats/tdbsam.md). Pure functions: thread-safe.
#pragma once

#include "base/buffer.h"
#include "base/result.h"
#include "smbd/accounts/account.idl.h"

namespace Atoll::accounts {

// Code::corrupt for a record that ends early or has a text without its zero byte. What stands behind the last field goes to `rest`.
Result<void> decode_tdbsam(Bytes record, Account& out);
// Appends. What was decoded and not changed is encoded to the same bytes.
void encode_tdbsam(const Account& account, Buffer& out);

}  // namespace Atoll::accounts

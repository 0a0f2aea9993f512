// The values of a log-on, LogonProof and LogonOutcome, which are IDL structs so that they may travel between processes; fields are
// explained in logon.idl.
#pragma once

#include "libcli/auth/logon.idl.h"
#include "libcli/auth/ntlm.h"

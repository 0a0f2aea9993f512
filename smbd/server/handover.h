// Between the records that travel (server.idl) and the structs that smb2 works with.
#pragma once

#include "base/result.h"
#include "idl/level.h"
#include "smbd/server/server.idl.h"
#include "smbd/smb2/channel.h"
#include "smbd/smb2/client_process.h"

namespace Atoll::server {

channel_state to_record(const smb2::ChannelState& channel);
smb2::ChannelState from_record(const channel_state& record);
logon_grant to_record(const smb2::LogonGrant& grant);
smb2::LogonGrant from_record(const logon_grant& record);

// After `smbcontrol smbd upgrade` the two ends may be of different builds.
template <class Record>
Buffer encode_record(const Record& record) {
    Buffer out;
    encode(record, out, idl::written_level());
    return out;
}

}  // namespace Atoll::server
